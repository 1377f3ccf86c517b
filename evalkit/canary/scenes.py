"""Pictures of places: a street with signs, a road.

Made like those of ``evalkit.canary.pictures``.
"""

from __future__ import annotations

import random

from evalkit.canary import words
from evalkit.canary.canvas import NAMED, Canvas
from evalkit.canary.facts import Fact, Picture, number, one_of, yes_no
from evalkit.canary.pictures import levels

__all__ = ["road", "sign"]


def sign(rng: random.Random, *, half: bool = False) -> Picture:
    """Draw a street with three signs in colours, each with a word and a number.

    Args:
        rng: what it is drawn from.
        half: whether the file has half the size, for protocols that enlarge it.
    """
    sheet = Canvas(36, 36, rng.choice(("sky", "brick")), half=half)
    colors, texts = rng.sample(NAMED, 3), words.draw(rng, words.WORDS, 3)
    facts = []
    for color, text, row in zip(colors, texts, levels(rng, 3, 2, 32), strict=True):
        house = rng.randint(10, 99)
        ink = "black" if color == "yellow" else "white"
        left = rng.randint(1, 20)
        end = sheet.text(text, (left, row), ink, color, key=f"{color} word")
        sheet.put("", (end, row), ink, color)
        sheet.text(str(house), (end + 1, row), ink, color, key=f"{color} number")
        facts += [
            one_of(rng, f"What word is on the {color} sign?", text, "read", texts),
            number(rng, f"What number is on the {color} sign?", house, "read"),
        ]
    return sheet.picture(facts)


_LAMPS = ("red", "yellow", "green")
_WAYS = {"Left": "left", "Right": "right", "Straight ahead": "ahead"}
"""The sign for each way that an arrow can point."""


def road(rng: random.Random) -> Picture:
    """Draw a road with two cars, a traffic light, a speed limit and an arrow."""
    lit, limit, way = rng.choice(_LAMPS), 10 * rng.randint(2, 9), rng.choice(list(_WAYS))
    cars = rng.sample(NAMED, 2)
    sheet, rows = Canvas(36, 36, "sky", half=True), levels(rng, 4, 2, 33)
    rows = rng.sample(rows[:3], 3) + rows[3:]
    sheet.put("disc", (rng.randint(1, 34), rows[0]), lit, "black", key="light")
    sheet.text(str(limit), (rng.randint(1, 30), rows[1]), "red", "white", key="limit")
    sheet.put(_WAYS[way], (rng.randint(1, 34), rows[2]), "white", "blue", key="arrow")
    left = rng.randint(1, 16)
    for color, place, key in zip(cars, (left, left + rng.randint(3, 16)), ("left", "right"),
                                 strict=True):  # fmt: skip
        sheet.put("car", (place, rows[3]), color, "gray", key=key)
    return sheet.picture(_road_facts(rng, lit, limit, way, cars))


def _road_facts(rng: random.Random, lit: str, limit: int, way: str, cars: list[str]) -> list[Fact]:
    asked = rng.choice(_LAMPS)
    lamps, paints = [name.capitalize() for name in _LAMPS], [name.capitalize() for name in NAMED]
    limits = [str(10 * n) for n in range(2, 10)]
    arrow = "Which way does the arrow on the blue sign point?"
    return [
        one_of(rng, "What color is the traffic light?", lit.capitalize(), "color", lamps),
        one_of(rng, "What is the speed limit?", str(limit), "read", limits),
        one_of(rng, arrow, way, "direction", list(_WAYS)),
        one_of(rng, "What color is the car on the left?", cars[0].capitalize(), "position", paints),
        one_of(
            rng, "What color is the car on the right?", cars[1].capitalize(), "position", paints
        ),
        yes_no(f"Is the traffic light {asked}?", asked == lit),
    ]
