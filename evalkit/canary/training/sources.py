"""Where on its pictures an answer stands: cells that the model is told to look at.

A reply that is written on a picture has a cell for every letter. Of a choice only the entry that
the question names is known: its first cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from evalkit.canary.training.questions import Group, Patch, Question

__all__ = ["chosen", "sources"]


def sources(group: Group, question: Question, tokens: int) -> list[list[int]]:
    """Return for every token of a reply the visual tokens that tell it, counted over the group.

    Args:
        group: what the question is asked about.
        question: the question.
        tokens: how many tokens the reply has, its end included.
    """
    cells = [patch for picture in group.pictures for patch in picture]
    found: list[list[int]] = [[] for _ in range(tokens)]
    if tokens == len(question.answer) + 1:
        for run in _runs(cells):
            signs = "".join(_sign(cells[place]) for place in run)
            if signs.startswith(question.answer) and _is_wanted(cells[run[0]], question):
                for place, cell in zip(range(len(question.answer)), run, strict=False):
                    found[place].append(cell)
    if question.key and not any(found):
        named = [
            place
            for place, patch in enumerate(cells)
            if patch.cell and patch.cell.key == question.key and not patch.cell.index
        ]
        found[tokens - 2 if tokens < 3 else 1] = named
    return found


def chosen(question: Question, encode: Callable[[str], list[int]], tokens: int) -> list[list[int]]:
    """Return for every token of a reply the question's tokens that it chooses by.

    Args:
        question: the question.
        encode: the tokenizer.
        tokens: how many tokens the reply has, its end included.
    """
    found: list[list[int]] = [[] for _ in range(tokens)]
    letter = question.answer.strip("()")
    line = re.search(rf"(?m)^\(?{re.escape(letter)}[.)] ", question.text)
    if line and len(letter) == 1:
        start = len(encode(question.text[: line.end() - 1]))
        found[tokens - 2 if tokens < 3 else 1] = [start, start + 1]
    return found


def _is_wanted(patch: Patch, question: Question) -> bool:
    return not question.key or (patch.cell is not None and patch.cell.key == question.key)


def _sign(patch: Patch) -> str:
    return patch.cell.sign if patch.cell and len(patch.cell.sign) == 1 else "\0"


def _runs(cells: Sequence[Patch]) -> Iterator[list[int]]:
    """Yield the places of cells that stand side by side and belong to one entry."""
    run = [0]
    for (place, one), (_, other) in pairwise(enumerate(cells)):
        beside = (other.time, other.row, other.column) == (one.time, one.row, one.column + 1)
        if not (one.cell and other.cell and beside and one.cell.key == other.cell.key):
            yield run
            run = []
        run.append(place + 1)
    yield run
