"""OCRBench's substring score equals every evaluator that it names, on their own numbers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from evalkit.metrics import ocr

GOLDEN = Path(__file__).parents[1] / "golden" / "document.jsonl"
EVALUATORS = {
    "official:MultimodalOCR@794c36d OCRBench/example.py": "official",
    "vlmevalkit@e8e78f05": "vlmevalkit",
    "lmms-eval@75571cfe": "lmms_eval",
}
SKIPPED = {"lmms-eval@b7b4b1d9(2025-07-30)"}
"""Documents a bug that was mended: formulas were lower-cased, full-width text was not folded."""
SUMS = {"ocrbench-023"}
"""Cases of a harness's totals, which are not a metric's business."""
NAMES = ["official", "vlmevalkit_2024", "vlmevalkit", "lmms_eval"]


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


CASES = [case for case in _read(GOLDEN) if case["benchmark"] == "OCRBench"]
SCORED = [
    case for case in CASES if case["evaluator"] in EVALUATORS and case["extra"]["case"] not in SUMS
]


def test_no_evaluator_is_left_out() -> None:
    assert {case["evaluator"] for case in CASES} == {*EVALUATORS, *SKIPPED}
    assert {case["extra"]["case"] for case in CASES if case["prediction"] is None} == SUMS
    assert set(NAMES) == set(ocr.VARIANTS)


@pytest.mark.parametrize(
    "case", SCORED, ids=lambda each: f"{each['extra']['case']}-{EVALUATORS[each['evaluator']]}"
)
def test_golden(case: dict[str, Any]) -> None:
    score = ocr.VARIANTS[EVALUATORS[case["evaluator"]]]
    formula = case["extra"]["dataset"] == "HME100k"
    value = score(case["prediction"], case["references"], formula=formula)
    assert value == pytest.approx(case["score"], abs=1e-6)


TABLE = [
    # prediction, reference, formula; official, lmms_eval
    ("V = \\frac { F } { \\rho }", "V = \\frac { F } { \\rho }", True, 1, 1),
    ("v = \\frac { F } { \\rho }", "V = \\frac { F } { \\rho }", True, 0, 0),
    ("so y_2=-1 it is", "y _ 2 = - 1\n", True, 1, 1),
    ("y\n_\n2", " y _ 2 ", True, 1, 1),
    ("y\t_2", "y _ 2", True, 0, 0),
    ("\ty_2\t", "y _ 2", True, 1, 1),
    ("y_2", "\ty _ 2\t", True, 1, 1),
    ("５", "5", True, 0, 0),
    ("５７４３", "5743", False, 0, 1),
    ("5743", "５７４３", False, 0, 1),
    ("ＡＢＣ　Ｄ！", "abc d!", False, 0, 1),
    ("！～", "!~", False, 0, 1),
    ("｟", "⦅", False, 0, 0),
    ("①", "1", False, 0, 0),
    ("15743", "5743", False, 1, 1),
    ("C E N T R E", "CENTRE", False, 0, 0),
    ("Virgin\nAtlantic", "virgin atlantic", False, 1, 1),
    ("Virgin\tAtlantic", "virgin atlantic", False, 0, 0),
    ("Virgin  Atlantic", "virgin atlantic", False, 0, 0),
    ("506 million", "$506 million", False, 0, 0),
    ("the ﬁnal", "\nTHE ﬁNAL ", False, 1, 1),
    ("", "CENTRE", False, 0, 0),
    ("anything", "", False, 1, 1),
    ("nan", "None", False, 0, 0),
]


@pytest.mark.parametrize(("prediction", "reference", "formula", "expected", "folded"), TABLE)
def test_disagreements(
    prediction: str, reference: str, formula: bool, expected: float, folded: float
) -> None:
    for name in NAMES:
        value = ocr.VARIANTS[name](prediction, [reference], formula=formula)
        assert value == (folded if name == "lmms_eval" else expected), name


@pytest.mark.parametrize("formula", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_any_reference_suffices_and_none_is_zero(name: str, formula: bool) -> None:
    score = ocr.VARIANTS[name]
    assert score("ANTONIO'S", ["ANTONIOS", "ANTONIO'S"], formula=formula) == 1
    assert score("ANTONIO", ["ANTONIOS", "ANTONIO'S"], formula=formula) == 0
    assert score("ANTONIO", [], formula=formula) == 0


ODD = [
    "",
    " ",
    "=1",
    "\x00\x07\x1b[31m",
    "５７４３",
    "٣٤٥",
    "\\frac{1}{2}",
    "İıß\u0301\ud83d",
    "=1" + "word " * 20_000,
    "\n" * 100_000,
]


@pytest.mark.parametrize("formula", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_odd_input_is_scored_at_once(name: str, formula: bool) -> None:
    score = ocr.VARIANTS[name]
    start = time.perf_counter()
    for text in ODD:
        assert score(text, ["itc limited"], formula=formula) == 0
        assert score("itc limited", [text], formula=formula) == float(not text.strip())
        assert score(text, [text], formula=formula) == 1
    assert time.perf_counter() - start < 5


GROUPS = {
    "Scene Text-centric VQA",
    "Doc-oriented VQA",
    "Key Information Extraction",
    "Handwritten Mathematical Expression Recognition",
}
"""Question types that are reported alone; the others sum to Text Recognition."""


@pytest.mark.parametrize("name", NAMES)
def test_published_ocrbench(real: Path, name: str) -> None:
    rows = _read(real / "rows" / "ocrbench.jsonl")
    replies = _read(real / "predictions" / "ocrbench__vila_8b.jsonl")
    assert [each["id"] for each in replies] == [str(number) for number in range(len(rows))]
    points: dict[str, float] = {"points": 0}
    for row, reply in zip(rows, replies, strict=True):
        formula = row["dataset"] == "HME100k"
        value = ocr.VARIANTS[name](reply["prediction"], row["answer"], formula=formula)
        kind = row["question_type"]
        group = f"points/{kind if kind in GROUPS else 'Text Recognition'}"
        points["points"] += value
        points[group] = points.get(group, 0) + value
    expected = [each for each in _read(real / "expected.jsonl") if each["task"] == "ocrbench"]
    assert points == {each["metric"]: each["value"] for each in expected}
