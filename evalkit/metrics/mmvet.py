"""MM-Vet: a judge grades each reply with a number from 0 to 1, which evaluators read differently.

The prompts are in `judge_prompts`. What an evaluator does when the judge answers with no such
number is data (`JUDGES`): how often and how hot it asks again. Afterwards the official code and
VLMEvalKit give 0, and lmms-eval may ask for ever; here the score is ``None`` with the status
``judge_failed``.

Paper: https://arxiv.org/abs/2308.02490
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from evalkit.types import Score

__all__ = [
    "JUDGES",
    "VARIANTS",
    "Judging",
    "capability_scores",
    "first_grade",
    "parse_first_word",
    "parse_whole",
    "smoke",
]


def parse_first_word(reply: str) -> float | None:
    """Return the grade that the official code reads, from 0 to 1: what the first blank ends.

    A reply that begins with a blank has an empty first word, and so no grade.

    Source: yuweihao/MM-Vet, mm-vet_evaluator.py.

    >>> parse_first_word("0.5 because"), parse_first_word(" 0.7"), parse_first_word("1.5")
    (0.5, None, None)
    """
    return parse_whole(reply.split(" ", 1)[0])


def parse_whole(reply: str) -> float | None:
    r"""Return the grade that VLMEvalKit reads: the whole reply as a number, if it is 0 to 1.

    Source: vlmeval/dataset/utils/mmvet.py at 05bbba1e and e8e78f05 (MMVet_auxeval).

    >>> parse_whole(" 0.7\n"), parse_whole("0.5 because"), parse_whole("nan")
    (0.7, None, None)
    """
    try:
        grade = float(reply)
    except ValueError:
        return None
    return grade if 0.0 <= grade <= 1.0 else None


def _parse_stripped(reply: str) -> float | None:
    """Return the grade that lmms-eval reads: the official one of the stripped reply."""
    return parse_first_word(reply.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """How an evaluator asks its judge."""

    parse: Callable[[str], float | None]
    """Reads a grade from a reply; ``None`` means that the judge is asked again."""
    temperatures: tuple[float, ...]
    """The sampling temperature of each request whose reply is read: as many as there are here."""
    max_tokens: int
    """Where the judge's reply is cut."""
    model: str
    """The judge that the evaluator's published numbers were made with."""
    retry_suffix: str = ""
    """What is added to the prompt from the second request on."""


JUDGES: Mapping[str, Judging] = {
    # A sixth request, at 2.0, is made and its reply thrown away.
    "official": Judging(
        parse=parse_first_word,
        temperatures=(0.0, 0.0, 0.5, 1.0, 1.5),
        max_tokens=3,
        model="gpt-4-0613",
        retry_suffix="\nPredict the correctness of the answer (digit): ",
    ),
    "vlmevalkit_2024": Judging(
        parse=parse_whole,
        temperatures=(0.0, 0.5, 1.0, 1.5, 2.0),
        max_tokens=3,
        model="gpt-4-1106-preview",
    ),
    # The limit was 3 until 40b38381 (2026-05-28).
    "vlmevalkit": Judging(
        parse=parse_whole,
        temperatures=(0.0, 0.5, 1.0, 1.5, 2.0),
        max_tokens=2048,
        model="gpt-4-1106-preview",
    ),
    # After a reply without a number the next is thrown away; an empty reply ends it with 0, and a
    # number outside 0 to 1 repeats the request for ever.
    "lmms_eval": Judging(
        parse=_parse_stripped,
        temperatures=(0.0, 0.5, 1.0, 1.5),
        max_tokens=128,
        model="gpt-4o-2024-11-20",
    ),
}
"""How each evaluator asks, by scorer name; lmms-eval's is in tasks/mmvet/utils.py at 75571cfe."""


def first_grade(judging: Judging, replies: Iterable[str]) -> Score:
    """Return the score of the first reply that holds a grade, as far as the evaluator would read.

    Replies are taken one at a time, so that they may be asked for as they are needed.

    >>> first_grade(JUDGES["official"], ["Score:", "0.4"]).value
    0.4
    >>> first_grade(JUDGES["official"], ["bad"] * 9).status
    'judge_failed'
    """
    for reply in islice(replies, len(judging.temperatures)):
        grade = judging.parse(reply)
        if grade is not None:
            return Score(value=grade, parsed=reply.strip())
    return Score(value=None, status="judge_failed")


def _stored(prediction: str, *, judge: str | None, judging: Judging) -> Score:
    """Return the score that a stored verdict gives a reply; without a verdict the judge failed."""
    return first_grade(judging, [] if judge is None else [judge])


VARIANTS: Mapping[str, Callable[..., Score]] = {
    name: partial(_stored, judging=judging) for name, judging in JUDGES.items()
}
"""Scorers by name, called with a reply and ``judge``, the stored verdict on it or ``None``."""


def smoke(prediction: str, *, answer: str) -> Score:
    """Look for the reference in the reply: any of what ``<OR>`` parts, all of what ``<AND>`` parts.

    It only shows that a pipeline runs, without a judge: right answers in other words get nothing,
    so its number compares with no other.

    >>> smoke("It is 4 cm.", answer="4<AND>cm<OR>four").value
    1.0
    """
    reply = _folded(prediction)
    ways = [[_folded(part) for part in way.split("<AND>")] for way in answer.split("<OR>")]
    return Score(value=float(any(all(p in reply for p in way) for way in ways)), parsed=prediction)


def _folded(text: str) -> str:
    """Return a text in lower case with single blanks."""
    return " ".join(text.lower().split())


def capability_scores(scores: Iterable[tuple[Sequence[str], float | None]]) -> dict[str, float]:
    """Return the mean grade in percent, by capability and as ``total``; ``None`` counts as 0.

    A question counts in each of its capabilities. The official table prints one decimal.
    VLMEvalKit's table differs in ``rec`` and ``ocr``: questions that need only that one are counted
    twice there.

    >>> capability_scores([(["ocr", "math"], 1.0), (["ocr"], None)])
    {'ocr': 50.0, 'math': 100.0, 'total': 50.0}
    """
    grades: dict[str, list[float]] = defaultdict(list)
    every = [(capabilities, grade or 0.0) for capabilities, grade in scores]
    for capabilities, grade in every:
        for capability in capabilities:
            grades[capability].append(grade)
    grades["total"] = [grade for _, grade in every]
    return {name: 100 * sum(values) / len(values) for name, values in grades.items() if values}
