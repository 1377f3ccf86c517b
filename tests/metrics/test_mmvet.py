"""MM-Vet's judge replies are read as each evaluator reads them, and asked for as often."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.metrics import mmvet
from evalkit.types import Score

GOLDEN = Path(__file__).parents[1] / "golden" / "reasoning.jsonl"
EVALUATORS = {
    "official:mm-vet_evaluator.py runs()": ["official"],
    "VLMEvalKit MMVet_auxeval": ["vlmevalkit_2024", "vlmevalkit"],
}
AGGREGATES = {
    "official export_result (1 decimal)": "capabilities and total, one decimal",
    "lmms-eval mmvet_aggregate_results": "total",
    "VLMEvalKit MMVet_acc": "total; its rec and ocr count lone questions twice",
}
FAILED = Score(value=None, status="judge_failed")


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


CASES = [case for case in _read(GOLDEN) if case["benchmark"] == "MM-Vet"]
SCRIPTED = [case for case in CASES if case["evaluator"] in EVALUATORS]
AGGREGATED = [case for case in CASES if case["evaluator"] in AGGREGATES]


def test_every_evaluator_is_covered() -> None:
    assert {case["evaluator"] for case in CASES} == {*EVALUATORS, *AGGREGATES}
    assert set(mmvet.VARIANTS) == set(mmvet.JUDGES)
    assert set(mmvet.VARIANTS) == {"official", "vlmevalkit_2024", "vlmevalkit", "lmms_eval"}


@pytest.mark.parametrize("case", SCRIPTED, ids=lambda case: f"{case['id']}-{case['evaluator'][:8]}")
def test_golden(case: dict[str, Any]) -> None:
    facts = case["metadata"]
    for name in EVALUATORS[case["evaluator"]]:
        judging = mmvet.JUDGES[name]
        script = facts["judge_outputs"]
        asked: list[str] = []
        replies = itertools.chain(script, itertools.repeat(script[-1]))
        score = mmvet.first_grade(judging, (asked.append(reply) or reply for reply in replies))
        if score == FAILED:
            # After its last request each of the two gives a silent 0. The official code makes one
            # request more, whose reply it throws away.
            assert case["score"] == 0.0
            extra = [2.0] if name == "official" else []
            assert facts["temperatures"] == [*judging.temperatures, *extra]
        else:
            assert score.value == case["score"]
            assert facts["temperatures"] == list(judging.temperatures[: len(asked)])
        assert facts.get("retry_suffix_used", False) == (
            len(asked) > 1 and judging.retry_suffix != ""
        )


@pytest.mark.parametrize("case", AGGREGATED, ids=lambda case: case["evaluator"][:8])
def test_golden_aggregates(case: dict[str, Any]) -> None:
    samples = [(names.split(","), grade) for names, grade in case["metadata"]["samples"]]
    scores = mmvet.capability_scores(samples)
    if case["evaluator"].startswith("official"):
        row = {name: case["metadata"]["row"][name] for name in scores}
        assert {name: round(score, 1) for name, score in scores.items()} == row
    else:
        assert scores["total"] == pytest.approx(case["score"])


@pytest.mark.parametrize(
    ("reply", "official", "vlmevalkit", "lmms_eval"),
    [
        ("0.5", 0.5, 0.5, 0.5),
        ("1", 1.0, 1.0, 1.0),
        (".5", 0.5, 0.5, 0.5),
        ("0.5 because", 0.5, None, 0.5),
        (" 0.7\n", None, 0.7, 0.7),
        ("0.5\n\nGood", None, None, None),
        ("0.8/1.0", None, None, None),
        ("1.5", None, None, None),
        ("-0.1", None, None, None),
        ("nan", None, None, None),
        ("inf", None, None, None),
        ("Score: 0.5", None, None, None),
        ("", None, None, None),
        ("０.５", 0.5, 0.5, 0.5),
    ],
)
def test_one_verdict(
    reply: str, official: float | None, vlmevalkit: float | None, lmms_eval: float | None
) -> None:
    wanted = {
        "official": official,
        "vlmevalkit_2024": vlmevalkit,
        "vlmevalkit": vlmevalkit,
        "lmms_eval": lmms_eval,
    }
    for name, value in wanted.items():
        score = mmvet.VARIANTS[name]("a reply", judge=reply)
        expected = FAILED if value is None else Score(value=value, parsed=reply.strip())
        assert score == expected, name


def test_no_verdict_is_a_failed_judge_and_not_a_zero() -> None:
    for score in mmvet.VARIANTS.values():
        assert score("a reply", judge=None) == FAILED


def test_real_predictions(real: Path) -> None:
    rows = {row["question_id"]: row for row in _read(real / "rows" / "mmvet.jsonl")}
    wanted = [w for w in _read(real / "expected.jsonl") if w["task"] == "mmvet"]
    assert len(wanted) == 7
    for each in wanted:
        graded = [
            (
                rows[line["id"]]["capability"],
                mmvet.VARIANTS[each["scorer"]](line["prediction"], judge=line["judge"]).value,
            )
            for line in _read(real / each["predictions"])
        ]
        subset = each["metric"].partition("/")[2] or "total"
        value = mmvet.capability_scores(graded)[subset]
        assert value == pytest.approx(each["value"], abs=each["tolerance"])
