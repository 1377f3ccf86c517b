"""MM-Vet end to end with a scripted judge on loopback."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from evalkit.__main__ import main

_SPEC = importlib.util.spec_from_file_location(
    "chat_judge", Path(__file__).parent / "chat_judge.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
_MODULE = importlib.util.module_from_spec(_SPEC)
sys.modules["chat_judge"] = _MODULE
_SPEC.loader.exec_module(_MODULE)
chat_judge = _MODULE.chat_judge

KEY = "sk-secret-0123456789"
ROWS = [
    ("v1_0", "What is x?", "-1<AND>-5", "ocr,math", "x = -1"),
    ("v1_1", "What is this?", "a cat", "rec", "A cat."),
    ("v1_2", "Why?", "because", "rec,know,gen", "I do not know."),
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with rows and predictions, which is the working folder."""
    with (tmp_path / "rows.jsonl").open("w") as rows, (tmp_path / "p.jsonl").open("w") as said:
        for name, question, answer, capability, prediction in ROWS:
            row = {"question_id": name, "question": question, "answer": answer}
            rows.write(json.dumps({**row, "capability": capability}) + "\n")
            said.write(json.dumps({"id": name, "prediction": prediction}) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return tmp_path


def score(url: str, *words: str) -> int:
    base = ["score", "task=mmvet", "rows=rows.jsonl", "predictions=p.jsonl", "out=out"]
    judge = ["judge=openai", "judge.model=gpt-test", f"judge.base_url={url}", "judge.max_retries=0"]
    return main([*base, *judge, *words])


def run(url: str, *words: str) -> int:
    base = ["run", "task=mmvet", "rows=rows.jsonl", "model=replay", "model.answers=p.jsonl"]
    judge = ["judge=openai", "judge.model=gpt-test", f"judge.base_url={url}", "name=r"]
    return main([*base, *judge, "judge.max_retries=0", *words])


def summary(path: str = "out") -> dict[str, Any]:
    return dict(json.loads((Path(path) / "summary.json").read_text()))


def asked(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def grades(body: dict[str, Any]) -> str:
    """Grade the first 0.5, the second 1.0, the third 0.0."""
    text = asked(body)
    if "single digit" in text:
        return "1"
    return "0.5" if "x = -1 | " in text[-20:] else "1.0" if "A cat." in text else "0.0"


def test_a_judge_grades_each_reply(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with chat_judge(grades) as judge:
        assert score(judge.url) == 0
    found = summary()
    assert found["metrics"]["score"] == pytest.approx(50)
    assert found["metrics"]["score/ocr"] == pytest.approx(50)
    assert found["label"] == "mmvet[judge=gpt-test]"
    assert "judge=gpt-test" in capsys.readouterr().out
    prompts = [asked(body) for body in judge.requests[1:]]
    assert sum(text.endswith("| -1 <AND> -5 | x = -1 | ") for text in prompts) == 1
    assert {body["temperature"] for body in judge.requests[1:]} == {0.0}
    assert {body["max_tokens"] for body in judge.requests[1:]} == {3}


def test_answers_are_kept_and_never_asked_twice(place: Path) -> None:
    with chat_judge(grades) as judge:
        assert run(judge.url) == 0
        first = len(judge.requests)
        assert run(judge.url) == 0
        assert len(judge.requests) == first + 1  # the greeting alone
    assert summary("runs/r/mmvet")["metrics"]["score"] == pytest.approx(50)


@pytest.mark.parametrize(
    "bad", ["I think it is right.", "1.5", "-0.1", "", "nan", "١٫٠", "1.0 because", 500, None]
)
def test_an_unusable_answer_is_asked_again_and_never_a_zero(
    place: Path, bad: str | int | None
) -> None:
    """The second reply's judge never gives anything usable; the third's does at the third try."""

    def reply(body: dict[str, Any]) -> str | int | None:
        text = asked(body)
        if "A cat." in text:
            return bad
        if "I do not know." in text and body["temperature"] < 1.0:
            return bad
        return grades(body)

    with chat_judge(reply) as judge:
        assert score(judge.url) == 0
    found = summary()
    assert found["n_judge_failed"] == 1
    assert found["metrics"]["score"] == pytest.approx(25)  # of the two that were graded
    assert found["bounds"] == pytest.approx([50 / 3, 150 / 3])
    temperatures = [b["temperature"] for b in judge.requests if "A cat." in asked(b)]
    assert temperatures == [0.0, 0.5, 1.0, 1.5, 2.0]


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "refuses the key in OPENAI_API_KEY (status 401)"),
        (404, "does not know the model gpt-test (status 404)"),
    ],
)
def test_a_judge_that_cannot_answer_stops_before_the_run(
    place: Path, capsys: pytest.CaptureFixture[str], status: int, says: str
) -> None:
    with chat_judge(lambda _: status) as judge:
        assert run(judge.url) == 3
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert not (place / "runs/r/mmvet").exists()


def test_a_judge_that_is_not_there_is_one_line(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("http://127.0.0.1:9/v1") == 3
    assert (
        "the judge gpt-test cannot be reached at http://127.0.0.1:9/v1" in capsys.readouterr().err
    )


def test_the_key_appears_nowhere(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with chat_judge(grades) as judge:
        run(judge.url)
        assert judge.keys == {f"Bearer {KEY}"}
    with chat_judge(lambda _: 401) as judge:
        run(judge.url, "name=other")
    said = capsys.readouterr()
    written = [path.read_text() for path in place.rglob("*") if path.is_file()]
    assert not [text for text in [*written, said.out, said.err] if KEY in text or "sk-" in text]


def test_without_a_judge_or_a_key_nothing_is_asked(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", "task=mmvet", "rows=rows.jsonl", "predictions=p.jsonl", "out=out"]) == 2
    assert "mmvet is graded by a judge: add judge=openai" in capsys.readouterr().err
    monkeypatch.delenv("OPENAI_API_KEY")
    assert run("http://127.0.0.1:9/v1") == 2
    assert "set the key in OPENAI_API_KEY" in capsys.readouterr().err


def test_a_stored_verdict_needs_no_judge(place: Path) -> None:
    with (place / "p.jsonl").open("w") as said:
        for name, _, _, _, prediction in ROWS:
            line = {"id": name, "prediction": prediction, "judge": "0.9"}
            said.write(json.dumps(line) + "\n")
    assert main(["score", "task=mmvet", "rows=rows.jsonl", "predictions=p.jsonl", "out=out"]) == 0
    assert summary()["metrics"]["score"] == pytest.approx(90)
    assert summary()["label"] == "mmvet[judge=stored]"
