"""Every task gives its own reference answers full marks, through every scorer that can.

The scorers that cannot are faults of the evaluators that they equal; each stands here with its
reason and with how many rows it costs, on the drawn set and on the published rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import pytest

from evalkit.canary.sets import rows as drawn
from evalkit.compose import compose
from evalkit.config import benches
from evalkit.task import Task
from evalkit.types import Response, Sample

NOT_PUBLISHED_HERE = {"realworldqa_hub", "mmvet_smoke"}


@dataclass(frozen=True, slots=True)
class Loss:
    """What a scorer costs a perfect model."""

    drawn: int
    """Rows of the drawn set."""
    published: int
    """Rows of the published split."""
    reason: str
    """Why."""


FEW = "fewer than four of ten people gave the same answer, so that none is worth a whole point"
LIST = "a list in the answer cell is taken for two answers, of which the list itself is none"
CHOICES = "an open question is a choice between its answer and others, so that C and lists are none"
NO_LETTER = "the reference is no letter, or the letter of an option that the row does not have"
LOSSES = {
    ("chartqa", "vlmevalkit_2024"): Loss(0, 10, LIST),
    ("chartqa", "vlmevalkit"): Loss(0, 10, LIST),
    ("textvqa", "official"): Loss(0, 344, FEW),
    ("textvqa", "mmf"): Loss(0, 344, FEW),
    ("textvqa", "vlmevalkit_2024"): Loss(0, 344, FEW),
    ("textvqa", "vlmevalkit"): Loss(0, 344, FEW),
    ("textvqa", "lmms_eval"): Loss(0, 344, FEW),
    ("textvqa", "qwen_vl"): Loss(0, 614, "references are not normalised as replies are"),
    ("mmmu", "lmms_eval"): Loss(4, 53, "open answers are compared letter by letter"),
    ("mmmu", "vlmevalkit_2024"): Loss(0, 4, CHOICES),
    ("mmmu", "vlmevalkit"): Loss(0, 4, CHOICES),
    ("mmmu", "qwen3vl"): Loss(0, 4, CHOICES),
    ("mathvista", "lmms_eval"): Loss(6, 40, "it cannot round to a precision that is a float"),
    ("mathvista", "vlmevalkit_2024"): Loss(0, 2, "no list is ever right"),
    ("mathvista", "vlmevalkit"): Loss(0, 2, "no list is ever right"),
    ("mathvista", "vlmevalkit_2024_rule"): Loss(0, 28, "a right 0 is left to the judge, and lists"),
    ("mathvista", "vlmevalkit_rule"): Loss(0, 28, "a right 0 is left to the judge, and lists"),
    ("realworldqa", "vlmevalkit_2024"): Loss(0, 3, NO_LETTER),
    ("realworldqa", "vlmevalkit"): Loss(0, 3, NO_LETTER),
    ("realworldqa", "qwen3vl"): Loss(0, 3, NO_LETTER),
}


def task_of(name: str, scorer: str | None = None) -> Task:
    (bench,) = benches(compose("show", [f"task={name}"]))
    return bench.task if scorer is None else replace(bench.task, scorer=scorer)


def names() -> list[str]:
    from evalkit.catalogue import cards

    return [card.name for card in cards("task")]


def pairs() -> list[tuple[str, str]]:
    return [(name, scorer) for name in names() for scorer in task_of(name).scorers]


def answers(task: Task, sample: Sample) -> Iterator[Response]:
    """Yield what a perfect model, or a judge of its reply, would say."""
    if task.name == "mathvista" and sample.options:
        letter = ascii_uppercase[sample.options.index(sample.answers[0])]
        asked = task.scorer in ("official", "lmms_eval")
        yield Response(id=sample.id, text="a sentence" if asked else letter, extraction=letter)
        return
    if task.name == "mvbench":
        letter = ascii_uppercase[sample.options.index(sample.answers[0])]
        yield Response(id=sample.id, text=f"({letter}) {sample.answers[0]}")
        return
    for answer in dict.fromkeys(sample.answers):
        yield Response(id=sample.id, text=answer, extraction=answer, judge="1.0")
        if task.name != "textvqa":
            break


def lost(task: Task, rows: list[dict[str, Any]]) -> list[str]:
    """Return the ids of rows whose reference answers do not earn a whole point."""
    samples = [task.sample(row, number) for number, row in enumerate(rows)]
    return [
        sample.id
        for sample in samples
        if not any(task.score(sample, answer).value == 1.0 for answer in answers(task, sample))
    ]


def test_the_table_names_scorers_that_exist() -> None:
    assert LOSSES.keys() <= set(pairs())


@pytest.mark.parametrize(("name", "scorer"), pairs(), ids=str)
def test_drawn_rows(name: str, scorer: str) -> None:
    loss = LOSSES.get((name, scorer))
    found = lost(task_of(name, scorer), list(drawn(name)))
    assert len(found) == (loss.drawn if loss else 0)


@pytest.mark.parametrize("name", names())
def test_nothing_earns_marks_for_nothing(name: str) -> None:
    task = task_of(name)
    for number, row in enumerate(drawn(name)):
        sample = task.sample(row, number)
        score = task.score(sample, Response(id=sample.id, text="", judge="0.0"))
        assert not score.value


@pytest.mark.parametrize("name", sorted(set(names()) - NOT_PUBLISHED_HERE))
def test_published_rows(name: str, real: Path) -> None:
    text = (real / "rows" / f"{name.removesuffix('_subs')}.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in text.split("\n") if line]
    for row in rows if name == "mathvista" else ():
        # The Hub stores this column as a float, these rows as an integer.
        row["precision"] = row["precision"] and float(row["precision"])
    task = task_of(name)
    for scorer in task.scorers:
        loss = LOSSES.get((name, scorer))
        found = lost(replace(task, scorer=scorer), rows)
        assert len(found) == (loss.published if loss else 0), (scorer, found[:5])


def test_which_rows_are_lost(real: Path) -> None:
    lists = {"mathvista": ["225", "506"], "realworldqa": ["105", "633", "731"]}
    for name, ids in lists.items():
        text = (real / "rows" / f"{name}.jsonl").read_text("utf-8")
        rows = [json.loads(line) for line in text.split("\n") if line]
        assert lost(task_of(name, "vlmevalkit_2024"), rows) == ids
