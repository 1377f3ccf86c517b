"""ANLS equals every evaluator that it names, on their own numbers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from evalkit.metrics import anls

GOLDEN = Path(__file__).parents[1] / "golden" / "document.jsonl"
ROUND_TRIP = "vlmevalkit@e8e78f05 after xlsx round trip"
EVALUATORS = {
    "rrc_official:QwenLM/Qwen-VL@HEAD eval_mm/infographicsvqa_eval.py": "official",
    "vlmevalkit@e8e78f05": "vlmevalkit",
    "lmms-eval@75571cfe": "lmms_eval",
    "pix2struct@HEAD": "pix2struct",
    "mmf@HEAD m4c_evaluators STVQAANLS": "mmf",
}
RAISES = {("docvqa-013", "pix2struct"): 1.0, ("docvqa-013", "mmf"): 1.0}
"""Case and variant -> what we return where the evaluator divides by zero."""


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


CASES = [case for case in _read(GOLDEN) if case["benchmark"] in ("DocVQA", "InfoVQA")]
SCORED = [case for case in CASES if case["evaluator"] in EVALUATORS]


def test_no_evaluator_is_left_out() -> None:
    assert {case["evaluator"] for case in CASES} == {*EVALUATORS, ROUND_TRIP}
    raising = [case for case in SCORED if case["score"] is None]
    assert {(each["extra"]["case"], EVALUATORS[each["evaluator"]]) for each in raising} == set(
        RAISES
    )


@pytest.mark.parametrize(
    "case", SCORED, ids=lambda each: f"{each['extra']['case']}-{EVALUATORS[each['evaluator']]}"
)
def test_golden(case: dict[str, Any]) -> None:
    variant = EVALUATORS[case["evaluator"]]
    score = case["score"]
    expected = RAISES[case["extra"]["case"], variant] if score is None else score
    value = anls.VARIANTS[variant](case["prediction"], case["references"])
    assert value == pytest.approx(expected, abs=1e-6)


def test_a_spreadsheet_makes_nan_of_some_predictions() -> None:
    """Those cases document a bug outside the scorer: it is given ``nan`` for ``None``."""
    cases = [case for case in CASES if case["evaluator"] == ROUND_TRIP]
    assert cases
    for case in cases:
        assert anls.VARIANTS["vlmevalkit"]("nan", case["references"]) == case["score"]


NAMES = ["official", "vlmevalkit_2024", "vlmevalkit", "lmms_eval", "pix2struct", "paper", "mmf"]
TABLE = [
    # prediction, reference; a score for each of NAMES
    ("ab", "ad", [0.5, 0.5, 0.5, 0.5, 0, 0, 0.5]),
    ("  new   york  ", "New York", [1, 1, 1, 1, 8 / 14, 8 / 14, 0.8]),
    ("  new   yrk  ", "New York", [12 / 13, 12 / 13, 12 / 13, 8 / 9, 0, 0, 6 / 9]),
    ("New York\n", "New Yrok", [7 / 9, 7 / 9, 7 / 9, 0.75, 6 / 9, 6 / 9, 0.75]),
    ("", "", [1, 1, 1, 1, 1, 1, 1]),
    (" ", "", [1, 1, 1, 1, 0, 0, 1]),
    ("None", "none", [1, 1, 1, 1, 1, 1, 1]),
    ("N/A", "N/A", [1, 1, 1, 1, 1, 1, 1]),
    ("nan", "None", [0.5, 0.5, 0.5, 0.5, 0, 0, 0.5]),
    ("7240.", "7240", [0.8] * 7),
    ("four", "4", [0] * 7),
    ("3200", "3,200", [0.8] * 7),
    ("65 %", "65%", [0.75] * 7),
    ("twitter", "facebook, twitter", [0] * 7),
    ("ß", "x", [0.5, 0.5, 0.5, 0.5, 0, 0, 0]),
    ("x", "ß", [0.5, 0.5, 0.5, 0.5, 0, 0, 0]),
    # upper case lengthens: 3 of 7 characters are wrong, not 3 of 6 as in lower case
    ("straße", "xyzaße", [4 / 7, 4 / 7, 4 / 7, 4 / 7, 0, 0, 0.5]),
    # full case folding would make these equal; lower case does not
    ("straße", "strasse", [5 / 7] * 7),
]


@pytest.mark.parametrize(("prediction", "reference", "scores"), TABLE)
def test_disagreements(prediction: str, reference: str, scores: list[float]) -> None:
    assert set(NAMES) == set(anls.VARIANTS)
    for name, expected in zip(NAMES, scores, strict=True):
        value = anls.VARIANTS[name](prediction, [reference])
        assert value == pytest.approx(expected, abs=1e-12), name


@pytest.mark.parametrize("name", anls.VARIANTS)
def test_the_best_reference_counts_and_none_is_zero(name: str) -> None:
    score = anls.VARIANTS[name]
    assert score("blue", ["green", "blue", "x"]) == 1
    assert score("abcd", ["abxd", "abcx", "zzzz"]) == 0.75
    assert score("blue", []) == 0


ODD = [
    "",
    " ",
    "=1",
    "\x00\x07\x1b[31m",
    "５７４３",
    "٣٤٥",
    "\\frac{1}{2}",
    "İıß\u0301\ud83d",
    "\u202eabc\u2028\x85",
    "=1" + "word " * 20_000,
    "9" * 100_000,
    "\n" * 100_000,
]


@pytest.mark.parametrize("name", anls.VARIANTS)
def test_odd_input_is_scored_at_once(name: str) -> None:
    score = anls.VARIANTS[name]
    start = time.perf_counter()
    for text in ODD:
        assert 0 <= score(text, ["=1", "itc limited"]) <= 1
        assert 0 <= score("itc limited", [text]) <= 1
        assert score(text, [text]) == 1
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    "predictions", ["docvqa__qwen2_vl_2b_instruct_val1000", "docvqa__qwen2_vl_7b_instruct_val1000"]
)
@pytest.mark.parametrize("name", ["official", "vlmevalkit", "lmms_eval"])
def test_published_docvqa(real: Path, predictions: str, name: str) -> None:
    file = f"predictions/{predictions}.jsonl"
    rows = _read(real / "rows" / "docvqa.jsonl")[:1000]
    replies = {each["id"]: each["prediction"] for each in _read(real / file)}
    values = [anls.VARIANTS[name](replies[row["questionId"]], row["answers"]) for row in rows]
    (expected,) = [each for each in _read(real / "expected.jsonl") if each["predictions"] == file]
    mean = 100 * sum(values) / len(values)
    assert mean == pytest.approx(expected["value"], abs=expected["tolerance"])
