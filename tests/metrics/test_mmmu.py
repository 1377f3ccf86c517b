"""MMMU's scorers equal the evaluators that they name, but draw no letters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.metrics import mmmu
from evalkit.metrics.text import literal_list
from evalkit.types import Score

GOLDEN = Path(__file__).parents[1] / "golden" / "reasoning.jsonl"
EVALUATORS = {
    "official:MMMU eval_utils": "official",
    "lmms-eval@75571cf mmmu_val": "lmms_eval",
    "VLMEvalKit@05bbba1 (2024-09) exact_matching": "vlmevalkit_2024",
    "VLMEvalKit@e8e78f0 (2026-08) exact_matching": "vlmevalkit",
    "QwenLM/Qwen3-VL evaluation can_infer (rule stage only; unmatched scored 0)": "qwen3vl",
}


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


CASES = [case for case in _read(GOLDEN) if case["benchmark"] == "MMMU"]


def test_every_evaluator_has_a_variant() -> None:
    assert {case["evaluator"] for case in CASES} == set(EVALUATORS)
    assert set(EVALUATORS.values()) == set(mmmu.VARIANTS)


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case['id']}-{EVALUATORS[case['evaluator']]}"
)
def test_golden(case: dict[str, Any]) -> None:
    references, options = case["references"], list((case["choices"] or {}).values())
    answer = references[0] if len(references) == 1 else repr(references)
    score = mmmu.VARIANTS[EVALUATORS[case["evaluator"]]]
    result = score(case["prediction"], answer=answer, options=options)
    facts = case["metadata"]
    if facts.get("random_fallback"):
        # They drew a letter, so that their score is luck.
        assert result == Score(value=None, status="unparsed")
        return
    assert (result.value or 0.0) == case["score"]
    if "can_infer" in facts:
        assert result.parsed == (facts["can_infer"] or None)
    elif options:
        assert result.parsed == "".join(facts["parsed"])


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("(B) or (C)", "C"),
        ("(C), as (B) is wrong, (C)", "C"),
        ("A and B", "B"),
        ("B.", "B"),
        ("'B'!", "B"),
        ("b", None),
        ("**B**", None),
        ("B) left", None),
        ("turn left", None),
        ("you have to turn left here", "A"),
        ("first turn left and then turn right", "B"),
        ("first turn right and then turn left", "A"),
        ("Answer (B) not A", "B"),
    ],
)
def test_official_letters(reply: str, letter: str | None) -> None:
    assert mmmu.parse_multi_choice(reply, ["left", "right", "both"]) == letter


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("B. left", "B"),
        ("B) left", None),
        # A letter that ends a word counts, and then the last is sought between blanks only.
        ("plan C or A thing", "A"),
        ("MAC or B thing", "B"),
        ("B thing on my MAC now", "B"),
        ("plan B.1 or C.2", "B"),
    ],
)
def test_lmms_eval_letters(reply: str, letter: str | None) -> None:
    assert mmmu.lmms_eval(reply, answer="A", options=["left", "right", "both"]).parsed == letter


@pytest.mark.parametrize(
    ("reply", "answer", "value"),
    [
        ("30", "30", 1.0),
        ("The result is 1,234.", "1234", 1.0),
        ("x = 0.29", "0.286", 1.0),
        ("1", "0.9965", 1.0),
        ("12", "1", 0.0),
        ("It is a transformation of cells.", "Transformation", 1.0),
        ("2e3", "2000", 1.0),
        ("-7", "7", 0.0),
        # A single letter must have a blank beside it.
        ("C", "C", 1.0),
        ("MgC", "C", 0.0),
        ("so the gas is C indeed", "C", 1.0),
        # Behind a key word nothing but its tail counts, and an equation only in the last line.
        ("30 cm\nSo the answer is 40", "30", 0.0),
        ("y = 5\nno more", "5", 1.0),
        ("30 = 5 + x", "30", 0.0),
        ("30 so the answer is :", "30", 1.0),
        ("y = 5 m\nthe answer is 6", "5 m", 0.0),
        ("Florida", "['Tampa', 'Florida']", 1.0),
        ("3.43", "['24/7', '3.429']", 1.0),
        ("24/7", "['24/7', '3.429']", 1.0),
        ("[1, 2", "[1, 2", 1.0),
    ],
)
def test_official_open_answers(reply: str, answer: str, value: float) -> None:
    result = mmmu.official(reply, answer=answer, options=[])
    assert (result.value, result.status) == (value, "ok")


@pytest.mark.parametrize("name", ["official", "lmms_eval"])
@pytest.mark.parametrize("reply", ["", " ", "..", "\n"])
def test_an_empty_open_answer_is_unparsed(name: str, reply: str) -> None:
    result = mmmu.VARIANTS[name](reply, answer="30", options=[])
    assert result == Score(value=None, status="unparsed")


def test_vlmevalkit_makes_choices_of_open_questions() -> None:
    for name in ("vlmevalkit_2024", "vlmevalkit", "qwen3vl"):
        score = mmmu.VARIANTS[name]
        assert score("A", answer="30", options=[]).value == 1.0
        assert score("C", answer="C", options=[]).value == 0.0
        assert score("A", answer="BC", options=[]).value == 1.0
        assert score("0.29", answer="0.286", options=[]).status == "unparsed"
        assert score("Other Answers", answer="30", options=[]).value == 0.0


def test_an_option_that_reads_none_is_an_option() -> None:
    options = literal_list("['Nairobi', 'Lagos', 'Cairo', 'None']")
    for score in mmmu.VARIANTS.values():
        assert score("D", answer="D", options=options).value == 1.0


def test_numbers_are_found_as_the_plain_expressions_find_them() -> None:
    """The lookbehinds that make the search linear change no match."""
    import random
    import re

    plain = (
        r"-?\b\d{1,3}(?:,\d{3})+\b",
        r"-?\d+(?:\.\d+)?[eE][+-]?\d+",
        r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])",
    )
    draw = random.Random(7)
    for _ in range(5000):
        text = "".join(draw.choices("0123456789.,eE+- a\n", k=draw.randint(0, 20)))
        for pattern, ours in zip(plain, mmmu._NUMBERS, strict=True):
            assert ours.findall(text) == re.findall(pattern, text), text


def test_real_predictions(real: Path) -> None:
    rows = {row["id"]: row for row in _read(real / "rows" / "mmmu.jsonl")}
    for wanted in _read(real / "expected.jsonl"):
        if wanted["task"] != "mmmu":
            continue
        scores = [
            mmmu.VARIANTS[wanted["scorer"]](
                line["prediction"],
                answer=rows[line["id"]]["answer"],
                options=literal_list(rows[line["id"]]["options"]),
            )
            for line in _read(real / wanted["predictions"])
        ]
        value = 100 * sum(score.value or 0.0 for score in scores) / len(rows)
        assert value == pytest.approx(wanted["value"], abs=wanted["tolerance"])
        assert sum(score.status == "unparsed" for score in scores) == 2
