"""What the sets share: media columns and the options of a multiple-choice question."""

from __future__ import annotations

import random
from typing import Any

from evalkit.canary.facts import Fact, Picture

__all__ = ["FIRST", "FIRST_LONG", "LETTERS", "image", "lettered"]

FIRST = 901
"""The first number of ids that published rows count by picture or subject."""

FIRST_LONG = 900001
"""The first number of ids that published rows count through."""

LETTERS = "ABCDEFGHI"


def image(picture: Picture, name: str) -> dict[str, Any]:
    """Return a picture as a Hub dataset's image column holds it undecoded."""
    return {"bytes": picture.png, "path": f"{name}.png"}


def lettered(rng: random.Random, fact: Fact, most: int = 4) -> tuple[list[str], str]:
    """Return a fact's options, shuffled, and the letter of the answer.

    Args:
        rng: what shuffles them.
        fact: its answer and at most ``most - 1`` of its wrong answers are the options.
        most: how many options there may be.
    """
    options = [fact.answer, *fact.wrong[: most - 1]]
    rng.shuffle(options)
    return options, LETTERS[options.index(fact.answer)]
