"""What a question asks for, in terms of what is known of every drawn cell.

A cell has traits (``Patch.traits``), and a question names some of them: what is asked for are the
cells that have them all. The drawn set asks few kinds of questions, and each has its line here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["RULES", "asked_of", "has"]

RULES: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("kind of document", {"key": "document"}),
    (r"value for '(\w+)'", {"key": "{}"}),
    (r"the value of the (\w+) bar", {"hue": "{}", "role": "value"}),
    (r"does the (\w+) bar show", {"hue": "{}", "role": "label"}),
    ("has the (highest|lowest) value", {"rank": "{}", "role": "label"}),
    (r"the value of (\w+)\?", {"key": "{}"}),
    ("How many people", {"key": "people"}),
    ("In which year", {"key": "year"}),
    (r"people chose (\w+)", {"key": "{}"}),
    (r"percentage has the (\w+) mark", {"hue": "{}", "role": "value"}),
    (r"has the (\w+) mark", {"hue": "{}", "role": "label"}),
    (r"What word is on the (\w+) sign", {"key": "{} word"}),
    (r"What number is on the (\w+) sign", {"key": "{} number"}),
    ("What color is the (circle|square|triangle|cross|rectangle)", {"key": "{}"}),
    (r"Which shape is (\w+)", {"hue": "{}"}),
    (r"picture shows a (\w+) shape", {"hue": "{}"}),
    (r"picture shows a (\w+)", {"key": "{}"}),
    ("What is the (width|height) of", {"key": "{}"}),
    ("letter stands for", {"key": "formula", "index": "0"}),
    ("number is added to", {"key": "formula", "index": "2"}),
    ("the expression of the formula", {"key": "formula"}),
    ("the traffic light", {"key": "light"}),
    ("the speed limit", {"key": "limit"}),
    ("does the arrow", {"key": "arrow"}),
    ("the car on the (left|right)", {"key": "{}"}),
    ("What direction", {"key": "moving"}),
    ("object that is moving", {"key": "moving"}),
    ("object that is stationary", {"key": "still"}),
    (r"any (\w+) objects when the video ends", {"hue": "{}", "time": "3"}),
    ("letter is shown first", {"key": "letter", "time": "0"}),
    ("letter is shown in the second place", {"key": "letter", "time": "1"}),
    ("letter is shown last", {"key": "letter", "time": "3"}),
    (r"right after the letter (\w)", {"key": "letter", "before": "{}"}),
    ("has the flag at first", {"key": "flag", "time": "0"}),
    (r"has the flag right after (\w+)", {"key": "flag", "before": "{}"}),
    ("is the lamp on", {"key": "lamp"}),
    ("what is (written|the number) in the image", {}),
    (r"What is the (\w+)\?", {"key": "{}"}),
)  # fmt: skip
"""What a question asks for by what is found in it; the first that is found holds."""


def asked_of(question: str) -> dict[str, str] | None:
    """Return the traits of the cells that a question asks for; ``None`` for another question."""
    for pattern, traits in RULES:
        found = re.search(pattern, question)
        if found:
            word = (found.groups() or ("",))[0]
            named = {name: value.format(word) for name, value in traits.items()}
            picture = re.search(r"In <image (\d)>", question)
            return {**named, "picture": picture[1]} if picture else named
    return None


def has(traits: Mapping[str, str], asked: Mapping[str, str]) -> bool:
    """Return whether a cell has all that is asked for, its place in its text aside."""
    return all(traits.get(name) == value for name, value in asked.items() if name != "index")
