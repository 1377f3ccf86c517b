"""MathVista's scorers equal the evaluators that they name, given what a judge extracted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.metrics import mathvista
from evalkit.types import Score

GOLDEN = Path(__file__).parents[1] / "golden" / "reasoning.jsonl"
EVALUATORS = {
    "official:lupantech/MathVista@HEAD extract_answer+normalize+safe_equal": "official",
    "lmms-eval@75571cf": "lmms_eval",
    "VLMEvalKit@05bbba1 (2024-09) judge": "vlmevalkit_2024",
    "VLMEvalKit@05bbba1 (2024-09) rule-only": "vlmevalkit_2024_rule",
    "VLMEvalKit@e8e78f0 (2026-08) judge": "vlmevalkit",
    "VLMEvalKit@e8e78f0 (2026-08) rule-only": "vlmevalkit_rule",
}
OURS = {"rules"}
UNPARSED = Score(value=None, status="unparsed")
COLOURS = ["red", "blue", "dark blue"]


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


CASES = [case for case in _read(GOLDEN) if case["benchmark"] == "MathVista"]


def _score(
    name: str,
    prediction: str,
    answer: str,
    extraction: str | None = None,
    kind: str = "text",
    precision: float | None = None,
) -> Score:
    return mathvista.VARIANTS[name](
        prediction,
        answer=answer,
        options=COLOURS if kind == "text" else [],
        answer_type=kind,
        precision=precision,
        extraction=extraction,
    )


def test_every_evaluator_has_a_variant() -> None:
    assert {case["evaluator"] for case in CASES} == set(EVALUATORS)
    assert {*EVALUATORS.values(), *OURS} == set(mathvista.VARIANTS)


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case['id']}-{EVALUATORS[case['evaluator']]}"
)
def test_golden(case: dict[str, Any]) -> None:
    facts = case["metadata"]
    result = mathvista.VARIANTS[EVALUATORS[case["evaluator"]]](
        case["prediction"],
        answer=case["references"][0],
        options=case["choices"] or [],
        answer_type=facts["answer_type"],
        precision=facts["precision"],
        extraction=facts["judge_extraction"],
    )
    assert (result.value or 0.0) == case["score"]
    if "normalized" in facts:
        assert result.parsed == facts["normalized"]


# Extraction, kind, reference; then the credit under official, VLMEvalKit (both) and lmms-eval.
DISAGREEMENTS = [
    ("B.", "text", "blue", (0, 1, 0)),
    ("the dark blue one", "text", "dark blue", (1, 0, 1)),
    ("", "text", "red", (1, 0, 1)),
    ("(A) and (B)", "text", "red", (1, 0, 1)),
    ("B", "text", "blue", (1, 1, 1)),
    ("(c)", "text", "dark blue", (1, 0, 1)),
    ("14.0", "integer", "14", (1, 0, 1)),
    ("7.9", "integer", "7", (1, 0, 1)),
    ("-7.9", "integer", "-7", (1, 0, 1)),
    ("0", "integer", "0", (1, 1, 1)),
    ("1e400", "integer", "0", (0, 0, 0)),
    ("1.24", "float", "1.2", (1, 0, 1)),
    ("1.2", "float", "1.2", (1, 1, 1)),
    ("[2014, 2016]", "list", "[2014, 2016]", (1, 0, 1)),
    ("1,234", "integer", "1234", (0, 0, 0)),
]


@pytest.mark.parametrize(("extraction", "kind", "answer", "credits"), DISAGREEMENTS)
def test_disagreements(
    extraction: str, kind: str, answer: str, credits: tuple[int, int, int]
) -> None:
    for name, credit in zip(("official", "vlmevalkit", "lmms_eval"), credits, strict=True):
        result = _score(name, "Let me see.", answer, extraction, kind, 1)
        assert (result.value or 0.0) == credit, name
    then = _score("vlmevalkit_2024", "Let me see.", answer, extraction, kind, 1)
    assert (then.value or 0.0) == credits[1]


def test_what_needs_an_extraction_and_has_none_is_unparsed() -> None:
    for name in EVALUATORS.values():
        for kind in ("integer", "float", "list"):
            assert _score(name, "It is 14.", "14", None, kind, 1) == UNPARSED
    assert _score("official", "It is (B).", "blue") == UNPARSED


def test_a_reply_that_is_an_answer_needs_no_extraction() -> None:
    for name in ("official", "lmms_eval"):
        assert _score(name, "dark blue", "dark blue").value == 1.0
        assert _score(name, "014", "14", None, "integer").value == 1.0
        assert _score(name, "1.20", "1.2", None, "float", 1).value == 1.0
    for name in ("vlmevalkit_2024", "vlmevalkit", "vlmevalkit_2024_rule", "vlmevalkit_rule"):
        assert _score(name, "It is (B).", "blue").value == 1.0
        assert _score(name, "14", "14", None, "integer").value == 1.0
        assert _score(name, "1.20", "1.2", None, "float", 1).value == 1.0
        # A right 0 is falsy there, and goes to the judge.
        assert _score(name, "0", "0", None, "integer") == UNPARSED


def test_rules_never_look_at_the_extraction_and_judged_variants_do() -> None:
    for name in ("vlmevalkit_2024_rule", "vlmevalkit_rule", "rules"):
        assert _score(name, "no number here", "14", "14", "integer") == UNPARSED
    for name in ("official", "lmms_eval", "vlmevalkit_2024", "vlmevalkit"):
        assert _score(name, "no number here", "14", "14", "integer").value == 1.0


@pytest.mark.parametrize("name", ["official", "lmms_eval", "rules"])
def test_credit_for_an_empty_reply_stays_visible(name: str) -> None:
    assert _score(name, "", "red") == Score(value=1.0, status="unparsed")
    assert _score(name, "", "blue") == Score(value=0.0, status="unparsed")
    assert _score(name, "", "14", None, "integer") == UNPARSED


def test_the_precision_column_as_the_hub_stores_it_breaks_lmms_eval() -> None:
    assert _score("lmms_eval", "1.2", "1.2", None, "float", 1).value == 1.0
    assert _score("lmms_eval", "1.2", "1.2", None, "float", 1.0) == UNPARSED
    assert _score("official", "1.2", "1.2", None, "float", 1.0).value == 1.0


@pytest.mark.parametrize(
    ("reply", "kind", "answer"),
    [
        ("blue", "text", "blue"),
        ("The answer is B because", "text", "blue"),
        ("(a) is not it, (b) is", "text", "blue"),
        ("dark blu", "text", "dark blue"),
        ("First 3, then 1,234 in all.", "integer", "1234"),
        ("about 3.56", "float", "3.6"),
        ("from [1, 2] to [2014, 2016]", "list", "[2014, 2016]"),
    ],
)
def test_rules(reply: str, kind: str, answer: str) -> None:
    assert _score("rules", reply, answer, None, kind, 1).value == 1.0


@pytest.mark.parametrize(
    ("predictions", "credits"),
    [
        ("llava_llama_2_13b", {"rules": 236, "vlmevalkit_2024_rule": 158}),
        ("instruct_blip2_vicuna_13b", {"rules": 209, "vlmevalkit_2024_rule": 34}),
    ],
)
def test_real_predictions_by_rules(real: Path, predictions: str, credits: dict[str, int]) -> None:
    """What an independent run of the same rules gave on the same predictions."""
    for name, credit in credits.items():
        scores = _real_scores(real, f"predictions/mathvista__{predictions}.jsonl", name)
        assert sum(scores) == credit


def test_real_predictions(real: Path) -> None:
    wanted = [w for w in _read(real / "expected.jsonl") if w["task"] == "mathvista"]
    assert wanted
    for each in wanted:
        scores = _real_scores(real, each["predictions"], each["scorer"])
        value = 100 * sum(scores) / len(scores)
        assert value == pytest.approx(each["value"], abs=each["tolerance"])


def _real_scores(real: Path, predictions: str, name: str) -> list[float]:
    rows = {row["pid"]: row for row in _read(real / "rows" / "mathvista.jsonl")}
    scores = []
    for line in _read(real / predictions):
        row = rows[line["id"]]
        result = mathvista.VARIANTS[name](
            line["prediction"],
            answer=row["answer"],
            options=row["choices"] or [],
            answer_type=row["answer_type"],
            precision=row["precision"],
            extraction=line["extraction"],
        )
        scores.append(result.value or 0.0)
    return scores
