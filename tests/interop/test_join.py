"""Which row an answer is about: by id, number or question, and never by guess."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import DataError
from evalkit.interop.answers import Answer, Log
from evalkit.interop.join import join, share
from evalkit.types import Sample

ROWS = [
    Sample(id=f"q{900 - n}", question=f"What  is on\nline {n}?", answers=(f"line {n}", "7.0"))
    for n in range(6)
]
SAME = [
    Sample(id=str(n), question="what is written in the image?", answers=(text,))
    for n, text in enumerate(["CENTRE", "friends", "7", "OPEN", "shut", "park"])
]


def log(answers: list[Answer]) -> Log:
    return Log(harness="theirs", path=Path("file.xlsx"), answers=tuple(answers))


def answers(order: list[int], rows: list[Sample] = ROWS, **fields: Any) -> list[Answer]:
    """Answers in the order of some rows; a field is a function of the row's number."""
    return [
        Answer(at=f"row {place}", text=str(n), **{name: make(n) for name, make in fields.items()})
        for place, n in enumerate(order)
    ]


def texts(found: Any) -> dict[str, str | None]:
    return {key: answer.text for key, answer in found.answers.items()}


RIGHT = {sample.id: str(n) for n, sample in enumerate(ROWS)}


def asked(n: int) -> str:
    return f"<image 1> what is on LINE {n}? Answer with one word."


@pytest.mark.parametrize(
    ("fields", "how"),
    [
        ({"ids": lambda n: {"questionId": f"q{900 - n}"}}, "questionId"),
        ({"number": lambda n: n, "question": asked}, "row number from 0"),
        ({"number": lambda n: n + 1, "question": asked}, "row number from 1"),
        ({"number": lambda n: n, "golds": lambda n: (f"Line {n}",)}, "row number from 0"),
        (
            {"question": lambda n: f"What is on line {n}?", "golds": lambda n: ("7", f"line {n}")},
            "question and answers",
        ),
    ],
)
def test_each_way_finds_the_right_rows_in_any_order(fields: dict[str, Any], how: str) -> None:
    for order in ([0, 1, 2, 3, 4, 5], [5, 2, 0, 1], [3]):
        found = join(log(answers(order, **fields)), ROWS)
        assert found.how == how or order == [3]
        assert texts(found) == {ROWS[n].id: str(n) for n in order}
        assert not found.warnings


def test_the_first_answer_that_does_not_match_is_named() -> None:
    shifted = answers([0, 1, 2, 3], number=lambda n: n, question=lambda n: asked(n + (n > 1)))
    with pytest.raises(DataError) as error:
        join(log(shifted), ROWS)
    said = str(error.value)
    assert said.startswith("file.xlsx: row 2: by row number from 0 it would answer row q898")
    assert "on LINE 3?" in said
    assert "on line 2?" in said


def test_equal_questions_are_told_apart_by_their_answers() -> None:
    # All questions are alike, so numbers from 0 would fit a file that counts from 1.
    part = answers(
        [0, 1, 2],
        SAME,
        number=lambda n: n + 1,
        question=lambda n: SAME[n].question,
        golds=lambda n: SAME[n].answers,
    )
    found = join(log(part), SAME)
    assert found.how == "row number from 1"
    assert texts(found) == {"0": "0", "1": "1", "2": "2"}


def test_numbers_are_believed_only_where_they_are_the_dataset_s_ids() -> None:
    bare = answers([0, 1, 2], number=lambda n: n)
    with pytest.raises(DataError, match="nothing in the file shows that it does"):
        join(log(bare), ROWS)
    found = join(log(bare), SAME)
    assert texts(found) == {"0": "0", "1": "1", "2": "2"}
    assert "3 answers are matched by row number alone" in found.warnings[0]


def test_an_index_is_no_id_where_questions_differ() -> None:
    rows = [Sample(id=str(n + 1), question=f"line {n}?") for n in range(4)]
    held = answers(
        [1, 2, 3],
        ids=lambda n: {"index": str(n)},
        number=lambda n: n,
        question=lambda n: f"line {n}?",
    )
    found = join(log(held), rows)
    assert found.how == "row number from 0"
    assert texts(found) == {"2": "1", "3": "2", "4": "3"}


def test_rows_that_share_everything_are_paired_only_if_all_are_there() -> None:
    twins = [Sample(id=i, question="same?", answers=("yes",)) for i in ("a", "b")]
    made = answers([0, 1], question=lambda n: "same?", golds=lambda n: ("yes",))
    assert texts(join(log(made), twins)) == {"a": "0", "b": "1"}
    with pytest.raises(DataError, match="nothing says which row it answers"):
        join(log(made[:1]), twins)
    unlike = [twins[0], Sample(id="b", question="same?", answers=("yes",), options=("yes", "no"))]
    with pytest.raises(DataError, match="nothing says which row it answers"):
        join(log(made), unlike)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            {"ids": lambda n: {"questionId": f"q{n}"}},
            "no row has the id q0 .questionId.; is this the",
        ),
        ({"ids": lambda n: {"questionId": "q900"}}, "row 1: it answers row q900, as row 0 does"),
        ({"number": lambda n: n + 40}, "there is no row 40"),
        ({}, "row 0: nothing says which row it answers"),
    ],
)
def test_what_matches_nothing_is_one_line(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        join(log(answers([0, 1], **fields)), ROWS)


def test_other_reference_answers_are_reported() -> None:
    held = answers(
        [0, 1, 2], number=lambda n: n, question=asked, golds=lambda n: (f"line {n % 2}",)
    )
    (warning,) = join(log(held), ROWS).warnings
    assert "the reference answers of 1 of 3 questions are others" in warning


def test_a_part_is_matched_within_itself() -> None:
    pooled = [("first", ROWS[0]), ("second", ROWS[1]), ("second", ROWS[2])]
    assert share(pooled, "second") == ROWS[1:3]
    assert share(pooled, "") == ROWS[:3]
