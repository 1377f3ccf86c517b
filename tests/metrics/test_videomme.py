"""Video-MME's scorers and the official aggregate equal the evaluators that they name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.metrics import videomme
from evalkit.types import Score

GOLDEN = Path(__file__).parents[1] / "golden" / "video.jsonl"
EVALUATORS = {
    "videomme_official(parse_answer@afd52cf) extract": "official",
    "vlmevalkit_videomme(judge=exact_matching)": "vlmevalkit",
    "lmms_eval_videomme(@75571cf extract_mcq_answer)": "lmms_eval",
    "qwen3vl_eval_videomme(rule stage; False=>needs judge)": "qwen3vl",
}
AGGREGATE = "videomme_official aggregate"
OPTIONS = ["A. Apples.", "B. Candles.", "C. Berries.", "D. The three are of the same number."]


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


ALL = [case for case in _read(GOLDEN) if case["benchmark"] == "Video-MME"]
CASES = [case for case in ALL if case["evaluator"] in EVALUATORS]


def test_every_evaluator_is_covered() -> None:
    assert {case["evaluator"] for case in ALL} == {*EVALUATORS, AGGREGATE}
    assert set(EVALUATORS.values()) == set(videomme.VARIANTS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: EVALUATORS[case["evaluator"]])
def test_golden(case: dict[str, Any]) -> None:
    facts, name = case["references"], EVALUATORS[case["evaluator"]]
    score = videomme.VARIANTS[name]
    result = score(case["prediction"], answer=facts["answer"], options=facts["options"])
    assert (result.value or 0.0) == case["score"]
    # VLMEvalKit writes Z for a reply that it could not read.
    unread = ("", False, "Z") if name == "vlmevalkit" else ("", False)
    assert result.parsed == (None if facts["extracted"] in unread else facts["extracted"])
    if "counted_in_denominator" in facts:
        assert (result.status == "ok") == facts["counted_in_denominator"]


# A reply and the letter that each of NAMES reads; - is nothing.
NAMES = ["official", "vlmevalkit", "lmms_eval", "qwen3vl"]
REPLIES = [
    ("C. Berries.", "CCCC"),
    ("c", "----"),
    ("Berries.", "BBBC"),
    ("berries.", "---C"),
    ("Best answer: C", "BBCC"),
    ("Best answer:Best option:C", "CCCC"),
    ("The correct answer: Because of D", "BBDD"),
    ("C or A", "CCC-"),
    ("Candles are B", "CCBB"),
    ("Apples and Berries. C", "AACC"),
    ("<think>A is wrong</think>C", "AAC-"),
    ("Cannot determine the answer", "CCCZ"),
    ("CAB", "CCB-"),
    ("选C", "CCC-"),
    ("D is what I would say here", "DDDD"),
    ("A is what I would say here", "AAA-"),
    ("", "----"),
]


@pytest.mark.parametrize(("reply", "letters"), REPLIES)
def test_replies(reply: str, letters: str) -> None:
    results = [videomme.VARIANTS[name](reply, answer="C", options=OPTIONS) for name in NAMES]
    assert "".join(result.parsed or "-" for result in results) == letters
    for result in results:
        assert result.value == (None if result.parsed is None else float(result.parsed == "C"))


def test_options_without_their_letters_read_the_same() -> None:
    texts = ["Apples.", "Candles.", "Berries.", "B. b"]
    assert videomme.qwen3vl("Berries.", answer="C", options=texts).value == 1.0
    assert videomme.qwen3vl("B. b", answer="B", options=texts).value == 1.0


def test_golden_aggregate() -> None:
    (case,) = [case for case in ALL if case["evaluator"] == AGGREGATE]
    scores = [
        (video["duration"], videomme.official(each["response"], answer=each["answer"], options=[]))
        for video in case["prediction"]
        for each in video["questions"]
    ]
    result = videomme.official_aggregate(scores)
    assert {group: round(value, 1) for group, value in result.items()} == case["score"]


def test_an_aggregate_of_nothing_parsed_is_zero() -> None:
    lost = Score(value=None, status="unparsed")
    assert videomme.official_aggregate([("short", lost)]) == {"short": 0.0, "overall": 0.0}


def test_real_predictions(real: Path) -> None:
    rows = {row["question_id"]: row for row in _read(real / "rows" / "videomme.jsonl")}
    wanted = [w for w in _read(real / "expected.jsonl") if w["task"] == "videomme"]
    assert wanted
    for each in wanted:
        score = videomme.VARIANTS[each["scorer"]]
        hits = 0.0
        for line in _read(real / each["predictions"]):
            row = rows[line["id"]]
            result = score(line["prediction"], answer=row["answer"], options=row["options"])
            hits += result.value or 0.0
        assert 100 * hits / len(rows) == pytest.approx(each["value"], abs=each["tolerance"])
