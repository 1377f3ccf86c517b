"""What a drawn picture or clip shows: questions with one short answer each."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Box", "Fact", "Line", "Picture", "near", "number", "one_of", "others", "yes_no"]

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a picture or a clip shows, as a question with one short answer."""

    question: str
    """The question, free of any benchmark's instructions."""
    answer: str
    """The answer as it is drawn."""
    kind: str
    """What it takes to answer: ``read``, ``field``, ``color``, ``count``, ``extreme``, ``pair``,
    ``arithmetic``, ``ratio``, ``position``, ``direction``, ``yesno``, ``latex``, or ``spoken`` and
    MVBench's names of tasks for clips."""
    wrong: tuple[str, ...] = ()
    """Plausible answers that are wrong: the other options of a multiple-choice question."""
    also: tuple[str, ...] = ()
    """Other spellings of the answer."""
    label: str = ""
    """The label that a field's value stands beside."""
    unit: str | None = None
    """The unit of a measured answer."""
    span: tuple[float, float] | None = None
    """The part of a clip that is asked about, in seconds; ``None`` for all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A piece of text on a picture."""

    text: str
    """What it says."""
    box: Box
    """Where its ink is, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A drawn picture with the facts in it."""

    png: bytes
    """The picture as a PNG file, RGB."""
    width: int
    """Its width in pixels."""
    height: int
    """Its height in pixels."""
    lines: tuple[Line, ...]
    """The texts on it, in the order they were drawn."""
    facts: tuple[Fact, ...]
    """What can be asked about it; no question twice."""

    def of(self, *kinds: str) -> list[Fact]:
        """Return the facts of these kinds, in their order on the picture."""
        return [fact for fact in self.facts if fact.kind in kinds]


def others(answer: str, draw: Callable[[], str], count: int = 3) -> tuple[str, ...]:
    """Return ``count`` different strings that ``draw`` gives and that are not the answer."""
    found: dict[str, None] = {}
    while len(found) < count:
        found.setdefault(draw())
        found.pop(answer, None)
    return tuple(found)


def near(rng: random.Random, number: int) -> tuple[str, ...]:
    """Return three whole numbers above zero that are near to a number and not it."""
    reach = max(3, number // 4)
    return others(str(number), lambda: str(max(1, number + rng.randint(-reach, reach))))


def one_of(rng: random.Random, question: str, answer: str, kind: str, known: Sequence[str]) -> Fact:
    """Return a fact whose wrong answers are up to three others of those known, at random.

    Always the same three would give the answer away: whatever else is offered would be it.
    """
    rest = [name for name in known if name != answer]
    return Fact(question, answer, kind, tuple(rng.sample(rest, min(3, len(rest)))))


def number(rng: random.Random, question: str, value: int, kind: str) -> Fact:
    """Return a fact whose answer is a whole number, and whose wrong answers are near it."""
    return Fact(question, str(value), kind, near(rng, value))


def yes_no(question: str, truth: bool) -> Fact:
    """Return a fact that is answered with yes or no."""
    answers = ("Yes", "No") if truth else ("No", "Yes")
    return Fact(question, answers[0], "yesno", answers[1:])
