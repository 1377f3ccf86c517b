"""Frames kept between runs: found again by content, bounded, whole or absent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit.__main__ import main
from evalkit.data import video
from evalkit.data.cache import Store, caching, current, size_of
from evalkit.data.video import Clip, load_clip
from evalkit.errors import UsageError
from evalkit.types import Frames, Media, Pixels

FRAMES = Frames(rule="qwen_vl_utils_0.0.8", count=4, min_pixels=3136, max_pixels=6272)
PIXELS = Pixels(min_pixels=3136, max_pixels=6272)
NAMES = ("frames", "indices", "times", "source", "tokens", "decoder", "notes")


def draw(path: Path, shade: int = 0) -> Media:
    """Write a video of two seconds."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 84, 56, "yuv420p"
        for number in range(16):
            frame = np.full((56, 84, 3), (shade + 16 * number) % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return Media(kind="video", path=str(path), name=path.stem)


@pytest.fixture
def film(tmp_path: Path) -> Media:
    return draw(tmp_path / "film.mp4")


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Path]:
    """A folder that keeps frames, in use."""
    with caching({"cache": str(tmp_path / "kept"), "cache_size": "1MB"}):
        yield tmp_path / "kept" / "clips"


def same(one: Clip, other: Clip) -> bool:
    return np.array_equal(one.frames, other.frames) and all(
        getattr(one, name) == getattr(other, name) for name in NAMES[1:]
    )


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.npz"))


def test_nothing_is_kept_unless_asked(film: Media, tmp_path: Path) -> None:
    assert current() is None
    before = sorted(tmp_path.rglob("*"))
    assert not load_clip(film, FRAMES).cached
    assert sorted(tmp_path.rglob("*")) == before


def test_frames_come_back_as_they_were(
    film: Media, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_clip(film, FRAMES)
    assert (first.cached, len(entries(kept))) == (False, 1)

    def never(*given: Any) -> Clip:
        raise AssertionError("it is decoded again")

    monkeypatch.setattr(video, "_decoded", never)
    second = load_clip(film, FRAMES)
    assert second.cached
    assert same(first, second)
    assert second.frames.flags.writeable
    held = Path(str(film.path)).read_bytes()
    assert load_clip(Media(kind="video", data=held, name="other"), FRAMES).source.name == "other"


def test_what_changes_frames_is_kept_apart(film: Media, kept: Path, tmp_path: Path) -> None:
    pictures = replace(FRAMES, as_images=True)
    other = draw(tmp_path / "other.mp4", 7)
    asked: list[tuple[Media, Frames, Pixels | None]] = [
        (film, FRAMES, None),
        (film, replace(FRAMES, count=6), None),
        (film, replace(FRAMES, max_pixels=4704), None),
        (replace(film, start=0.5), FRAMES, None),
        (replace(film, end=1.5), FRAMES, None),
        (film, pictures, PIXELS),
        (film, pictures, replace(PIXELS, reencode="jpeg:75")),
        (other, FRAMES, None),
    ]
    clips = [load_clip(*each) for each in asked]
    assert not any(clip.cached for clip in clips)
    assert len(entries(kept)) == len(asked)
    again = [load_clip(*each) for each in asked]
    assert all(clip.cached for clip in again)
    assert all(same(one, two) for one, two in zip(clips, again, strict=True))
    assert load_clip(film, FRAMES, PIXELS).cached, "a video's frames are not sized by pixels"


def test_another_decoder_does_not_find_them(
    film: Media, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_clip(film, FRAMES)
    monkeypatch.setattr(video, "decoder_name", lambda codec: "PyAV 99")
    assert not load_clip(film, FRAMES).cached
    assert len(entries(kept)) == 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_entry_is_made_anew(film: Media, kept: Path, damage: str) -> None:
    first = load_clip(film, FRAMES)
    [path] = entries(kept)
    held = bytearray(path.read_bytes())
    if damage == "flipped":
        held[len(held) // 2] ^= 1
    path.write_bytes({"cut": held[:-200], "flipped": held, "empty": b"", "text": b"<html>"}[damage])
    second = load_clip(film, FRAMES)
    assert not second.cached
    assert same(first, second)
    assert load_clip(film, FRAMES).cached


def store(folder: Path, limit: int = 10_000) -> Store:
    folder.mkdir(exist_ok=True)
    return Store(folder=folder, limit=limit)


def frames(size: int = 1200) -> Any:
    return np.zeros((1, 1, size // 3, 3), np.uint8)


def key(number: int) -> str:
    return f"{number:032x}"


def test_what_was_used_longest_ago_goes(tmp_path: Path) -> None:
    kept = store(tmp_path)
    for number in range(5):
        kept.put(key(number), frames(), {"n": number})
        os.utime(tmp_path / f"{key(number)}.npz", (number, number))
    assert kept.get(key(0)) is not None, "now it is the one that was used last"
    (tmp_path / "notes.txt").write_text("mine")
    for number in range(5, 9):
        kept.put(key(number), frames(), {})
        assert sum(path.stat().st_size for path in entries(tmp_path)) <= 10_000
    found = [int(path.stem, 16) for path in entries(tmp_path)]
    assert found == [0, 5, 6, 7, 8]
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_what_is_larger_than_the_folder_may_be_is_not_kept(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.put(key(1), frames(), {})
    kept.put(key(2), frames(30_000), {})
    assert [int(path.stem, 16) for path in entries(tmp_path)] == [1]


def test_the_part_that_a_killed_process_left_goes(tmp_path: Path) -> None:
    old, young = tmp_path / f"{key(1)}.a.part", tmp_path / f"{key(2)}.b.part"
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    kept = store(tmp_path)
    kept.put(key(3), frames(), {})
    assert (old.exists(), young.exists()) == (False, True)
    assert kept.get(key(1)) is None


def test_a_folder_that_cannot_be_written_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = Store(folder=tmp_path / "gone", limit=10_000)
    for number in range(3):
        kept.put(key(number), frames(), {})
        assert kept.get(key(number)) is None
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "data.cache: cannot keep frames in" in said


MANY = """
import sys
from pathlib import Path
import numpy as np
from evalkit.data.cache import Store
kept = Store(folder=Path(sys.argv[1]), limit=10_000)
for number in range(60):
    name = f"{number % 12:032x}"
    found = kept.get(name)
    if found is None:
        kept.put(name, np.full((1, 1, 400, 3), number % 12, np.uint8), {"n": number % 12})
    else:
        assert found[1]["n"] == number % 12 and (found[0] == number % 12).all()
"""


def test_runs_beside_each_other_do_not_disturb_one_another(tmp_path: Path) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", MANY, str(tmp_path)], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    said = [process.communicate(timeout=60)[1] for process in started]
    assert said == [b""] * 3
    assert [process.returncode for process in started] == [0] * 3
    assert sum(path.stat().st_size for path in entries(tmp_path)) <= 10_000
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("given", "size"),
    [("20GB", 20 * 10**9), ("1.5 gb", 15 * 10**8), ("500MB", 5 * 10**8), (4096, 4096), ("1b", 1)],
)
def test_sizes(given: Any, size: int) -> None:
    assert size_of(given) == size


@pytest.mark.parametrize("given", ["", "20XB", "-1GB", "0", "0GB", "GB", None, "1e9", "20GB!"])
def test_what_is_no_size(given: Any) -> None:
    with pytest.raises(UsageError, match="write a size such as 20GB"):
        size_of(given)


def run(*words: str) -> int:
    return main(["run", "-q", "task=mvbench", "limit=1", "model=replay", "model.answers=a", *words])


def test_a_bad_setting_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text("")
    for words, says in (
        (["data.cache=kept", "data.cache_size=20XB"], "data.cache_size=20XB: write a size such as"),
        (["data.cache=a"], "data.cache=a: "),
        (["data.cahe=kept"], "unknown key: data.cahe. Did you mean data.cache?"),
    ):
        assert run("data=builtin", *words) == 2
        said = capsys.readouterr().err
        assert says in said
        assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_run_says_whether_frames_were_kept(tmp_path: Path, monkeypatch: Any) -> None:
    from evalkit.canary.checkpoint import checkpoint

    monkeypatch.chdir(tmp_path)
    model = checkpoint(tmp_path / "checkpoint", 0)
    words = ["run", "-q", "task=mvbench", "limit=2", f"model.path={model}", "data.cache=kept"]
    for name in ("one", "two"):
        assert main([*words, f"name={name}"]) == 0
    assert current() is None
    lines = {
        name: [
            json.loads(line)
            for line in Path(f"runs/{name}/mvbench/responses.jsonl").read_text().splitlines()
        ]
        for name in ("one", "two")
    }
    cached = {
        name: [line["details"]["videos"][0]["cached"] for line in found]
        for name, found in lines.items()
    }
    assert cached == {"one": [False, False], "two": [True, True]}
    for one, two in zip(lines["one"], lines["two"], strict=True):
        assert (one["text"], one["digests"], one["key"]) == (
            two["text"], two["digests"], two["key"]
        )  # fmt: skip


def test_a_run_may_go_on_with_or_without_kept_frames(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text('{"id": "0", "prediction": "A"}\n')
    assert run("data=builtin", "name=r") == 0
    assert run("data=builtin", "name=r", "data.cache=kept", "data.cache_size=1GB") == 0
    assert run("data=builtin") == run("data=builtin", "data.cache=kept") == 0
    assert len(list((tmp_path / "runs").iterdir())) == 2
