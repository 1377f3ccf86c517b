"""Pictures of places: a house front with signs, a road.

Made like those of ``evalkit.canary.pictures``.
"""

from __future__ import annotations

import random

from evalkit.canary import words
from evalkit.canary.canvas import NAMED, Canvas
from evalkit.canary.facts import Fact, Picture, number, one_of, yes_no

__all__ = ["road", "sign"]


_CARDS = ("OPEN", "CLOSED")


def sign(rng: random.Random) -> Picture:
    """Draw a house front with a shop's sign, a house number, a card on the door and a street."""
    shop, street = rng.choice(words.SHOPS), rng.choice(words.STREETS)
    color, house, card = rng.choice(NAMED), rng.randint(11, 99), rng.choice(_CARDS)
    sheet = Canvas(392, 280, "sky")
    sheet.box((24, 24, 368, 246), "brick")
    sheet.box((0, 246, 392, 280), "gray")
    sheet.box((44, 38, 348, 102), color, outline="white", radius=8)
    light = "black" if color == "yellow" else "white"
    sheet.text(shop.upper(), (196, 71), 36, light, anchor="mm", bold=True, width=276)
    sheet.box((56, 128, 148, 178), "white", outline="black", radius=4)
    sheet.text(str(house), (102, 153), 32, anchor="mm", bold=True)
    sheet.box((196, 120, 328, 246), "gray")
    sheet.box((210, 140, 314, 178), "white", radius=4)
    sheet.text(card, (262, 159), 22, anchor="mm", bold=True, width=90)
    sheet.box((40, 200, 182, 234), "blue", outline="white", radius=4)
    sheet.text(street, (111, 217), 19, "white", anchor="mm", width=126)
    shops = [name.upper() for name in words.SHOPS]
    question = "What does the card on the door say?"
    return sheet.picture(
        [
            one_of(rng, "What is the name of the shop?", shop.upper(), "read", shops),
            number(rng, "What is the house number?", house, "read"),
            one_of(rng, "What is the name of the street?", street, "read", words.STREETS),
            one_of(rng, question, card, "position", _CARDS),
        ]
    )


_LAMPS = ("red", "yellow", "green")
_WAYS = {
    "Left": ((270, 62), (298, 34), (298, 52), (330, 52), (330, 72), (298, 72), (298, 90)),
    "Right": ((330, 62), (302, 34), (302, 52), (270, 52), (270, 72), (302, 72), (302, 90)),
    "Straight ahead": (
        (300, 32), (328, 60), (310, 60), (310, 92), (290, 92), (290, 60), (272, 60)
    ),
}  # fmt: skip
"""The arrow's outline for each way it can point."""


def road(rng: random.Random) -> Picture:
    """Draw a road with one to four cars, a traffic light, a speed limit and an arrow."""
    lit, limit, way = rng.choice(_LAMPS), 10 * rng.randint(2, 9), rng.choice(list(_WAYS))
    cars = [rng.choice(NAMED) for _ in range(rng.randint(1, 4))]
    sheet = Canvas(420, 280, "sky")
    sheet.box((0, 132, 420, 170), "grass")
    sheet.box((0, 170, 420, 280), "gray")
    for left in range(10, 420, 84):
        sheet.box((left, 258, left + 44, 264), "white")
    for post in (60, 170, 300):
        sheet.box((post - 4, 90, post + 4, 150), "black")
    sheet.box((38, 12, 82, 124), "black", radius=10)
    for row, lamp in enumerate(_LAMPS):
        sheet.disc((60, 34 + 34 * row), 14, lamp if lamp == lit else "gray")
    sheet.disc((170, 60), 46, "red")
    sheet.disc((170, 60), 36, "white")
    sheet.text(str(limit), (170, 60), 38, anchor="mm", bold=True)
    sheet.box((254, 22, 346, 102), "blue", outline="white", radius=6)
    sheet.polygon(_WAYS[way], "white")
    for place, color in enumerate(cars):
        _car(sheet, 16 + 100 * place, color)
    return sheet.picture(_road_facts(rng, lit, limit, way, cars))


def _car(sheet: Canvas, left: float, color: str) -> None:
    sheet.polygon(
        [(left + 16, 210), (left + 28, 188), (left + 58, 188), (left + 70, 210)], "silver"
    )
    sheet.box((left, 206, left + 84, 234), color, outline="black", radius=8)
    for wheel in (20, 64):
        sheet.disc((left + wheel, 236), 11, "black")
        sheet.disc((left + wheel, 236), 5, "silver")


def _road_facts(rng: random.Random, lit: str, limit: int, way: str, cars: list[str]) -> list[Fact]:
    asked = rng.choice(_LAMPS)
    lamps, paints = [name.capitalize() for name in _LAMPS], [name.capitalize() for name in NAMED]
    limits, counts = [str(10 * n) for n in range(2, 10)], [str(n) for n in range(1, 6)]
    arrow = "Which way does the arrow on the blue sign point?"
    left = "What color is the car on the far left?"
    return [
        one_of(rng, "What color is the traffic light?", lit.capitalize(), "color", lamps),
        one_of(rng, "What is the speed limit?", str(limit), "read", limits),
        one_of(rng, arrow, way, "direction", list(_WAYS)),
        one_of(rng, "How many cars are on the road?", str(len(cars)), "count", counts),
        one_of(rng, left, cars[0].capitalize(), "position", paints),
        yes_no(f"Is the traffic light {asked}?", asked == lit),
    ]
