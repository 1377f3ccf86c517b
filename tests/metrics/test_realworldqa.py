"""RealWorldQA's scorers equal the evaluators that they name, in both forms of the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.metrics import realworldqa
from evalkit.types import Score

GOLDEN = Path(__file__).parents[1] / "golden" / "reasoning.jsonl"
EVALUATORS = {
    "VLMEvalKit@05bbba1 (2024-09) exact_matching": "vlmevalkit_2024",
    "VLMEvalKit@e8e78f0 (2026-08) exact_matching": "vlmevalkit",
    "QwenLM/Qwen3-VL evaluation can_infer (rule stage only; unmatched scored 0)": "qwen3vl",
    "lmms-eval@75571cf (letter answer)": "lmms_eval",
}
HUB = "lmms-eval@75571cf (HF row)"


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


CASES = [case for case in _read(GOLDEN) if case["benchmark"] == "RealWorldQA"]
TABLE_CASES = [case for case in CASES if case["evaluator"] in EVALUATORS]
HUB_CASES = [case for case in CASES if case["evaluator"] == HUB]


def test_every_evaluator_has_a_variant() -> None:
    assert {case["evaluator"] for case in CASES} == {*EVALUATORS, HUB}
    assert set(EVALUATORS.values()) == set(realworldqa.VARIANTS)
    assert len(TABLE_CASES) + len(HUB_CASES) == len(CASES)


@pytest.mark.parametrize(
    "case", TABLE_CASES, ids=lambda case: f"{case['id']}-{EVALUATORS[case['evaluator']]}"
)
def test_golden(case: dict[str, Any]) -> None:
    score = realworldqa.VARIANTS[EVALUATORS[case["evaluator"]]]
    options = list(case["choices"].values())
    result = score(case["prediction"], answer=case["references"][0], options=options)
    facts = case["metadata"]
    assert (result.value or 0.0) == case["score"]
    assert result.parsed == (facts.get("can_infer") or facts.get("extracted") or None)


@pytest.mark.parametrize("case", HUB_CASES, ids=lambda case: case["id"])
def test_golden_hub(case: dict[str, Any]) -> None:
    score = realworldqa.HUB_VARIANTS["lmms_eval"]
    result = score(case["prediction"], answer=case["references"][0])
    assert (result.value or 0.0) == case["score"]


@pytest.mark.parametrize(
    ("reply", "answer", "value"),
    [
        ("B", "B", 1.0),
        ("B. Two", " b ", 1.0),
        ("Cars are left", "A", 0.0),
        ("YES.", "Yes", 1.0),
        ("No", "Yes", 0.0),
        (" 3..", "3", 1.0),
        ("Uphill", "Uphill", 1.0),
    ],
)
def test_hub_form(reply: str, answer: str, value: float) -> None:
    assert realworldqa.lmms_eval_hub(reply, answer=answer).value == value


def test_an_empty_reply_is_unparsed() -> None:
    assert realworldqa.lmms_eval_hub(" ", answer="Yes") == Score(value=None, status="unparsed")


def test_real_predictions(real: Path) -> None:
    rows = {str(row["index"]): row for row in _read(real / "rows" / "realworldqa.jsonl")}
    for wanted in _read(real / "expected.jsonl"):
        if wanted["task"] != "realworldqa":
            continue
        hits = 0.0
        for line in _read(real / wanted["predictions"]):
            row = rows[line["id"]]
            options = [row[letter] for letter in "ABCD" if row[letter] is not None]
            score = realworldqa.VARIANTS[wanted["scorer"]]
            hits += score(line["prediction"], answer=row["answer"], options=options).value or 0.0
        assert 100 * hits / len(rows) == pytest.approx(wanted["value"], abs=wanted["tolerance"])
