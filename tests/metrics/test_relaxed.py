"""Relaxed accuracy equals every evaluator that it names, on their own numbers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from evalkit.metrics import relaxed

GOLDEN = Path(__file__).parents[1] / "golden" / "document.jsonl"
ROUND_TRIP = "vlmevalkit@e8e78f05 after xlsx round trip"
EVALUATORS = {
    "vlmevalkit@05bbba1e(2024-09-09) (gold/pred SWAPPED)": "vlmevalkit_2024",
    "vlmevalkit@e8e78f05": "vlmevalkit",
    "lmms-eval@75571cfe": "lmms_eval",
    "QwenLM/Qwen-VL@HEAD eval_mm evaluate_relaxed_accuracy (gold/pred SWAPPED)": "qwen_vl",
    "pix2struct@HEAD": "pix2struct",
}
NAMES = ["official", "vlmevalkit_2024", "vlmevalkit", "lmms_eval", "qwen_vl", "pix2struct"]


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


CASES = [case for case in _read(GOLDEN) if case["benchmark"] == "ChartQA"]
SCORED = [case for case in CASES if case["evaluator"] in EVALUATORS]


def test_no_evaluator_is_left_out() -> None:
    assert {case["evaluator"] for case in CASES} == {*EVALUATORS, ROUND_TRIP}
    assert set(NAMES) == set(relaxed.VARIANTS)


@pytest.mark.parametrize(
    "case", SCORED, ids=lambda each: f"{each['extra']['case']}-{EVALUATORS[each['evaluator']]}"
)
def test_golden(case: dict[str, Any]) -> None:
    score = relaxed.VARIANTS[EVALUATORS[case["evaluator"]]]
    value = score(case["prediction"], case["references"])
    assert value == pytest.approx(case["score"], abs=1e-6)


def test_a_spreadsheet_makes_nan_of_some_predictions() -> None:
    """Those cases document a bug outside the scorer: it is given ``nan`` for ``None``."""
    cases = [case for case in CASES if case["evaluator"] == ROUND_TRIP]
    assert cases
    for case in cases:
        assert relaxed.VARIANTS["vlmevalkit"]("nan", case["references"]) == case["score"]


TABLE = [
    # prediction, gold; a digit for each of NAMES
    ("95.2", "100", "101101"),
    ("105.2", "100", "010010"),
    ("95", "100", "101101"),
    ("105", "100", "111111"),
    ("-95", "-100", "101101"),
    (" Yes ", "Yes", "111110"),
    ("Yes", " Yes", "000000"),
    ("Yes.", "Yes", "000000"),
    (" 62 ", "62", "111111"),
    ("7240.", "7240", "111111"),
    ("[2014, 2015]", "[2014, 2015]", "100111"),
    ("2014", "[2014, 2015]", "011000"),
    ("15", "[2014, '15%']", "000000"),
    ("0.15", "[2014, '15%']", "011000"),
    ("yes", "['No', 'Yes']", "011000"),
    ("[]", "[]", "111111"),
    ("[Yes, No]", "[Yes, No]", "111111"),
    ("none", "[None]", "011000"),
    ("2008", "2010", "111111"),
    ("62%", "62", "000000"),
    ("3%", "0.03", "111111"),
    ("3%%", "0.03", "111111"),
    ("0.5", "50%", "111111"),
    ("%", "%", "111111"),
    ("0", "0", "111111"),
    ("0.0", "0", "000000"),
    ("0%", "0", "000000"),
    ("0", "0.0", "000000"),
    ("0", "5", "000000"),
    ("5", "0", "000000"),
    ("nan", "nan", "000000"),
    ("NaN", "5", "000000"),
    ("inf", "inf", "000000"),
    ("inf", "5", "000000"),
    ("1e3", "1000", "111111"),
    ("1_000", "1000", "111111"),
    ("٣", "3", "111111"),
    ("５７", "57", "111111"),
    ("½", "0.5", "000000"),
    ("1,000", "1000", "000000"),
    ("$45", "45", "000000"),
    ("45 million", "45", "000000"),
    ("", "14", "000000"),
    ("", "", "111111"),
    ("1e308", "-1e308", "000000"),
    ("1e308", "5e-324", "000000"),
]


@pytest.mark.parametrize(("prediction", "gold", "scores"), TABLE)
def test_disagreements(prediction: str, gold: str, scores: str) -> None:
    values = {name: relaxed.VARIANTS[name](prediction, [gold]) for name in NAMES}
    assert values == {name: float(digit) for name, digit in zip(NAMES, scores, strict=True)}


@pytest.mark.parametrize("name", NAMES)
def test_any_reference_suffices_and_none_is_zero(name: str) -> None:
    score = relaxed.VARIANTS[name]
    assert score("7", ["8", "7", "x"]) == 1
    assert score("7", ["8", "9"]) == 0
    assert score("7", []) == 0


def test_only_the_cell_of_one_reference_is_expanded() -> None:
    """Several references fill VLMEvalKit's cell as one list, which it evaluates once."""
    assert relaxed.vlmevalkit("2014", ["[2014, 2015]", "x"]) == 0
    assert relaxed.vlmevalkit("[2014, 2015]", ["[2014, 2015]", "x"]) == 1


ODD = [
    "",
    " ",
    "=1",
    "\x00\x07\x1b[31m",
    "５７４３",
    "٣٤٥",
    "\\frac{1}{2}",
    "İıß\u0301\ud83d",
    "__import__('os').system('false')",
    "=1" + "word " * 20_000,
    "9" * 100_000,
    "%" * 100_000,
    "1_" * 50_000 + "1",
    "[" * 100_000,
    "[" + "1," * 49_000 + "]",
]


@pytest.mark.parametrize("name", NAMES)
def test_odd_input_is_scored_at_once(name: str) -> None:
    score = relaxed.VARIANTS[name]
    start = time.perf_counter()
    for text in ODD:
        assert score(text, ["itc limited"]) == 0
        assert score("itc limited", [text]) == 0
        assert score(text, [text]) in (0, 1)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("name", ["official", "lmms_eval", "vlmevalkit_2024"])
def test_published_chartqa(real: Path, name: str) -> None:
    rows = _read(real / "rows" / "chartqa.jsonl")
    replies = _read(real / "predictions" / "chartqa__vila_8b.jsonl")
    assert [each["id"] for each in replies] == [str(number) for number in range(len(rows))]
    values: dict[str, list[float]] = {"relaxed_accuracy": []}
    for row, reply in zip(rows, replies, strict=True):
        value = relaxed.VARIANTS[name](reply["prediction"], [row["answer"]])
        values["relaxed_accuracy"].append(value)
        values.setdefault(f"relaxed_accuracy/{row['type']}", []).append(value)
    wanted = "official" if name == "lmms_eval" else name
    expected = [
        each
        for each in _read(real / "expected.jsonl")
        if each["task"] == "chartqa" and each["scorer"] == wanted
    ]
    assert {each["metric"] for each in expected} == set(values)
    for each in expected:
        percent = 100 * sum(values[each["metric"]]) / len(values[each["metric"]])
        assert percent == pytest.approx(each["value"], abs=each["tolerance"])
