"""What a drawn picture or clip shows: questions with one short answer each."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Cell", "Fact", "Picture", "apart", "number", "one_of", "yes_no"]

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one cell of a sheet holds."""

    sign: str
    """A letter or a sign's name; ``""`` for bare paper."""
    ink: str
    """The sign's colour."""
    paper: str
    """The cell's colour."""
    key: str
    """What a question calls the entry that it belongs to."""
    index: int
    """Its place in its text."""
    traits: Mapping[str, str] = field(default_factory=dict)
    """What else tells its entry from others: ``hue``, the entry's colour; ``role``, ``label`` or
    ``value``; ``length`` of its bar and ``rank`` among them; ``before``, what stood there a second
    ago; ``way``, how it has moved."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a picture or a clip shows, as a question with one short answer."""

    question: str
    """The question, free of any benchmark's instructions."""
    answer: str
    """The answer as it is drawn."""
    kind: str
    """What it takes to answer: ``read``, ``field``, ``color``, ``count``, ``extreme``,
    ``arithmetic``, ``addend``, ``measure``, ``position``, ``direction``, ``yesno``, ``latex``, or
    ``spoken`` and MVBench's names of tasks for clips."""
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
class Picture:
    """A drawn picture with the facts in it."""

    png: bytes
    """The picture as a PNG file, RGB."""
    width: int
    """Its width in pixels."""
    height: int
    """Its height in pixels."""
    texts: tuple[tuple[str, Box], ...]
    """What is written on it, line by line, and where."""
    facts: tuple[Fact, ...]
    """What can be asked about it; no question twice."""

    def of(self, *kinds: str) -> list[Fact]:
        """Return the facts of these kinds, in their order on the picture."""
        return [fact for fact in self.facts if fact.kind in kinds]


def apart(answer: str, draw: Callable[[], str], count: int = 3) -> tuple[str, ...]:
    """Return ``count`` drawn strings, none of which begins like another or like the answer.

    What begins alike would have to be read to its end; a small model shall be asked what it sees.
    """
    found: dict[str, str] = {}
    while len(found) < count:
        text = draw()
        if text[0] != answer[0]:
            found.setdefault(text[0], text)
    return tuple(found.values())


def one_of(rng: random.Random, question: str, answer: str, kind: str, known: Sequence[str]) -> Fact:
    """Return a fact whose wrong answers are up to three others of those known, at random.

    Always the same three would give the answer away: whatever else is offered would be it.
    """
    rest = list(dict.fromkeys(name for name in known if name != answer))
    return Fact(question, answer, kind, tuple(rng.sample(rest, min(3, len(rest)))))


def number(rng: random.Random, question: str, value: int, kind: str) -> Fact:
    """Return a fact whose answer is a whole number, with wrong answers of as many digits."""
    low = 10 ** (len(str(value)) - 1)
    wrong = apart(str(value), lambda: str(rng.randint(low, 10 * low - 1)))
    return Fact(question, str(value), kind, wrong)


def yes_no(question: str, truth: bool) -> Fact:
    """Return a fact that is answered with yes or no."""
    answers = ("Yes", "No") if truth else ("No", "Yes")
    return Fact(question, answers[0], "yesno", answers[1:])
