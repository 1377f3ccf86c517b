"""MVBench's scorers and aggregates equal the evaluators that they name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.metrics import mvbench
from evalkit.types import Score

GOLDEN = Path(__file__).parents[1] / "golden" / "video.jsonl"
EVALUATORS = {
    "mvbench_official_check_ans": "official",
    'mvbench_official_pipeline(prepend "(" + first line, then check_ans)': "official_pipeline",
    "vlmevalkit_check_ans_with_model(judge=exact_matching)": "vlmevalkit",
    "lmms_eval_mvbench": "lmms_eval",
    # VLMEvalKit's copy of the official function, which its own evaluation does not call.
    "vlmevalkit_check_ans": "official",
}
WITHOUT_VARIANT = {
    "vlmevalkit_check_ans_advanced(unused by MVBench.evaluate)": "no evaluation calls it",
}
AGGREGATES = {"vlmevalkit_mvbench aggregate", "lmms_eval_mvbench aggregate"}
OURS = {"strict"}
ANSWERS = ["yes", "no", "not sure"]


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


ALL = [case for case in _read(GOLDEN) if case["benchmark"] == "MVBench"]
CASES = [case for case in ALL if case["evaluator"] in EVALUATORS]


def test_every_evaluator_is_covered() -> None:
    assert {case["evaluator"] for case in ALL} == {*EVALUATORS, *WITHOUT_VARIANT, *AGGREGATES}
    assert {*EVALUATORS.values(), *OURS} == set(mvbench.VARIANTS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["evaluator"][:24])
def test_golden(case: dict[str, Any]) -> None:
    facts = case["references"]
    score = mvbench.VARIANTS[EVALUATORS[case["evaluator"]]]
    result = score(case["prediction"], answer=facts["answer"], options=facts["candidates"])
    assert (result.value or 0.0) == case["score"]


def _score(name: str, reply: str, answer: str = "no") -> float:
    return mvbench.VARIANTS[name](reply, answer=answer, options=ANSWERS).value or 0.0


# A reply to a question whose answer is B; the credit under NAMES.
NAMES = ["official", "official_pipeline", "vlmevalkit", "lmms_eval", "strict"]
REPLIES = [
    ("", "11100"),
    (".", "11100"),
    ("(", "10100"),
    (")", "10100"),
    ("(b", "10111"),
    ("B\n", "01111"),
    (" C", "10000"),
    ("B) no\nA) yes", "11111"),
    ("Answer: B", "00110"),
    ("The answer is (B).", "00110"),
    ("**B**", "00110"),
    ("B:", "00111"),
    ("B,", "00110"),
    ("[B]", "00110"),
    (r"\boxed{B}", "00110"),
    ('"B"', "00010"),
    ("<answer>B</answer>", "00010"),
    ("option (b)", "00010"),
    ("no", "00100"),
    ("No.", "00100"),
    ("B no", "11111"),
    ("B yes", "11110"),
    ("(B)", "11111"),
    ("A", "00000"),
    ("a, not b", "00100"),
    ("D", "00000"),
]


@pytest.mark.parametrize(("reply", "credits"), REPLIES)
def test_replies(reply: str, credits: str) -> None:
    assert "".join(str(int(_score(name, reply))) for name in NAMES) == credits


@pytest.mark.parametrize("name", ["official", "official_pipeline", "vlmevalkit"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_empty_reply_is_right_and_marked(name: str, answer: str) -> None:
    for reply in ("", "   ", "."):
        result = mvbench.VARIANTS[name](reply, answer=answer, options=ANSWERS)
        assert result == Score(value=1.0, status="unparsed")


@pytest.mark.parametrize("name", ["lmms_eval", "strict"])
def test_an_empty_reply_is_unparsed(name: str) -> None:
    result = mvbench.VARIANTS[name]("", answer="no", options=ANSWERS)
    assert result == Score(value=None, status="unparsed")


def test_of_equal_candidates_the_last_or_the_first_is_right() -> None:
    twice = ["no", "yes", "no"]
    for name in ("official", "vlmevalkit", "strict"):
        assert mvbench.VARIANTS[name]("C", answer="no", options=twice).value == 1.0
    assert mvbench.lmms_eval("A", answer="no", options=twice).value == 1.0


def test_lmms_eval_removes_no_more_than_32_dots() -> None:
    assert _score("lmms_eval", "x" + "." * 32 + "b") == 0.0
    assert _score("lmms_eval", "x" + "." * 33 + "b") == 1.0


def test_lmms_eval_takes_a_letter_with_a_dot_first_only_on_one_line() -> None:
    assert _score("lmms_eval", "B. x") == 1.0
    assert _score("lmms_eval", "B.x") == 1.0
    assert _score("lmms_eval", "B.\n x") == 1.0
    assert _score("lmms_eval", "B.x\ny") == 0.0


def test_golden_aggregates() -> None:
    cases = {case["evaluator"]: case for case in ALL if case["evaluator"] in AGGREGATES}
    counts = mvbench.vlmevalkit_aggregate(cases["vlmevalkit_mvbench aggregate"]["prediction"])
    printed = {t: [n, of, f"{100 * n / of:.2f}%"] for t, (n, of) in counts.items()}
    assert printed == cases["vlmevalkit_mvbench aggregate"]["score"]
    case = cases["lmms_eval_mvbench aggregate"]
    scores = [(each["pred_answer"], each["score"]) for each in case["prediction"]]
    assert mvbench.lmms_eval_aggregate(scores) == case["score"]
    assert mvbench.lmms_eval_aggregate([("", None)]) == 0.0


def test_macro_and_micro_part_when_tasks_differ_in_size() -> None:
    even = [("a", 1.0), ("a", 0.0), ("b", 1.0), ("b", 1.0)]
    assert mvbench.macro(even) == mvbench.micro(even) == 75.0
    odd = [*even, ("b", None), ("b", 0.0)]
    assert (mvbench.macro(odd), mvbench.micro(odd)) == (50.0, 50.0)
    assert (mvbench.macro(odd[1:]), mvbench.micro(odd[1:])) == (25.0, 40.0)
