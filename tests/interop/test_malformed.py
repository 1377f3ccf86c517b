"""Broken and hostile files: one line each, nothing run, nothing written."""

from __future__ import annotations

import json
import os
import pickle
import struct
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import DataError
from evalkit.interop import safety
from evalkit.interop.safety import Archive

LINE = {"doc_id": 0, "doc": {}, "target": "a", "arguments": {}, "resps": [["a"]], "filter": "none"}
LOG = {"eval": {"task": "docvqa"}, "samples": [{"input": "?", "target": "a"}]}

FILES: dict[str, tuple[str | bytes, str]] = {
    "empty.jsonl": ("", "is empty"),
    "words.jsonl": ("hello\n", "line 1 is no JSON object"),
    "broken.jsonl": ('{"doc_id": 0}\n{"doc_id": 1\n', "line 2 is not JSON"),
    "strange.jsonl": ('{"a": 1}\n', "no format that is known with a"),
    "likely.jsonl": (
        json.dumps({**LINE, "resps": [[["-1.5", "False"]], [["-0.5", "True"]]]}) + "\n",
        "line 1: it holds likelihoods of choices and no reply",
    ),
    "twice.jsonl": (f"{json.dumps(LINE)}\n" * 2, "line 2: a second sample of doc_id 0"),
    "no_id.jsonl": (f'{json.dumps(LINE)}\n{{"target": 1}}\n', "line 2 is not a sample"),
    "index.jsonl": ('{"index": 0, "prediction": "a"}\n7\n', "entry 1 is no JSON object"),
    "broken.json": ('{"results": ', "is not JSON"),
    "deep.json": ("[" * 100_000, "is not JSON"),
    "list.json": ("[]", "no format that is known"),
    "inspect.json": (json.dumps(LOG), "sample 0 has no id"),
    "rrc.json": (
        '[{"questionId": 1, "answer": "a"}, {"questionId": 2, "answer": ["b"]}]',
        "entry 1",
    ),
    "uneven.json": ('{"prediction": ["a"], "index": [0, 1]}', "columns are not equally long"),
    "a.csv": ("index,question\n0,?\n", "has no column prediction; its columns are index, question"),
    "b.csv": ("index,prediction\n0,a,b\n", "row 2 has more cells than the header names"),
    "c.csv": ("index,index\n0,a\n", "does not name the columns once each"),
    "d.tsv": (b"index\tprediction\n0\t\xff\n", "is not a table of text"),
    "e.tsv": ("", "is empty"),
    "a.xlsx": (b"PK\x03\x04 not a zip", "is not a whole zip file"),
    "b.xls": (b"\xd0\xcf\x11\xe0", "save it as xlsx first"),
    "c.eval": (b"nothing", "is not a whole zip file"),
    "a.pkl": (b"x", "is a pickle"),
}


@pytest.mark.parametrize("name", FILES)
def test_one_line(name: str, run: Any, tmp_path: Path) -> None:
    content, says = FILES[name]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = run("import", path, "--task", "docvqa", "--out", tmp_path / "run")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert str(path) in done.err
    assert says in done.err
    assert len(done.err) < 700
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("absent.jsonl --out x", "no such file: absent.jsonl"),
        ("plain.jsonl --out x", "add --task NAME, one of chartqa"),
        ("plain.jsonl --task docqva --out x", "Did you mean docvqa?"),
        ("plain.jsonl --task docvqa --out x", "holds replies and no scores of them"),
        ("plain.jsonl --task docvqa --scorer s --out x", "add --rows ROWS"),
        ("plain.jsonl", "the following arguments are required: --out; see evalkit import --help"),
        ("plain.jsonl --task docvqa --rows no.jsonl --out x", "no such file or folder"),
        ("plain.jsonl --task mmvet --rows builtin --out x", "no row has the id 1"),
        ("plain.jsonl --task docvqa --rows builtin --protocol q --out x", "unknown protocol of"),
        ("plain.jsonl --task docvqa --rows builtin --limit 0 --out x", "from 1"),
    ],
)
def test_wrong_words_are_one_line(
    words: str, says: str, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plain.jsonl").write_text('{"id": 1, "prediction": "a"}\n')
    done = run("import", *words.split())
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert says in done.err
    assert not Path("x").exists()


def test_a_task_that_a_judge_grades_needs_grades(run: Any, tmp_path: Path) -> None:
    from evalkit.canary.sets import rows

    path = tmp_path / "plain.jsonl"
    ids = [str(row["question_id"]) for row in rows("mmvet")]
    path.write_text("".join(json.dumps({"id": i, "prediction": "a"}) + "\n" for i in ids))
    done = run("import", path, "--task", "mmvet", "--rows", "builtin", "--out", tmp_path / "x")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "mmvet is graded by a judge" in done.err
    assert not (tmp_path / "x").exists()


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("name", ["a.pkl", "a.json", "a.xlsx", "a.jsonl", "a.eval"])
@pytest.mark.parametrize("protocol", [2, 5])
def test_a_pickle_is_never_loaded(name: str, protocol: int, run: Any, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    (tmp_path / name).write_bytes(pickle.dumps(Evil(mark), protocol))
    done = run("import", tmp_path / name, "--out", tmp_path / "run")
    assert done.code == 2
    assert "runs whatever code it holds" in done.err
    assert not mark.exists()
    pickle.loads((tmp_path / name).read_bytes())
    assert mark.exists(), "the file does what is tested here"


def packed(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("name", ["../up", "/abs", "a/../../b", "C:/x", "..\\up"])
def test_names_that_leave_the_zip_are_refused(name: str, tmp_path: Path) -> None:
    path = packed(tmp_path / "a.eval", {"header.json": b"{}", name: b"x"})
    with pytest.raises(DataError, match="names a file outside itself"):
        Archive(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safety, "MEMBER", 1 << 20)
    monkeypatch.setattr(safety, "TOTAL", 3 << 20)
    bomb = b"0" * (2 << 20)
    for name in ("a.eval", "a.xlsx"):
        path = packed(tmp_path / name, {"header.json": bomb})
        assert path.stat().st_size < 10_000
        done = run("import", path, "--out", tmp_path / "run")
        assert (done.code, "unpacks to 2 MiB: up to 1 are read" in done.err) == (2, True)
    path = packed(tmp_path / "b.eval", {f"{n}": b"0" * (1 << 20) for n in range(4)})
    with pytest.raises(DataError, match="unpacks to 4 MiB: up to 3 are read"):
        Archive(path)
    monkeypatch.setattr(safety, "MEMBERS", 3)
    with pytest.raises(DataError, match="holds 4 files"):
        Archive(path)


def test_a_member_that_is_larger_than_it_says_gives_no_more_than_it_says(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.eval", {"header.json": b"0" * 5000})
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02") + 24
    assert struct.unpack_from("<I", data, at) == (5000,)
    struct.pack_into("<I", data, at, 10)
    path.write_bytes(data)
    with Archive(path) as archive, pytest.raises(DataError, match=r"header\.json"):
        archive.read("header.json")


def zstandard_zip(path: Path, members: dict[str, bytes], size: int | None = None) -> Path:
    """Write a zip packed with method 93, as inspect writes it."""
    zstandard = pytest.importorskip("zstandard")
    entries, body = [], b""
    for name, data in members.items():
        half = len(data) // 2
        packer = zstandard.ZstdCompressor()
        frames = packer.compress(data[:half]) + packer.compress(data[half:])
        told = len(data) if size is None else size
        head = struct.pack(
            "<HHHHHIIIHH", 20, 0, 93, 0, 0, zlib.crc32(data), len(frames), told, len(name), 0
        )
        entries.append(
            b"PK\x01\x02" + struct.pack("<H", 20) + head + b"\0" * 10
            + struct.pack("<I", len(body)) + name.encode()
        )  # fmt: skip
        body += b"PK\x03\x04" + head + name.encode() + frames
    listing = b"".join(entries)
    end = struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), len(listing), len(body), 0)
    path.write_bytes(body + listing + b"PK\x05\x06" + end)
    return path


def test_zstandard_members_are_read_in_all_their_frames(tmp_path: Path) -> None:
    text = b"a long text " * 1000
    path = zstandard_zip(tmp_path / "a.eval", {"header.json": text, "samples/1.json": b"{}"})
    with Archive(path) as archive:
        assert archive.read("header.json") == text
        assert archive.read("samples/1.json") == b"{}"
        with pytest.raises(DataError, match="holds no absent"):
            archive.read("absent")
    for size in (10, 20_000):
        path = zstandard_zip(tmp_path / "b.eval", {"header.json": text}, size)
        with (
            Archive(path) as archive,
            pytest.raises(DataError, match="does not unpack to the size"),
        ):
            archive.read("header.json")


def test_an_archive_without_a_header_is_no_log(run: Any, tmp_path: Path) -> None:
    path = packed(tmp_path / "a.eval", {"samples/1.json": b"{}"})
    done = run("import", path, "--task", "docvqa", "--out", tmp_path / "run")
    assert (done.code, "it holds no header.json" in done.err) == (2, True)
    path = packed(tmp_path / "b.xlsx", {"samples/1.json": b"{}"})
    done = run("import", path, "--task", "docvqa", "--out", tmp_path / "run")
    assert (done.code, "is not a spreadsheet" in done.err) == (2, True)
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("library", ["openpyxl", "zstandard"])
def test_a_library_that_is_not_there_is_named(
    library: str, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if library == "openpyxl":
        path = packed(tmp_path / "a.xlsx", {"xl/workbook.xml": b"<x/>"})
    else:
        path = zstandard_zip(tmp_path / "a.eval", {"header.json": b"{}"})
    monkeypatch.setitem(sys.modules, library, None)
    done = run("import", path, "--out", tmp_path / "run")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "pip install 'evalkit-vl[interop]'" in done.err
