"""Rows of MMMU.

Columns: MMMU/MMMU and lmms-lab/MMMU.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from evalkit.canary import figures, pictures
from evalkit.canary.canvas import NAMED, SHAPES
from evalkit.canary.facts import Picture
from evalkit.canary.sets.common import FIRST, LETTERS, image, lettered

__all__ = ["mmmu"]


def mmmu(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Draw a form, two charts, a formula and sheets of shapes, with three to eight questions each.

    Questions are multiple-choice or open, on one picture or two, and some have pictures as options.
    """
    for turn in count():
        first = FIRST + 8 * turn
        yield from _accounting(rng, first)
        yield from _economics(rng, first)
        yield from _math(rng, first)
        yield from _design(rng, first)


def _mmmu(
    subject: str,
    number: int,
    question: str,
    answer: str,
    shown: Sequence[Picture],
    options: Sequence[str] = (),
) -> dict[str, Any]:
    """Return one row; without options it is an open question, and ``answer`` is no letter."""
    key = f"validation_{subject}_{number}"
    columns = {
        f"image_{place}": image(shown[place - 1], f"{key}_{place}") if place <= len(shown) else None
        for place in range(1, 8)
    }
    subfield, drawn = _SUBJECTS[subject]
    return {
        "id": key,
        "question": question,
        "options": str(list(options)),
        "explanation": "",
        **columns,
        "img_type": f"['{drawn}']",
        "answer": answer,
        "topic_difficulty": "Easy",
        "question_type": "multiple-choice" if options else "open",
        "subfield": subfield,
    }


_SUBJECTS = {
    "Accounting": ("Financial Accounting", "Tables"),
    "Economics": ("Macroeconomics", "Plots and Charts"),
    "Math": ("Calculus", "Mathematical Notations"),
    "Design": ("Graphic Design", "Geometric Shapes"),
}
"""Subfield and kind of picture, by subject."""


def _accounting(rng: random.Random, first: int) -> Iterator[dict[str, Any]]:
    """Yield six questions on one form, the last of them open."""
    page = pictures.page(rng)
    *chosen, last = rng.sample(page.of("field"), 6)
    for number, fact in enumerate(chosen, first):
        options, letter = lettered(rng, fact)
        yield _mmmu("Accounting", number, f"<image 1> {fact.question}", letter, [page], options)
    yield _mmmu("Accounting", first + 5, f"<image 1> {last.question}", last.answer, [page])


def _economics(rng: random.Random, first: int) -> Iterator[dict[str, Any]]:
    """Yield four questions on each of two charts."""
    charts = [pictures.chart(rng), pictures.chart(rng)]
    asked = [rng.sample(chart.of("color"), 4) for chart in charts]
    for number in range(8):
        fact = asked[number % 2][number // 2]
        options, letter = lettered(rng, fact)
        question = f"<image 1> <image 2> In <image {1 + number % 2}>: {fact.question}"
        yield _mmmu("Economics", first + number, question, letter, charts, options)


def _math(rng: random.Random, first: int) -> Iterator[dict[str, Any]]:
    formula = figures.formula(rng)
    addend, unknown = formula.of("addend")[0], formula.of("read")[0]
    options, letter = lettered(rng, addend)
    question = f"Look at the equation in <image 1>. {addend.question}"
    yield _mmmu("Math", first, question, letter, [formula], options)
    yield _mmmu("Math", first + 1, f"<image 1> {addend.question}", addend.answer, [formula])
    options, letter = lettered(rng, unknown, most=3)
    yield _mmmu("Math", first + 2, f"{unknown.question} <image 1>", letter, [formula], options)


def _design(rng: random.Random, first: int) -> Iterator[dict[str, Any]]:
    """Yield two questions whose options are three sheets, and four on one of two sheets."""
    sheets, number = [figures.shapes(rng) for _ in range(3)], first
    for column, known in (("color", NAMED), ("position", SHAPES)):
        shown = [{fact.answer for fact in sheet.of(column)} for sheet in sheets]
        alone = [name for name in known if sum(name in each for each in shown) == 1]
        if alone:
            wanted = rng.choice(alone)
            place = next(n for n, each in enumerate(shown) if wanted in each)
            what = f"a {wanted} shape" if column == "color" else f"a {wanted}"
            options = [f"<image {n}>" for n in (1, 2, 3)] + ["None of the above"]
            question = f"Which picture shows {what}?"
            yield _mmmu("Design", number, question, LETTERS[place], sheets, options)
            number += 1
    for place in (1, 2):
        for fact in rng.sample(sheets[place - 1].of("color"), 2):
            options, letter = lettered(rng, fact)
            question = f"<image 1> <image 2> In <image {place}>: {fact.question}"
            yield _mmmu("Design", number, question, letter, sheets[:2], options)
            number += 1
