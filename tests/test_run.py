"""A run from the outside: ask, score, resume, refuse."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from evalkit.__main__ import main
from evalkit.engines.local import LocalEngine

ROWS = [
    {
        "questionId": str(number),
        "question": f"What is on line {number}?",
        "answers": [f"line {number}"],
        "ucsf_document_id": f"doc{number // 3}",
        "ucsf_document_page_no": "1",
    }
    for number in range(12)
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with rows, pictures and answers, which is the working folder."""
    from PIL import Image

    for number in range(4):
        Image.new("RGB", (56, 56), (number, 0, 0)).save(tmp_path / f"page{number}.png")
    with (tmp_path / "rows.jsonl").open("w") as rows:
        for number, row in enumerate(ROWS):
            rows.write(json.dumps({**row, "image": f"page{number // 3}.png"}) + "\n")
    answers(tmp_path / "answers.jsonl", {str(n): f"line {n}" for n in range(12)})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answers(path: Path, texts: dict[str, str]) -> None:
    lines = [json.dumps({"id": key, "prediction": text}) + "\n" for key, text in texts.items()]
    path.write_text("".join(lines))


def evaluate(*words: str) -> int:
    base = ["run", "-q", "task=docvqa", "model=replay", "model.answers=answers.jsonl", "name=r"]
    return main([*base, "rows=rows.jsonl", *words])


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def summary(folder: str = "runs/r/docvqa") -> dict[str, Any]:
    return dict(json.loads((Path(folder) / "summary.json").read_text()))


def test_a_run_writes_everything_that_it_was(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate() == 0
    assert "DocVQA" in capsys.readouterr().out
    run = place / "runs" / "r"
    assert {p.name for p in run.iterdir()} >= {"manifest.json", "config.yaml", "table.md", "docvqa"}
    found = summary()
    assert found["metrics"] == {"anls": 100.0}
    assert (found["n"], found["partial"], found["protocol"]) == (12, False, "model_card")
    (first, *_) = lines(run / "docvqa" / "responses.jsonl")
    assert {"row", "media"} <= first["digests"].keys()
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["data"]["docvqa"]["kind"] == "jsonl"
    assert manifest["versions"]["evalkit"]
    assert manifest["tasks"]["docvqa"]["asked"] == 12


def test_nothing_is_asked_twice(place: Path) -> None:
    evaluate("limit=5")
    assert summary()["partial"]
    before = lines(place / "runs/r/docvqa/responses.jsonl")
    assert evaluate() == 0
    after = lines(place / "runs/r/docvqa/responses.jsonl")
    assert after[:5] == before
    assert [line["id"] for line in after] == [row["questionId"] for row in ROWS]
    assert summary()["n"] == 12
    assert not summary()["partial"]


def test_what_failed_is_asked_again_unless_told_otherwise(place: Path) -> None:
    answers(place / "answers.jsonl", {str(n): "line 1" for n in range(11)})
    evaluate()
    assert summary()["n_failed"] == 1
    evaluate("retry_failed=false")
    assert len(lines(place / "runs/r/docvqa/responses.jsonl")) == 12
    evaluate()
    assert len(lines(place / "runs/r/docvqa/responses.jsonl")) == 13
    assert summary()["n"] == 12


@pytest.mark.parametrize("failed_before", [False, True])
def test_a_row_that_an_engine_loses_ends_the_run_and_is_asked_again(
    place: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    failed_before: bool,
) -> None:
    if failed_before:
        answers(place / "answers.jsonl", {str(n): f"line {n}" for n in range(12) if n != 7})
        evaluate()
    whole = LocalEngine.evaluate

    def lossy(self: Any, pending: Any, backend: Any, mark: Any, keep: Any) -> float:
        return whole(self, pending, backend, mark, lambda *it: it[0].id == "7" or keep(*it))

    monkeypatch.setattr(LocalEngine, "evaluate", lossy)
    assert evaluate() == 3
    said = capsys.readouterr().err
    assert "docvqa: 1 rows were neither answered nor refused, 7 among them" in said
    assert said.count("\n") == 1
    monkeypatch.undo()
    monkeypatch.chdir(place)
    assert evaluate() == 0
    assert len({line["id"] for line in lines(place / "runs/r/docvqa/responses.jsonl")}) == 12


def test_an_engine_that_does_not_read_all_rows_ends_the_run(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = LocalEngine.evaluate

    def lazy(self: Any, pending: Any, *rest: Any) -> float:
        return whole(self, islice(pending, 9), *rest)

    monkeypatch.setattr(LocalEngine, "evaluate", lazy)
    assert evaluate() == 3
    assert "docvqa: 3 rows were neither answered nor refused;" in capsys.readouterr().err


def test_a_run_of_another_configuration_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate()
    before = (place / "runs/r/docvqa/responses.jsonl").read_bytes()
    assert evaluate("protocol=mixin") == 2
    said = capsys.readouterr().err
    assert (
        "holds a run of another configuration: protocol was 'model_card' and is now 'mixin'" in said
    )
    assert len(said.splitlines()) == 1
    assert (place / "runs/r/docvqa/responses.jsonl").read_bytes() == before


def test_the_same_command_finds_its_run_again(place: Path) -> None:
    words = ["run", "-q", "task=docvqa", "model=replay", "model.answers=answers.jsonl"]
    main([*words, "rows=rows.jsonl"])
    main([*words, "rows=rows.jsonl"])
    main([*words, "rows=rows.jsonl", "protocol=release"])
    assert len(list((place / "runs").iterdir())) == 2


SLOW = """
import signal, sys, time
# Whoever starts the tests in the background may have left interrupts ignored, which is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)
from evalkit.backends import replay
from evalkit.__main__ import main
generate = replay.ReplayBackend.generate
def slowly(self, groups):
    for number, response in enumerate(generate(self, groups)):
        yield response
        time.sleep(0.1 if number < 5 else 60)  # it must not end before it is stopped
replay.ReplayBackend.generate = slowly
sys.exit(main(sys.argv[1:]))
"""


def start(place: Path, *words: str) -> subprocess.Popen[str]:
    """Start a run that does not come to its end, and wait for its third answer."""
    base = ["run", "task=docvqa", "model=replay", "model.answers=answers.jsonl", "name=r"]
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW, *base, "rows=rows.jsonl", *words],
        cwd=place,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    path = place / "runs/r/docvqa/responses.jsonl"
    for _ in range(300):
        if path.exists() and path.read_bytes().count(b"\n") >= 3:
            return child
        time.sleep(0.05)
    raise AssertionError("the run never got to its third answer")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_goes_on_where_it_was(place: Path, how: signal.Signals) -> None:
    child = start(place)
    os.kill(child.pid, how)
    _, said = child.communicate(timeout=30)
    if how is signal.SIGINT:
        assert child.returncode == 130
        assert "To go on, type: evalkit run task=docvqa" in said.splitlines()[-1]
        assert "Traceback" not in said
    before = lines(place / "runs/r/docvqa/responses.jsonl")
    assert 3 <= len(before) < 12
    assert evaluate() == 0
    after = lines(place / "runs/r/docvqa/responses.jsonl")
    assert after[: len(before)] == before
    assert len({line["key"] for line in after}) == len(after) == 12
    scores = (place / "runs/r/docvqa/scores.jsonl").read_bytes()
    assert evaluate("name=whole") == 0
    assert scores == (place / "runs/whole/docvqa/scores.jsonl").read_bytes()


def test_a_sweep_goes_on_past_a_failing_run_and_ends_with_the_worst_exit_code(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["task=[docvqa]", "rows=rows.jsonl", "model=replay"]
    assert main(["run", "-m", *words, "model.answers=none.jsonl,answers.jsonl"]) == 2
    said = [li for li in capsys.readouterr().err.splitlines() if li.startswith("evalkit:")]
    assert len(said) == 1
    assert said[0].startswith("evalkit: job 0 (task=[docvqa] rows=rows.jsonl model=replay")
    assert "cannot read stored answers" in said[0]
    assert len(list(place.glob("runs/*/docvqa/summary.json"))) == 1
    assert not list(place.glob("runs/.*"))
    assert main(["run", "-m", *words, "model.answers=answers.jsonl", "limit=1,2"]) == 0
    assert main(["run", "-m", *words, "model=nothing"]) == 2
    assert "unknown model: nothing" in capsys.readouterr().err


def test_a_run_in_use_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    child = start(place)
    try:
        assert evaluate() == 2
        assert f"is in use by process {child.pid}" in capsys.readouterr().err
    finally:
        child.kill()
        child.communicate()


def test_a_private_split_gives_a_submission_and_no_score(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (place / "rows.jsonl").open("w") as rows:
        for row in ROWS:
            rows.write(json.dumps({**row, "answers": None, "image": "page0.png"}) + "\n")
    assert evaluate("tasks.docvqa.rows.split=test") == 0
    entries = json.loads((place / "runs/r/docvqa/submission.json").read_text())
    assert entries[3] == {"questionId": 3, "answer": "line 3"}
    assert len(entries) == 12
    assert summary()["metrics"] == {}
    assert "submission.json" in capsys.readouterr().out


@pytest.mark.parametrize(("right", "outcome"), [(0.3, "fail"), (1.0, "pass")])
def test_a_run_stops_as_soon_as_a_gate_is_sure_of_it(
    place: Path, right: float, outcome: str
) -> None:
    count = 1500
    with (place / "rows.jsonl").open("w") as rows:
        for number in range(count):
            row = {**ROWS[0], "questionId": str(number), "answers": ["yes"]}
            rows.write(json.dumps({**row, "ucsf_document_id": f"d{number}"}) + "\n")
    answers(place / "answers.jsonl", {str(n): "yes" for n in range(count)})
    assert evaluate("name=before") == 0
    assert main(["baseline", "write", "runs/before", "--out", "base.json"]) == 0
    said = {str(n): "yes" if n < right * count else "no" for n in range(count)}
    answers(place / "answers.jsonl", said)
    assert evaluate("name=after", "stop.baseline=base.json") == 0
    found = summary("runs/after/docvqa")
    assert found["stopped"]["outcome"] == outcome
    assert found["partial"]
    asked = [line["id"] for line in lines(place / "runs/after/docvqa/responses.jsonl")]
    assert found["n"] == len(asked) == len(set(asked)) < count
    code = main(["gate", "runs/after", "--baseline", "base.json"])
    assert code == (1 if outcome == "fail" else 0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("empty", "docvqa: "),
        ("twice", "docvqa: rows 2 and 5 have the same id 2"),
        ("column", "question"),
        ("absent", "rows.jsonl"),
    ],
)
def test_rows_that_do_not_fit_stop_a_run_at_once(
    place: Path, capsys: pytest.CaptureFixture[str], change: str, says: str
) -> None:
    rows = [dict(row) for row in ROWS]
    if change == "empty":
        rows = []
    if change == "twice":
        rows[5]["questionId"] = "2"
    if change == "column":
        for row in rows:
            del row["question"]
    (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if change == "absent":
        (place / "rows.jsonl").unlink()
    assert evaluate() == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.splitlines()) == 1
    assert not (place / "runs/r/docvqa").exists()
