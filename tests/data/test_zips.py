"""Zips that are not what they seem, and one that a killed process left half unpacked."""

from __future__ import annotations

import io
import shutil
import stat
import subprocess
import sys
import zipfile
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.data import zips
from evalkit.data.zips import unpack
from evalkit.errors import DataError

CLIPS = {"data/a.mp4": b"a" * 3000, "data/b.mp4": b"b" * 5000, "data/deep/c.mp4": b"c" * 70000}


def packed(entries: dict[str | zipfile.ZipInfo, bytes], **settings: Any) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **settings) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[bytes], str]:
    """A function that unpacks bytes, and returns the one line that they are refused with."""

    def run(content: bytes) -> str:
        archive = tmp_path / "clips.zip"
        archive.write_bytes(content)
        with pytest.raises(DataError) as caught:
            unpack(archive, tmp_path / "out" / "clips")
        assert not (tmp_path / "out" / "clips").exists()
        assert not list(tmp_path.rglob("escaped*"))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return run


def test_files_come_out_as_they_went_in(tmp_path: Path) -> None:
    (tmp_path / "clips.zip").write_bytes(packed({"data/": b"", **CLIPS}))
    folder = tmp_path / "made" / "clips"
    unpack(tmp_path / "clips.zip", folder)
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == CLIPS
    (tmp_path / "clips.zip").unlink()
    unpack(tmp_path / "clips.zip", folder)


def test_an_empty_zip_is_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "clips.zip").write_bytes(packed({}))
    unpack(tmp_path / "clips.zip", tmp_path / "clips")
    assert list((tmp_path / "clips").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../escaped.mp4", "data/../../escaped.mp4", "/tmp/escaped.mp4", "..\\escaped.mp4", "."]
)
def test_names_that_leave_the_folder(name: str, refused: Callable[[bytes], str]) -> None:
    entry = zipfile.ZipInfo("x")
    entry.filename = name
    said = refused(packed({"data/a.mp4": b"a", entry: b"b"}))
    assert said.startswith("clips.zip: refused: entry ")
    assert said.endswith("would leave the folder")
    assert not Path("/tmp/escaped.mp4").exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices(kind: int, refused: Callable[[bytes], str]) -> None:
    entry = zipfile.ZipInfo("data/link.mp4")
    entry.external_attr = (kind | 0o777) << 16
    assert "is a link or a device" in refused(packed({entry: b"/etc/passwd"}))


def test_a_file_under_a_link_of_the_same_zip(refused: Callable[[bytes], str]) -> None:
    entry = zipfile.ZipInfo("data")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert "is a link or a device" in refused(packed({entry: b"/tmp", "data/escaped": b"x"}))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice(refused: Callable[[bytes], str]) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("data/a.mp4", b"one")
        archive.writestr("data/a.mp4", b"two")
    assert "is there twice" in refused(file.getvalue())


def test_a_file_and_a_folder_of_one_name(refused: Callable[[bytes], str]) -> None:
    assert "cannot unpack it" in refused(packed({"data": b"x", "data/a.mp4": b"y"}))


def test_an_encrypted_entry(refused: Callable[[bytes], str]) -> None:
    content = bytearray(packed({"data/a.mp4": b"a"}))
    for signature, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(signature) + place] |= 1
    assert "is encrypted" in refused(bytes(content))


def test_a_bomb(refused: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "_SMALL", 1 << 20)
    content = packed({"data/a.mp4": bytes(3 << 20)}, compression=zipfile.ZIP_DEFLATED)
    assert len(content) < 10_000
    assert "refused as a zip bomb: it would unpack to 3145728 bytes" in refused(content)


def test_an_entry_larger_than_it_says(refused: Callable[[bytes], str]) -> None:
    content = bytearray(packed({"a": bytes(1 << 20)}, compression=zipfile.ZIP_DEFLATED))
    for signature, place in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        at = content.index(signature) + place
        content[at : at + 4] = (1000).to_bytes(4, "little")
    assert "not a whole zip" in refused(bytes(content))


def test_too_many_entries(refused: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "_ENTRIES", 2)
    assert refused(packed(dict(CLIPS))) == "clips.zip: refused: 3 entries"


def test_no_room(refused: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 70_000))
    assert "has 0 MB free and its content needs 0 MB" in refused(packed(dict(CLIPS)))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!DOCTYPE html><html>sign in</html>",
        packed(dict(CLIPS))[:40_000],
        packed(dict(CLIPS))[40_000:],
    ],
    ids=["empty", "page", "first half", "second half"],
)
def test_no_zip_or_half_of_one(content: bytes, refused: Callable[[bytes], str]) -> None:
    assert "not a whole zip" in refused(content)
    assert "fetch it again" in refused(content)


def test_bytes_that_changed_on_the_way(refused: Callable[[bytes], str]) -> None:
    content = packed(dict(CLIPS)).replace(b"b" * 100, b"x" * 100)
    assert "Bad CRC-32 for file 'data/b.mp4'" in refused(content)


KILLED = """
import os, shutil, sys
from pathlib import Path
from evalkit.data import zips
taken = []
def copy(source, out, size):
    taken.append(out)
    if len(taken) == 3:
        out.write(source.read(100))
        out.flush()
        os.kill(os.getpid(), 9)
    out.write(source.read())
shutil.copyfileobj = copy
zips.unpack(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_killed_process_is_gone_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, folder = tmp_path / "clips.zip", tmp_path / "out" / "clips"
    archive.write_bytes(packed(dict(CLIPS)))
    done = subprocess.run([sys.executable, "-c", KILLED, str(archive), str(folder)], check=False)
    assert done.returncode == -9
    assert not folder.exists()
    left = sorted(p.name for p in folder.with_name("clips.part").rglob("*.mp4"))
    assert left == ["a.mp4", "b.mp4"]

    copied: list[str] = []
    original = shutil.copyfileobj

    def copy(source: Any, out: Any, size: int) -> None:
        copied.append(source.name)
        original(source, out, size)

    monkeypatch.setattr(shutil, "copyfileobj", copy)
    unpack(archive, folder)
    assert copied == ["data/deep/c.mp4"]
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == CLIPS
    assert sorted(p.name for p in folder.parent.iterdir()) == ["clips", "clips.lock"]
