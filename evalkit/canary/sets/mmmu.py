"""Rows of MMMU.

Columns: MMMU/MMMU and lmms-lab/MMMU.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from evalkit.canary import figures, pictures
from evalkit.canary.facts import Fact, Picture, others, yes_no
from evalkit.canary.sets.common import FIRST, LETTERS, image, lettered

__all__ = ["mmmu"]


def mmmu(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Draw a form, two charts, a formula and three sheets of shapes, with three questions on each.

    Questions are multiple-choice or open, on one picture or two, and one has pictures as options.
    """
    for turn in count():
        first = FIRST + 3 * turn
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
    page = pictures.page(rng)
    for number, fact in enumerate(rng.sample(page.of("field"), 3), first):
        options, letter = lettered(rng, fact)
        yield _mmmu("Accounting", number, f"<image 1> {fact.question}", letter, [page], options)


def _economics(rng: random.Random, first: int) -> Iterator[dict[str, Any]]:
    """Yield a question on one chart, and two that need both of two charts."""
    charts = [pictures.chart(rng), pictures.chart(rng)]
    fact = rng.choice(charts[0].of("color", "arithmetic", "yesno"))
    options, letter = lettered(rng, fact)
    yield _mmmu("Economics", first, f"{fact.question} <image 1>", letter, charts[:1], options)
    bars = [chart.of("count")[0].answer for chart in charts]
    question = "Do <image 1> and <image 2> show the same number of bars?"
    equal = yes_no(question, bars[0] == bars[1])
    options, letter = lettered(rng, equal)
    yield _mmmu("Economics", first + 1, question, letter, charts, options)
    # Names of bars may be the same on both, so wrong pairs are drawn until they differ.
    lowest = [chart.of("extreme")[1] for chart in reversed(charts)]
    answer = " and ".join(fact.answer for fact in lowest)
    both = Fact(
        "Which bars are the lowest in <image 2> and in <image 1>, in this order?",
        answer,
        "pair",
        others(
            answer,
            lambda: " and ".join(rng.choice([fact.answer, *fact.wrong]) for fact in lowest),
            4,
        ),
    )
    options, letter = lettered(rng, both, most=5)
    yield _mmmu("Economics", first + 2, both.question, letter, charts, options)


def _math(rng: random.Random, first: int) -> Iterator[dict[str, Any]]:
    formula = figures.formula(rng)
    solve, letter_asked = formula.of("arithmetic")[0], formula.of("read")[0]
    options, letter = lettered(rng, solve)
    question = f"Look at the equation in <image 1>. {solve.question}"
    yield _mmmu("Math", first, question, letter, [formula], options)
    yield _mmmu("Math", first + 1, f"<image 1> {solve.question}", solve.answer, [formula])
    options, letter = lettered(rng, letter_asked, most=3)
    question = f"{letter_asked.question} <image 1>"
    yield _mmmu("Math", first + 2, question, letter, [formula], options)


def _design(rng: random.Random, first: int) -> Iterator[dict[str, Any]]:
    """Yield a question whose options are three sheets, one on two of them, and an open one."""
    sheets: list[Picture] = []
    totals: list[str] = []
    while len(sheets) < 3:
        sheet = figures.shapes(rng)
        if sheet.facts[0].answer not in totals:
            sheets.append(sheet)
            totals.append(sheet.facts[0].answer)
    asked = rng.randrange(3)
    question = f"Which picture shows exactly {totals[asked]} shapes?"
    options = [f"<image {place}>" for place in (1, 2, 3)] + ["None of the above"]
    yield _mmmu("Design", first, question, LETTERS[asked], sheets, options)
    more = int(totals[0]) > int(totals[1])
    question = "Which of the two shows more shapes, <image 1> or <image 2>?"
    options = ["The first", "The second"]
    yield _mmmu("Design", first + 1, question, "A" if more else "B", sheets[:2], options)
    question = "<image 1> How many shapes are there?"
    yield _mmmu("Design", first + 2, question, totals[0], sheets[:1])
