"""A run's files survive kills, full disks and odd characters."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.errors import RunError, UsageError
from evalkit.files import dump_json, lines_of, write_atomically
from evalkit.store import (
    Lock,
    Responses,
    find_results,
    read_records,
    read_summary,
    write_results,
)
from evalkit.types import Record, Response


def response(key: str, text: str | None = "yes", error: str | None = None) -> Response:
    return Response(
        id=f"id-{key}",
        key=key,
        text=text,
        error=error,
        grid=((1, 2, 3),),
        digests={"row": "r"},
        finish_reason="stop",
    )


def test_responses_come_back_as_they_were(tmp_path: Path) -> None:
    stored = Responses.open(tmp_path / "t" / "responses.jsonl")
    stored.append(response("a", "line\nbreak\u2028and \x00 and ｆｕｌｌ"))
    stored.append(response("b", None, "broken picture"))
    stored.close()
    again = Responses.open(tmp_path / "t" / "responses.jsonl")
    assert again.get("a") == response("a", "line\nbreak\u2028and \x00 and ｆｕｌｌ")
    assert again.get("b") == response("b", None, "broken picture")
    assert again.get("c") is None
    assert again.failed == {"b"}
    again.append(response("b", "now it works"))
    assert again.failed == set()
    answer = again.get("b")
    assert answer is not None
    assert answer.text == "now it works"
    again.close()


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_torn_last_line_is_dropped_and_written_anew(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "responses.jsonl"
    stored = Responses.open(path)
    stored.append(response("a"))
    whole = path.read_bytes()
    stored.append(response("b"))
    stored.close()
    path.write_bytes(path.read_bytes()[:-cut])
    again = Responses.open(path)
    assert set(again.offsets) == {"a"}
    assert path.read_bytes() == whole
    again.append(response("b"))
    again.close()
    assert [json.loads(line)["key"] for _, line in lines_of(path)] == ["a", "b"]


def test_a_line_that_is_no_response_is_named(tmp_path: Path) -> None:
    path = tmp_path / "responses.jsonl"
    path.write_text('{"key": "a"}\nnot json\n')
    with pytest.raises(RunError, match="line at byte 13 is not JSON"):
        Responses.open(path)


def test_a_full_disk_leaves_what_was_written_readable(tmp_path: Path) -> None:
    """A process whose files may not grow past a limit stands for a full disk."""
    script = """
import resource, signal, sys
from pathlib import Path
from evalkit.errors import RunError
from evalkit.store import Responses
from evalkit.types import Response
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
stored = Responses.open(Path(sys.argv[1]))
try:
    for number in range(1000):
        stored.append(Response(id=str(number), key=str(number), text="x" * 90))
except RunError as error:
    print(error)
    print(len(stored.offsets))
"""
    path = tmp_path / "responses.jsonl"
    words = [sys.executable, "-c", script, str(path)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[0].startswith(f"no space left to write {path}: what was written before is whole")
    kept = Responses.open(path)
    assert len(kept.offsets) == int(said[1]) > 20
    kept.append(response("after"))
    kept.close()


def test_half_a_file_is_never_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "summary.json"
    write_atomically(path, "old")

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(RunError, match="no space left"):
        write_atomically(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["summary.json"]


def test_one_writer_a_run(tmp_path: Path) -> None:
    with Lock(tmp_path / "run"):
        script = "import sys; from pathlib import Path; from evalkit.store import Lock\n"
        script += "try: Lock(Path(sys.argv[1]))\nexcept Exception as error: print(error)"
        words = [sys.executable, "-c", script, str(tmp_path / "run")]
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "is in use by process" in said
    with Lock(tmp_path / "run"):
        pass


def test_half_a_surrogate_pair_is_kept() -> None:
    assert json.loads(dump_json({"text": "\ud83d"})) == {"text": "\ud83d"}


def test_results_come_back_as_they_were(tmp_path: Path) -> None:
    records = [
        Record(id="1", score=1.0, status="ok", parsed="a", subsets=("x", "y"), cluster="c"),
        Record(id="2", score=None, status="unparsed", truncated=True),
    ]
    (tmp_path / "docvqa").mkdir()
    write_results(tmp_path / "docvqa", records, {"task": "docvqa"})
    assert find_results(tmp_path) == [tmp_path / "docvqa"]
    assert find_results(tmp_path / "docvqa") == [tmp_path / "docvqa"]
    assert read_records(tmp_path / "docvqa") == records
    assert read_summary(tmp_path / "docvqa") == {"task": "docvqa"}
    with pytest.raises(UsageError, match="no results in"):
        find_results(tmp_path / "elsewhere")
