"""Rows of MathVista.

Columns: AI4Math/MathVista, split ``testmini``. No answer is a list: the scorer of the days when
Qwen2-VL was published (VLMEvalKit 05bbba1e) never accepts one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count
from typing import Any

from evalkit.canary import figures, pictures
from evalkit.canary.facts import Fact, Picture
from evalkit.canary.sets.common import FIRST_LONG, LETTERS, image, lettered

__all__ = ["mathvista"]

_HINTS = {
    "text": "Please answer the question and provide the correct option letter, "
    "e.g., A, B, C, D, at the end.",
    "integer": "Please answer the question requiring an integer answer and provide the final "
    "value, e.g., 1, 2, 3, at the end.",
    "1": "Please answer the question requiring a floating-point number with one decimal place "
    "and provide the final value, e.g., 1.2, 1.3, 1.4, at the end.",
    "2": "Please answer the question requiring a floating-point number with two decimal places "
    "and provide the final value, e.g., 1.23, 1.34, 1.45, at the end.",
}
"""The hint that opens a query, by type of answer, and by decimals where that is a float."""

_CHART = ("PlotQA", "general-vqa", "figure question answering", "bar chart", "not applicable")
_SHAPES = (
    "CLEVR-Math", "math-targeted-vqa", "math word problem", "synthetic scene", "elementary school"
)  # fmt: skip
_RECTANGLE = (
    "GEOS", "math-targeted-vqa", "geometry problem solving", "geometry diagram", "high school"
)  # fmt: skip
_FORMULA = (
    "TheoremQA", "math-targeted-vqa", "textbook question answering", "scientific figure", "college"
)  # fmt: skip
_PAGE = ("DocVQA", "general-vqa", "visual question answering", "document image", "not applicable")
"""Source, category, task, context and grade of the published rows whose place a row takes."""


_SKILLS = {
    "bar chart": ["statistical reasoning"],
    "synthetic scene": ["arithmetic reasoning"],
    "geometry diagram": ["geometry reasoning", "arithmetic reasoning"],
    "scientific figure": ["algebraic reasoning"],
    "document image": ["numeric commonsense"],
}


def mathvista(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Draw a chart, shapes, a rectangle, an equation and a form, over and over.

    Each has free-form questions, with whole or decimal answers, and a multiple-choice one.
    """
    ids = count(FIRST_LONG)
    while True:
        for picture, place, facts, choose in _turn(rng):
            for fact in facts:
                yield _row(next(ids), picture, place, fact)
            for fact in choose:
                yield _row(next(ids), picture, place, fact, lettered(rng, fact)[0])


def _turn(
    rng: random.Random,
) -> Iterator[tuple[Picture, tuple[str, str, str, str, str], list[Fact], list[Fact]]]:
    """Yield pictures with the free-form facts and those that are asked with choices."""
    chart = pictures.chart(rng)
    yield chart, _CHART, rng.sample(chart.of("read"), 3), rng.sample(chart.of("color"), 3)
    shapes = figures.shapes(rng)
    yield shapes, _SHAPES, shapes.of("count"), rng.sample(shapes.of("position", "color"), 3)
    rectangle = figures.rectangle(rng)
    yield rectangle, _RECTANGLE, rectangle.of("measure"), rectangle.of("color")
    formula = figures.formula(rng)
    yield formula, _FORMULA, formula.of("addend"), formula.of("read")
    page = pictures.page(rng)
    fields = page.of("field")
    numbers = [fact for fact in fields if fact.answer.replace(".", "").isdigit()][:3]
    yield page, _PAGE, numbers, rng.sample([fact for fact in fields if fact not in numbers], 3)


def _row(
    number: int,
    picture: Picture,
    place: tuple[str, str, str, str, str],
    fact: Fact,
    choices: list[str] | None = None,
) -> dict[str, Any]:
    answer = fact.answer
    decimals = len(answer.partition(".")[2])
    kind = "text" if choices else "float" if decimals else "integer"
    unit = None if choices else fact.unit
    source, category, task, context, grade = place
    return {
        "pid": str(number),
        "question": fact.question,
        "image": f"images/{number}.png",
        "decoded_image": image(picture, str(number)),
        "choices": choices,
        "unit": unit,
        "precision": float(decimals) if kind == "float" else None,
        "answer": answer,
        "question_type": "multi_choice" if choices else "free_form",
        "answer_type": kind,
        "metadata": {
            "category": category,
            "context": context,
            "grade": grade,
            "img_height": picture.height,
            "img_width": picture.width,
            "language": "english",
            "skills": _SKILLS[context],
            "source": source,
            "split": "testmini",
            "task": task,
        },
        "query": _query(fact.question, str(decimals) if kind == "float" else kind, unit, choices),
    }


def _query(question: str, hint: str, unit: str | None, choices: list[str] | None) -> str:
    """Return the text that the dataset's authors made of a row: hint, question, unit, choices."""
    asked = f"{question} (Unit: {unit})" if unit else question
    lines = [f"Hint: {_HINTS[hint]}", f"Question: {asked}"]
    if choices:
        lines.append("Choices:")
        lines += [f"({letter}) {text}" for letter, text in zip(LETTERS, choices, strict=False)]
    return "\n".join(lines)
