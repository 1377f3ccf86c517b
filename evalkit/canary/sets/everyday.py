"""Rows of RealWorldQA in both its forms, and of MM-Vet.

Columns: VLMEvalKit's ``RealWorldQA.tsv``; xai-org/RealworldQA and lmms-lab/RealWorldQA;
lmms-lab/MMVet.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

from evalkit.canary import pictures, scenes
from evalkit.canary.facts import Fact, Picture
from evalkit.canary.figures import formula
from evalkit.canary.sets.common import FIRST, FIRST_LONG, LETTERS, image, lettered

__all__ = ["mmvet", "realworldqa", "realworldqa_hub"]


def _roads(rng: random.Random) -> Iterator[tuple[Picture, Fact]]:
    """Yield six questions on each of endless roads."""
    while True:
        road = scenes.road(rng)
        for fact in rng.sample(road.facts, 6):
            yield road, fact


def realworldqa(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Draw roads; every question has two to four options, in columns of their own."""
    for number, (road, fact) in zip(count(FIRST_LONG), _roads(rng)):
        options, letter = lettered(rng, fact)
        columns = [*options, None, None][:4]
        yield {
            "index": number,
            "image": image(road, str(number)),
            "question": fact.question,
            **dict(zip("ABCD", columns, strict=True)),
            "answer": letter,
        }


_LETTER = "Please answer directly with only the letter of the correct option and nothing else."
_WORD = "Please answer directly with a single word or number."


def realworldqa_hub(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Draw roads; every other question has its options in the text, the rest want a word."""
    for number, (road, fact) in zip(count(FIRST_LONG), _roads(rng)):
        answer, text = fact.answer, fact.question
        if number % 2 or " " in answer:
            options, answer = lettered(rng, fact)
            lines = [
                f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False)
            ]
            text = "\n".join([text, "", *lines, _LETTER])
        else:
            text = f"{text}\n{_WORD}"
        yield {"image": image(road, str(number)), "question": text, "answer": answer}


def mmvet(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Draw a sign, a poster, a form and a sum in turn, with two to eight questions on each."""
    ids = count(FIRST)
    while True:
        for picture, asked in _vet(rng):
            for question, answer, capability in asked:
                number = next(ids)
                yield {
                    "question_id": f"v1_{number}",
                    "image": image(picture, f"v1_{number}"),
                    "question": question,
                    "answer": answer,
                    "image_source": "drawn",
                    "capability": capability,
                }


def _vet(rng: random.Random) -> Iterator[tuple[Picture, list[tuple[str, str, str]]]]:
    """Yield pictures with questions, answers in MM-Vet's notation, and capabilities."""
    street = scenes.sign(rng)
    yield street, [_any("rec,ocr,spat", fact) for fact in street.facts]
    poster = pictures.poster(rng)
    marks = [fact for fact in poster.facts if fact.question.endswith("mark?")]
    yield poster, [_share(fact) for fact in marks]
    page = pictures.page(rng)
    yield page, [_any("ocr", fact) for fact in rng.sample(page.facts, 4)]
    equation = formula(rng)
    (unknown,), (solve,), (addend,) = map(equation.of, ("read", "arithmetic", "addend"))
    spelt = tuple(f"{unknown.answer}{sign}{solve.answer}" for sign in (" = ", "="))
    yield equation, [_any("ocr,math", replace(solve, also=spelt)), _any("ocr,math", addend)]


def _any(capability: str, fact: Fact) -> tuple[str, str, str]:
    """Return a question, every spelling of its answer, any of which will do, and what it takes."""
    return fact.question, "<OR>".join((fact.answer, *fact.also)), capability


def _share(fact: Fact) -> tuple[str, str, str]:
    """Return a question on a mark; where it asks for a share, number and sign are both wanted."""
    return fact.question, fact.answer.replace("%", "<AND>%"), "rec,ocr"
