"""Videos beside the rows: from a hub on loopback by the real client, and from folders."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from evalkit.compose import compose
from evalkit.config import benches
from evalkit.data.archives import Archive, discard, verify
from evalkit.data.beside import Folder, is_inside
from evalkit.data.quiet import silent, tell
from evalkit.errors import DataError, SourceError, UsageError
from evalkit.samples import samples


def load(name: str) -> ModuleType:
    """Import a helper that stands beside this file."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


hub_server = load("hub_server")

SRT = "1\n00:00:00,000 --> 00:00:09,000\nhello\n"
VIDEOMME = "lmms-lab/Video-MME"
MVBENCH = "OpenGVLab/MVBench"
BOUNDS = {"start": 1.5, "end": 17.1}


def packed(**entries: bytes | str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()


def put(root: Path, files: dict[str, bytes | str]) -> None:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())


def card(configs: dict[str, str], split: str) -> str:
    lines = [
        f"- config_name: {name}\n  data_files:\n  - split: {split}\n    path: {path}\n"
        for name, path in configs.items()
    ]
    return "---\nconfigs:\n" + "".join(lines) + "---\n"


def question(video: str) -> dict[str, Any]:
    return {"videoID": video, "question_id": f"{video}-1", "question": "?", "options": ["A. a"],
            "answer": "A"}  # fmt: skip


def clip(video: Any, **more: Any) -> dict[str, Any]:
    return {"video": video, "question": "?", "candidates": ["a"], "answer": "a", **more}


def jsonl(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two datasets in the Hub's layout: rows, and beside them archives, or files on a branch."""
    root = tmp_path_factory.mktemp("hub")
    questions = jsonl(*map(question, ("one", "two", "three", "four")))
    put(
        root / VIDEOMME,
        {
            "README.md": card({"videomme": "videomme/test.jsonl"}, "test"),
            "videomme/test.jsonl": questions,
            "subtitle.zip": packed(**{"subtitle/": b"", "subtitle/one.srt": SRT}),
            "videos_chunked_01.zip": packed(**{"data/one.mp4": b"1", "data/two.mkv": b"2"}),
            "videos_chunked_02.zip": packed(**{"data/three.MP4": b"3"}),
        },
    )
    configs = {
        name: f"json/{name}.jsonl"
        for name in ("action_sequence", "state_change", "episodic_reasoning", "fine_grained_pose")
    }
    star, frames = "star/Charades_v1_480", "tvqa/frames_fps3_hq/castle"
    put(
        root / MVBENCH,
        {
            "README.md": card(configs, "train"),
            "json/action_sequence.jsonl": jsonl(
                clip("OLD.mp4", **BOUNDS), clip("NEW.mp4", **BOUNDS), clip("GONE.mp4", **BOUNDS)
            ),
            "json/state_change.jsonl": jsonl(clip("video_1.mp4")),
            "json/episodic_reasoning.jsonl": jsonl(clip("castle", fps=3, **BOUNDS)),
            "json/fine_grained_pose.jsonl": jsonl(clip("S010.avi")),
            "video/MVBench_videos_ntu.txt": "S010.avi\n",
            "video/data0613.zip": packed(**{f"data0613/{star}/NEW.mp4": b"new"}),
            "video/star.zip": packed(**{f"{star}/OLD.mp4": b"old", f"{star}/NEW.mp4": b"worse"}),
            "video/perception.zip": packed(**{"perception/videos/video_1.mp4": b"p"}),
            "video/clevrer.zip": packed(**{"clevrer/video_validation/video_1.mp4": b"c"}),
            "video/tvqa.zip": packed(**{f"{frames}/00001.jpg": b"f", f"{frames}/00002.jpg": b"g"}),
        },
    )
    put(
        root / "cut" / MVBENCH,
        {
            "README.md": card(configs, "train"),
            "json/action_sequence.jsonl": jsonl(clip("OLD_1.5_17.1.mp4", **BOUNDS)),
            "json/state_change.jsonl": jsonl(clip("video_1.mp4")),
            "json/episodic_reasoning.jsonl": jsonl(clip("castle.mp4", fps=3, **BOUNDS)),
            "json/fine_grained_pose.jsonl": jsonl(clip("S010.mp4")),
            "star/Charades_segment/OLD_1.5_17.1.mp4": "cut",
            "perception/videos/video_1.mp4": "p",
            "tvqa/video_fps3_hq_segment/castle.mp4": "t",
            "nturgbd_convert/S010.mp4": "n",
        },
    )
    return root


@pytest.fixture
def hub(root: Path) -> Iterator[Any]:
    with hub_server.serve(root, branches={"video": "cut"}) as running:
        yield running


READ = """
import json, sys
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from evalkit.compose import compose
from evalkit.config import benches
from evalkit.errors import EvalkitError
from evalkit.samples import samples
def content(media):
    path = Path(media.path or "nowhere")
    if path.is_dir():
        return sorted(p.name for p in path.iterdir())
    return path.read_text() if path.is_file() else media.path
out = []
for job in json.load(sys.stdin):
    (bench,) = benches(compose("show", job["words"]))
    try:
        stream = samples(bench.task, bench.rows, None, with_media=True, fetch=job["fetch"])
        found = []
        for _, sample in islice(stream, job.get("count")):
            (media,) = sample.media
            about = {"media": content(media), "bounds": [media.start, media.end, media.fps]}
            found.append({**about, "facts": dict(sample.facts), "name": media.name})
    except EvalkitError as error:
        found = {"error": str(error), "exit": error.exit_code}
    out.append(found)
print(json.dumps(out))
"""


def read(url: str, home: Path, *jobs: dict[str, Any], **extra: str) -> list[Any]:
    """Read samples in a process of its own, as ``HF_ENDPOINT`` is read at import."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING", "COV"))}
    env |= {"HF_ENDPOINT": url, "HF_HOME": str(home / "hf"), "EVALKIT_CACHE": str(home / "own")}
    done = subprocess.run(
        [sys.executable, "-c", READ],
        input=json.dumps(jobs),
        env={**env, "HF_HUB_DISABLE_TELEMETRY": "1", **extra},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert all(line.startswith("fetching ") for line in done.stderr.splitlines()), done.stderr
    return list(json.loads(done.stdout.splitlines()[-1]))


def job(*words: str, fetch: bool = True, **more: Any) -> dict[str, Any]:
    return {"words": list(words), "fetch": fetch, **more}


def fetched(hub: Any) -> list[str]:
    """The archives and videos that were asked for since the last call, in order, each once."""
    names = [line.rpartition("/")[2] for line in hub.requests if line.startswith("GET")]
    hub.requests.clear()
    return list(dict.fromkeys(n for n in names if n.endswith((".zip", ".mp4"))))


SUBS = "task=videomme_subs"


def test_archives_are_fetched_as_rows_need_them(hub: Any, tmp_path: Path) -> None:
    found = read(hub.url, tmp_path, job(SUBS, fetch=False), job(SUBS, count=1))
    assert [one["media"] for one in found[0]] == [None] * 4
    assert [one["facts"] for one in found[0]] == [{}] * 4
    assert found[1] == [
        {"media": "1", "bounds": [None] * 3, "facts": {"subtitles": SRT}, "name": "one"}
    ]
    assert fetched(hub) == ["subtitle.zip", "videos_chunked_01.zip"]

    (found,) = read(hub.url, tmp_path, job(SUBS))
    assert fetched(hub) == ["videos_chunked_02.zip"]
    missing = f"hf://datasets/{VIDEOMME}/data/four.mp4"
    assert [one["media"] for one in found] == ["1", "2", "3", missing]
    texts = [one["facts"]["subtitles"] for one in found]
    assert texts == [SRT, None, None, None]

    gone = "http://127.0.0.1:9"
    assert read(gone, tmp_path, job(SUBS), HF_HUB_OFFLINE="1") == [found]
    found[3]["media"] = None
    assert read(hub.url, tmp_path, job(SUBS, fetch=False)) == [found]
    assert fetched(hub) == []


def test_an_archive_is_taken_away_when_asked(hub: Any, tmp_path: Path) -> None:
    words = ["task=videomme", "tasks.videomme.rows.archives=remove"]
    (found,) = read(hub.url, tmp_path, job(*words, count=3))
    assert [one["media"] for one in found] == ["1", "2", "3"]
    assert fetched(hub) == ["subtitle.zip", "videos_chunked_01.zip", "videos_chunked_02.zip"]
    kept = [p for p in (tmp_path / "hf").rglob("*") if p.is_file() and p.suffix == ".zip"]
    assert kept == []
    sizes = {p.stat().st_size for p in (tmp_path / "hf").rglob("blobs/*")}
    assert (hub.root / VIDEOMME / "videos_chunked_01.zip").stat().st_size not in sizes
    assert read(hub.url, tmp_path, job(*words, count=3)) == [found]
    assert fetched(hub) == []


MAIN = ("task=mvbench", "tasks.mvbench.rows.revision=main")
CONFIGS = "tasks.mvbench.rows.config=[action_sequence,state_change,episodic_reasoning]"


def test_whole_videos_with_replacements_before_them(hub: Any, tmp_path: Path) -> None:
    found, more = read(hub.url, tmp_path, job(*MAIN, CONFIGS, count=3), job(*MAIN, CONFIGS))
    gone = f"hf://datasets/{MVBENCH}/video/data0613/star/Charades_v1_480/GONE.mp4"
    assert [one["media"] for one in found] == ["old", "new", gone]
    assert more[:3] == found
    assert [one["media"] for one in more[3:]] == ["p", ["00001.jpg", "00002.jpg"]]
    assert [one["bounds"] for one in more] == [
        *([1.5, 17.1, None] for _ in range(3)), [None] * 3, [1.5, 17.1, 3.0]
    ]  # fmt: skip
    assert fetched(hub) == ["data0613.zip", "star.zip", "perception.zip", "tvqa.zip"]


def test_a_video_that_nobody_has_is_named(hub: Any, tmp_path: Path) -> None:
    config = "tasks.mvbench.rows.config=[fine_grained_pose]"
    (found,) = read(hub.url, tmp_path, job(*MAIN, config))
    assert found[0]["media"] == f"hf://datasets/{MVBENCH}/video/nturgbd/S010.avi"
    assert found[0]["name"] == "S010.avi"
    assert fetched(hub) == [], "no archive is named as its folder, so none is searched"


def test_cut_videos_are_not_cut_again(hub: Any, tmp_path: Path) -> None:
    config = CONFIGS.replace("]", ",fine_grained_pose]")
    (found,) = read(hub.url, tmp_path, job("task=mvbench", config))
    assert [one["media"] for one in found] == ["cut", "p", "t", "n"]
    assert [one["bounds"] for one in found] == [[None] * 3] * 4
    assert fetched(hub) == ["OLD_1.5_17.1.mp4", "video_1.mp4", "castle.mp4", "S010.mp4"]


def test_nothing_here_and_no_network(hub: Any, tmp_path: Path) -> None:
    one = "tasks.videomme.rows.archives=keep"
    read(hub.url, tmp_path, job("task=videomme", one, fetch=False))
    (found,) = read("http://127.0.0.1:9", tmp_path, job("task=videomme"), HF_HUB_OFFLINE="1")
    assert found["exit"] == 3
    assert "HF_HUB_OFFLINE is set; unset it once to fetch them, or give a folder" in found["error"]


def local(
    tmp_path: Path, task: str, *rows: dict[str, Any], fetch: bool = True, **words: Any
) -> list[Any]:
    put(tmp_path, {"rows.jsonl": jsonl(*rows)})
    given = [f"tasks.{task}.rows.{key}={value}" for key, value in words.items()]
    config = compose("show", [f"task={task}", f"rows={tmp_path / 'rows.jsonl'}", *given])
    (bench,) = benches(config)
    stream = samples(bench.task, bench.rows, None, with_media=True, fetch=fetch)
    return [sample for _, sample in stream]


def test_a_folder_with_the_videos(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    put(folder, {"data/one.mp4": "1", "two.mkv": "2", "subtitle/one.srt": b"caf\xe9\n\n"})
    found = local(tmp_path, "videomme_subs", *map(question, ("one", "two", "ten")), media=folder)
    assert [sample.media[0].path for sample in found] == [
        str(folder / name) for name in ("data/one.mp4", "two.mkv", "data/ten.mp4")
    ]
    assert [sample.facts["subtitles"] for sample in found] == ["café\n\n", None, None]


def unpacked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return where the cache is, for this test alone."""
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "own"))
    return tmp_path / "own"


def test_zips_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, folder = unpacked(monkeypatch, tmp_path), tmp_path / "videos"
    put(
        folder,
        {
            "subtitle.zip": packed(**{"subtitle/": b"", "subtitle/one.srt": SRT}),
            "videos_chunked_01.zip": packed(**{"data/one.mp4": b"1", "data/two.mkv": b"2"}),
            "more/videos_chunked_02.zip": packed(**{"data/three.MP4": b"3"}),
            "data/two.mkv": "unpacked",
        },
    )
    rows = [question(name) for name in ("one", "two", "three", "four")]
    found = local(tmp_path, "videomme_subs", *rows, media=folder, fetch=False)
    assert [Path(str(s.media[0].path)).exists() for s in found] == [False, True, False, False]
    assert not own.exists()
    found = local(tmp_path, "videomme_subs", *rows, media=folder)
    paths = [Path(str(sample.media[0].path)) for sample in found]
    assert [path.read_text() for path in paths[:3]] == ["1", "unpacked", "3"]
    assert paths[3] == folder / "data/four.mp4"
    assert [sample.facts["subtitles"] for sample in found] == [SRT, None, None, None]
    assert not [path for path in own.rglob("*") if path.name == "two.mkv"], "it was there"
    before = {path: path.stat().st_mtime_ns for path in own.rglob("*.mp4")}
    again = local(tmp_path, "videomme_subs", *rows, media=folder)
    assert [sample.media for sample in again] == [sample.media for sample in found]
    assert {path: path.stat().st_mtime_ns for path in own.rglob("*.mp4")} == before
    assert sorted(p.name for p in folder.iterdir()) == [
        "data", "more", "subtitle.zip", "videos_chunked_01.zip"
    ]  # fmt: skip


@pytest.mark.parametrize("place", [".", "video"])
def test_zips_of_whole_videos(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked(monkeypatch, tmp_path)
    star, frames = "star/Charades_v1_480", "tvqa/frames_fps3_hq/castle"
    zips = {
        "data0613.zip": packed(**{f"data0613/{star}/NEW.mp4": b"new"}),
        "star.zip": packed(**{f"{star}/OLD.mp4": b"old", f"{star}/NEW.mp4": b"worse"}),
        "tvqa.zip": packed(**{f"{frames}/00001.jpg": b"f", f"{frames}/00002.jpg": b"g"}),
    }
    put(tmp_path / "zips", {f"{place}/{name}": data for name, data in zips.items()})
    rows = [
        clip("OLD.mp4", config="action_sequence", **BOUNDS),
        clip("NEW.mp4", config="action_sequence", **BOUNDS),
        clip("castle", config="episodic_reasoning", fps=3, **BOUNDS),
        clip("S010.avi", config="fine_grained_pose"),
    ]
    found = [s.media[0] for s in local(tmp_path, "mvbench", *rows, media=tmp_path / "zips")]
    paths = [Path(str(media.path)) for media in found]
    assert [path.read_text() for path in paths[:2]] == ["old", "new"]
    assert sorted(path.name for path in paths[2].iterdir()) == ["00001.jpg", "00002.jpg"]
    assert paths[3] == tmp_path / "zips/video/nturgbd/S010.avi"
    assert [(media.start, media.end) for media in found[:3]] == [(1.5, 17.1)] * 3


def test_a_broken_zip_counts_only_where_something_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked(monkeypatch, tmp_path)
    whole = packed(**{"data/two.mp4": b"2" * 999})
    put(tmp_path / "videos", {"a.zip": whole[:500], "data/one.mp4": "1"})
    assert local(tmp_path, "videomme", question("one"), media=tmp_path / "videos")
    with pytest.raises(DataError, match=r"videomme: a\.zip: not a whole zip"):
        local(tmp_path, "videomme", question("two"), media=tmp_path / "videos")


def test_a_zip_whose_entries_leave_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = unpacked(monkeypatch, tmp_path)
    put(tmp_path / "videos", {"a.zip": packed(**{"data/one.mp4": b"1", "../two.mp4": b"2"})})
    with pytest.raises(DataError, match=r"a\.zip: refused: entry .* would leave the folder"):
        local(tmp_path, "videomme", question("one"), media=tmp_path / "videos")
    assert not own.exists()


def test_a_folder_without_subtitles_says_nothing_about_them(tmp_path: Path) -> None:
    put(tmp_path / "videos", {"data/one.mp4": "1"})
    (found,) = local(tmp_path, "videomme_subs", question("one"), media=tmp_path / "videos")
    assert found.facts == {}


def test_videos_beside_the_rows(tmp_path: Path) -> None:
    put(tmp_path, {"video/star/Charades_v1_480/OLD.mp4": "whole", "clips/x.mp4": "x"})
    rows = [
        clip("OLD.mp4", config="action_sequence", **BOUNDS),
        clip("clips/x.mp4", config="action_count"),
        clip(str(tmp_path / "clips/x.mp4"), config="action_count"),
        clip("gone.mp4", config="action_count"),
        clip({"bytes": "aGVsbG8="}, config="action_count"),
    ]
    found = [sample.media[0] for sample in local(tmp_path, "mvbench", *rows)]
    paths = ["video/star/Charades_v1_480/OLD.mp4", "clips/x.mp4", "clips/x.mp4", "gone.mp4"]
    assert [media.path for media in found] == [*(str(tmp_path / path) for path in paths), None]
    assert [media.name for media in found[:4]] == ["OLD.mp4", "x.mp4", "x.mp4", "gone.mp4"]
    assert found[4].data == b"hello"


def test_replacements_in_a_folder(tmp_path: Path) -> None:
    star = "star/Charades_v1_480/NEW.mp4"
    for place in ("video/data0613", "data0613", "video", "."):
        put(tmp_path / "given", {f"{place}/{star}": place})
    row = clip("NEW.mp4", config="action_sequence", **BOUNDS)
    for place in ("video/data0613", "video", "data0613", "."):
        (found,) = local(tmp_path, "mvbench", row, media=tmp_path / "given")
        assert Path(str(found.media[0].path)).read_text() == place
        Path(str(found.media[0].path)).unlink()


def test_cut_files_for_rows_of_whole_videos(tmp_path: Path) -> None:
    put(tmp_path / "cut", {"star/Charades_segment/ZS9XR_1.5_17.1.mp4": "cut"})
    row = clip("ZS9XR.mp4", config="action_sequence", **BOUNDS)
    (found,) = local(tmp_path, "mvbench", row, media=tmp_path / "cut")
    assert str(found.media[0].path).endswith("Charades_segment/ZS9XR_1.5_17.1.mp4")
    assert (found.media[0].start, found.media[0].end) == (None, None)


def test_subtitles_in_a_file_that_the_row_names(tmp_path: Path) -> None:
    put(tmp_path, {"one.txt": SRT})
    (found,) = local(tmp_path, "videomme_subs", {**question("one"), "subtitles": "one.txt"})
    assert found.facts == {"subtitles": SRT}
    with pytest.raises(DataError, match=r"videomme_subs: no such file: .*gone\.srt"):
        local(tmp_path, "videomme_subs", {**question("one"), "subtitles": "gone.srt"})


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"videomme: rows\.media: no such folder: /nowhere"):
        local(tmp_path, "videomme", question("one"), media="/nowhere")


def test_a_word_that_means_nothing() -> None:
    from evalkit.data.archives import HubFiles

    with pytest.raises(UsageError, match=r"rows\.archives: delete\. .*Known: keep, remove"):
        HubFiles(path="a/b", revision=None, sha="0", fetch=True, archives="delete")


def test_scoring_keeps_names_and_reads_no_video(tmp_path: Path) -> None:
    rows = [
        clip("a.mp4", config="action_count"),
        clip({"bytes": "aGVsbG8=", "path": "b.mp4"}, config="action_count"),
    ]
    put(tmp_path, {"rows.jsonl": jsonl(*rows)})
    (bench,) = benches(compose("show", ["task=mvbench", f"rows={tmp_path / 'rows.jsonl'}"]))
    found = [s for _, s in samples(bench.task, bench.rows, None, with_media=False)]
    assert [sample.cluster for sample in found] == [
        "perception/videos/a.mp4", "perception/videos/b.mp4"
    ]  # fmt: skip
    assert [sample.media[0].data for sample in found] == [None, None]


@pytest.mark.parametrize("name", ["../x.mp4", "data/../../x", "/etc/passwd", "", "."])
def test_names_that_leave_their_folder_are_not_looked_for(name: str, tmp_path: Path) -> None:
    put(tmp_path, {"x.mp4": "x", "below/data/y": "y"})
    assert not is_inside(name)
    assert Folder(root=tmp_path / "below", sure=True).find([name, "../x.mp4"]) is None


def archive(data: bytes, etag: str) -> Archive:
    return Archive(name="a.zip", size=len(data), etag=etag)


def test_what_came_is_what_the_hub_states(tmp_path: Path) -> None:
    data, blob, link = b"content", tmp_path / "blob", tmp_path / "a.zip"
    sha256 = hashlib.sha256(data).hexdigest()
    git = hashlib.sha1(b"blob 7\0" + data).hexdigest()
    for etag, given, says in (
        (sha256, data, ""),
        (git, data, ""),
        ("w/some-tag", data, ""),
        (sha256, data[:3], "a.zip: 3 bytes came of 7: try again"),
        (sha256, b"CONTENT", f"and the Hub states {sha256}: try again"),
        (git, b"CONTENT", f"and the Hub states {git}: try again"),
    ):
        blob.write_bytes(given)
        link.unlink(missing_ok=True)
        link.symlink_to(blob)
        if says:
            with pytest.raises(SourceError, match=says):
                verify(link, archive(data, etag))
        else:
            verify(link, archive(data, etag))
        assert (link.exists(), blob.exists()) == (not says, not says)
    discard(link)


def test_what_is_fetched_is_told_unless_nothing_shall_be(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from threading import Thread

    def say(line: str) -> None:
        thread = Thread(target=tell, args=(line,))
        thread.start()
        thread.join()

    say("one")
    with silent(True):
        say("two")
        with silent(False):
            say("three")
        say("four")
    say("five")
    assert capsys.readouterr().err == "one\nthree\nfive\n"
