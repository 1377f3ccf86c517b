"""Pictures of one thing: a formula, a word, some shapes, a measured rectangle.

Made like those of ``evalkit.canary.pictures``.
"""

from __future__ import annotations

import random

from evalkit.canary import words
from evalkit.canary.canvas import NAMED, SHAPES, Canvas
from evalkit.canary.facts import Fact, Picture, apart, one_of
from evalkit.canary.pictures import levels

__all__ = ["STYLES", "formula", "rectangle", "shapes", "word"]

STYLES = ("regular", "irregular", "artistic", "handwriting", "digits", "nonsense")
"""The styles of ``word``, in the order of OCRBench's recognition types."""

_FORMS = {"irregular": "turned", "artistic": "outlined", "handwriting": "slanted"}

_LETTERS = "BCDFGHJKMNPRSTVWXZ"
"""Consonants, so that nothing reads as a word."""


def word(rng: random.Random, style: str) -> Picture:
    """Draw one word, or a row of digits or letters, in one of ``STYLES``."""
    text = rng.choice(words.WORDS)
    if style == "digits":
        text = str(rng.randint(10000, 99999))
    elif style == "nonsense":
        text = "".join(rng.choice(_LETTERS) for _ in range(5))
    ink, paper = rng.choice(("black", "red", "green", "blue", "purple")), "white"
    if style == "artistic":
        ink, paper = "white", rng.choice(("red", "green", "blue", "purple"))
    sheet = Canvas(20, 16, "paper" if style == "handwriting" else "white")
    at = (rng.randint(1, 18 - len(text)), rng.randint(1, 14))
    sheet.text(
        text, at, ink, paper if style == "artistic" else None, form=_FORMS.get(style, "plain")
    )
    return sheet.picture([Fact("What is written?", text, "read")])


def formula(rng: random.Random) -> Picture:
    """Draw a sum with an unknown; its LaTeX is spaced as HME100k's is."""
    letter, ink = rng.choice("xyn"), rng.choice(("black", "blue", "purple"))
    value, other = rng.randint(1, 8), rng.randint(1, 8)
    latex = f"{letter} + {other} = {value + other}"
    sheet = Canvas(36, 36)
    at = (rng.randint(2, 26), rng.randint(2, 33))
    sheet.text(latex.replace(" ", ""), at, ink, key="formula")
    solved = one_of(rng, f"What is the value of {letter}?", str(value), "arithmetic", "12345678")
    unknown = "Which letter stands for the unknown number?"
    return sheet.picture(
        [
            Fact("What is the formula?", latex, "latex"),
            solved,
            one_of(rng, unknown, letter, "read", "xyn"),
            one_of(rng, f"Which number is added to {letter}?", str(other), "addend", "12345678"),
        ]
    )


def shapes(rng: random.Random) -> Picture:
    """Draw two to four shapes, no two alike in kind or colour."""
    kinds = rng.sample(SHAPES, rng.randint(2, 4))
    colors = rng.sample(NAMED, len(kinds))
    sheet = Canvas()
    places = zip(levels(rng, len(kinds), 2, 33), kinds, colors, strict=True)
    for row, kind, color in places:
        sheet.put(kind, (rng.randint(2, 33), row), color, key=kind, traits={"hue": color})
    facts = []
    for kind, color in zip(kinds, colors, strict=True):
        facts += [
            one_of(rng, f"What color is the {kind}?", color, "color", NAMED),
            one_of(rng, f"Which shape is {color}?", kind, "position", SHAPES),
        ]
    how_many = one_of(rng, "How many shapes are there?", str(len(kinds)), "count", "12345")
    return sheet.picture([how_many, *facts])


def rectangle(rng: random.Random) -> Picture:
    """Draw a rectangle with the lengths of its sides beside it."""
    sheet, color = Canvas(), rng.choice(("green", "blue", "purple"))
    left, top = rng.randint(2, 8), rng.randint(2, 12)
    across, down = rng.randint(4, 8), rng.randint(3, 6)
    for row in range(down):
        for column in range(across):
            sheet.put("", (left + column, top + row), "black", color, key="rectangle")
    lengths = {"width": f"{rng.randint(1, 9)}.{rng.randint(1, 9)}"}
    lengths["height"] = f"{rng.randint(1, 9)}.{rng.randint(1, 9)}"
    start = top + down + 1
    for (side, length), row in zip(lengths.items(), levels(rng, 2, start, 33), strict=True):
        sheet.text(side.upper(), (left, row), "gray", key=f"{side} label")
        sheet.text(f"{length}CM", (left + 8, row), key=side)
    facts = []
    for side, length in lengths.items():
        wrong = apart(length, lambda: f"{rng.randint(1, 9)}.{rng.randint(1, 9)}")
        question = f"What is the {side} of the rectangle?"
        facts.append(Fact(question, length, "measure", wrong, unit="cm"))
    colors = ("green", "blue", "purple", "red")
    facts.append(one_of(rng, "What color is the rectangle?", color, "color", colors))
    return sheet.picture(facts)
