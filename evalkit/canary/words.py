"""The words of the drawn set: few, short, and on one picture no two that begin alike."""

from __future__ import annotations

import random
from collections.abc import Sequence

__all__ = ["FIELDS", "GROUPS", "TITLES", "TOPICS", "WORDS", "draw"]

WORDS = (
    "ANCHOR", "APPLE", "BRIDGE", "BREAD", "CASTLE", "CLOUD", "DINNER", "DREAM", "EAGLE", "EMBER",
    "FLOWER", "FROST", "GARDEN", "GLASS", "HARBOR", "HONEY", "ISLAND", "IRON", "JACKET", "JUNGLE",
    "KETTLE", "KNIGHT", "LADDER", "LEMON", "MARKET", "MUSIC", "NEEDLE", "NIGHT", "ORANGE", "OLIVE",
    "PLANET", "PEPPER", "QUEEN", "QUILT", "ROCKET", "RIVER", "SILVER", "STONE", "TICKET", "TIGER",
    "UNCLE", "URBAN", "VELVET", "VIOLIN", "WINDOW", "WINTER", "YELLOW", "YOUTH", "ZEBRA", "ZIPPER",
)  # fmt: skip
"""Words to be read, two for a letter."""

FIELDS = {
    "TOTAL": "amount", "DATE": "year", "NAME": "word", "CITY": "word", "ITEM": "word",
    "ROOM": "number", "FEE": "amount", "UNIT": "code", "LOT": "code", "GATE": "number",
    "AGENT": "word", "PHONE": "long",
}  # fmt: skip
"""What a form has lines for, and what kind of value each has."""

TITLES = ("INVOICE", "RECEIPT", "ORDER", "PERMIT", "BILL", "LETTER")
"""Kinds of documents."""

GROUPS = {
    "fruit": ("APPLE", "PEAR", "FIG", "LIME", "GRAPE", "KIWI", "MANGO"),
    "city": ("OSLO", "LIMA", "ROME", "CAIRO", "PARIS", "DELHI", "TOKYO"),
    "month": ("JAN", "FEB", "MAR", "APR", "SEP", "OCT", "DEC"),
    "day": ("MON", "TUE", "WED", "FRI", "SUN"),
}
"""What charts compare, by the word for one of them."""

TOPICS = {
    "ride": ("BUS", "TRAIN", "CAR", "FERRY", "WALK"),
    "drink": ("TEA", "COFFEE", "WATER", "JUICE", "MILK"),
    "pet": ("DOG", "CAT", "BIRD", "FISH", "RABBIT"),
    "game": ("CHESS", "TENNIS", "GOLF", "RUGBY", "POKER"),
}
"""What posters are about: the word for one entry, and the entries."""


def draw(rng: random.Random, known: Sequence[str], count: int) -> list[str]:
    """Return so many words, in any order, of which no two begin alike."""
    found: dict[str, str] = {}
    for word in rng.sample(known, len(known)):
        found.setdefault(word[0], word)
    return list(found.values())[:count]
