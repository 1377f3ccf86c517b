"""Pictures of one thing: a formula, a word, shapes in a grid, a measured rectangle.

Made like those of ``evalkit.canary.pictures``.
"""

from __future__ import annotations

import random

from evalkit.canary import words
from evalkit.canary.canvas import NAMED, Canvas
from evalkit.canary.facts import Fact, Picture, near, number, one_of, others

__all__ = ["STYLES", "formula", "rectangle", "shape", "shapes", "word"]

STYLES = ("regular", "irregular", "artistic", "handwriting", "digits", "nonsense")
"""The styles of ``word``, in the order of OCRBench's recognition types."""

_LETTERS = "BCDFGHJKMNPRSTVWXZ"
"""Consonants, so that nothing reads as a word, and none that looks like a digit or another."""


def word(rng: random.Random, style: str) -> Picture:
    """Draw one word, or a row of digits or letters, in one of ``STYLES``."""
    text = rng.choice(words.WORDS)
    if style == "digits":
        text = str(rng.randint(10000, 99999))
    elif style == "nonsense":
        text = "".join(rng.sample(_LETTERS, 5))
    elif style == "handwriting":
        text = text.lower()
    sheet = Canvas(280, 112, "paper" if style == "handwriting" else "white")
    color, size = rng.choice(("red", "green", "blue", "purple")), rng.randint(42, 48)
    if style == "irregular":
        sheet.slanted(text, size - 6, color, angle=rng.choice((-14, -11, 11, 14)))
    elif style == "artistic":
        sheet.box((0, 0, 280, 112), "yellow")
        sheet.slanted(text, size, color, shear=0.15, outline="white")
    elif style == "handwriting":
        for height in (32, 76):
            sheet.line([(0, height), (280, height)], "silver")
        sheet.slanted(text, size, color, angle=3, shear=0.45)
    else:
        sheet.text(text, (140, rng.randint(48, 64)), size, color, anchor="mm")
    return sheet.picture([Fact("What is written?", text, "read")])


def formula(rng: random.Random) -> Picture:
    """Draw an equation in large print; its LaTeX is spaced as HME100k's is."""
    letter, ink = rng.choice("xyn"), rng.choice(("black", "blue", "purple"))
    value, other = rng.randint(2, 9), rng.randint(2, 9)
    form = rng.choice(("sum", "product", "square", "fraction"))
    sheet = Canvas(336, 112)
    if form == "sum":
        latex = f"{letter} + {other} = {value + other}"
        sheet.text(latex, (168, 56), 52, ink, anchor="mm")
    elif form == "product":
        less = rng.randint(1, 3)
        latex = f"{other} {letter} - {less} = {other * value - less}"
        sheet.text(latex.replace(" ", "", 1), (168, 56), 52, ink, anchor="mm")
    elif form == "square":
        latex = f"{letter} ^ {{ 2 }} + {other} = {value**2 + other}"
        right = sheet.text(letter, (44, 74), 52, ink)
        right = sheet.text("2", (right + 3, 48), 28, ink)
        sheet.text(f"+ {other} = {value**2 + other}", (right + 14, 74), 52, ink)
    else:
        latex = f"\\frac {{ {letter} }} {{ {other} }} = {value}"
        sheet.text(letter, (110, 40), 46, ink, anchor="ms")
        sheet.line([(84, 56), (136, 56)], ink, 3)
        sheet.text(str(other), (110, 100), 46, ink, anchor="ms")
        sheet.text(f"= {value}", (156, 74), 52, ink)
        value *= other
    what = "the positive value" if form == "square" else "the value"
    unknown = "Which letter stands for the unknown number?"
    return sheet.picture(
        [
            Fact("What is the formula?", latex, "latex"),
            number(rng, f"What is {what} of {letter}?", value, "arithmetic"),
            one_of(rng, unknown, letter, "read", "xynz"),
        ]
    )


_KINDS = ("circle", "square", "triangle")


def shape(sheet: Canvas, kind: str, center: tuple[float, float], size: float, color: str) -> None:
    """Draw a circle, square or triangle that is ``2 * size`` wide."""
    x, y = center
    if kind == "circle":
        sheet.disc(center, size, color)
    elif kind == "square":
        sheet.box((x - 0.9 * size, y - 0.9 * size, x + 0.9 * size, y + 0.9 * size), color)
    else:
        sheet.polygon(
            [(x, y - size), (x + size, y + 0.8 * size), (x - size, y + 0.8 * size)], color
        )


def shapes(rng: random.Random) -> Picture:
    """Draw five to nine shapes in a grid of four by three, two opposite corners always filled."""
    cells = [(column, row) for row in range(3) for column in range(4)]
    filled = [cells[0], cells[-1], *rng.sample(cells[1:-1], rng.randint(3, 7))]
    drawn = [(rng.choice(_KINDS), rng.choice(NAMED)) for _ in filled]
    sheet = Canvas(364, 280)
    for (column, row), (kind, color) in zip(filled, drawn, strict=True):
        shape(sheet, kind, (50 + 88 * column, 52 + 88 * row), 32, color)
    return sheet.picture(_shape_facts(rng, drawn))


def _shape_facts(rng: random.Random, drawn: list[tuple[str, str]]) -> list[Fact]:
    kinds, colors = [kind for kind, _ in drawn], [color for _, color in drawn]
    kind, color = rng.choice(kinds), rng.choice(colors)

    def count(what: str, value: int) -> Fact:
        return number(rng, f"How many {what} are there?", value, "count")

    def corner(what: str, where: str, answer: str, known: tuple[str, ...]) -> Fact:
        return one_of(rng, f"{what} in the {where} corner?", answer, "position", known)

    return [
        count("shapes", len(drawn)),
        count(f"{kind}s", kinds.count(kind)),
        count(f"{color} shapes", colors.count(color)),
        corner("Which shape is", "top left", kinds[0], _KINDS),
        corner("What color is the shape", "top left", colors[0], NAMED),
        corner("Which shape is", "bottom right", kinds[1], _KINDS),
        corner("What color is the shape", "bottom right", colors[1], NAMED),
    ]


def rectangle(rng: random.Random) -> Picture:
    """Draw a rectangle with the lengths of its sides beside it."""
    height = rng.choice((2, 4, 5))
    # One decimal that is not 0: a scorer that reads floats gives 2.0 for 2.
    width = rng.choice([w for w in range(height + 1, 13) if w * 10 % height == 0 and w % height])
    sheet = Canvas(336, 252)
    scale = min(200 / width, 150 / height)
    left, top = 130 - scale * width / 2, 110 - scale * height / 2
    right, bottom = left + scale * width, top + scale * height
    sheet.box((left, top, right, bottom), rng.choice(("green", "blue", "purple")), outline="black")
    sheet.text(f"{width} cm", ((left + right) / 2, bottom + 32), 26, anchor="ms")
    sheet.text(f"{height} cm", (right + 14, (top + bottom) / 2), 26, anchor="lm")

    def fact(question: str, value: int, unit: str) -> Fact:
        return Fact(question, str(value), "arithmetic", unit=unit, wrong=near(rng, value))

    ratio = str(width / height)
    return sheet.picture(
        [
            fact("What is the area of the rectangle?", width * height, "square cm"),
            fact("What is the perimeter of the rectangle?", 2 * (width + height), "cm"),
            Fact(
                "How many times as long as the short side is the long side?",
                ratio,
                "ratio",
                others(ratio, lambda: f"{rng.randint(1, 6)}.{rng.randint(1, 9)}"),
            ),
            fact("How long is the long side?", width, "cm"),
        ]
    )
