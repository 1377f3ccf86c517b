"""Where an answer comes from: what the model is told to look at while it learns.

For a token of a reply that is written on a picture it is the cell of its letter. A choice is made
in two steps: what the picture shows, and which option says the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from evalkit.canary.training.asked import has
from evalkit.canary.training.questions import Group, Patch, Question

__all__ = ["NONE", "Encode", "Guide", "Option", "guides", "options"]

Encode = Callable[[str], list[int]]
"""What makes token ids of a text."""

NONE = -100
"""What stands for a class that is not asked for."""


class Option(NamedTuple):
    """An option of a question, by the first of its tokens that no other option has there."""

    letter: str
    """Its letter."""
    place: int
    """The token's place in the question's text."""
    token: int
    """Its id."""


@dataclass(slots=True)
class Guide:
    """What is told about one token of a reply."""

    asked: dict[str, str] = field(default_factory=dict)
    """The traits of what is asked for."""
    cells: list[int] = field(default_factory=list)
    """The visual tokens that tell it, counted over the group."""
    words: list[int] = field(default_factory=list)
    """The tokens of the question's text that tell it."""
    sources: list[int] = field(default_factory=list)
    """Both, as places in the row that the question became a part of."""
    content: int = NONE
    """The token that says what is found there."""
    chosen: list[int] = field(default_factory=list)
    """The token of the question's text by which the right option is known."""


def options(text: str, encode: Encode) -> list[Option]:
    """Return the options that a question's text lists."""
    lines = list(re.finditer(r"(?m)^\(?([A-E])[.)]( .+)$", text))
    tokens = [encode(line[2]) for line in lines]
    found = []
    for line, own in zip(lines, tokens, strict=True):
        others = [each for each in tokens if each is not own]
        place = next(
            n for n, token in enumerate(own) if all(each[n : n + 1] != [token] for each in others)
        )
        start = len(encode(text[: line.start(2)]))
        found.append(Option(line[1], start + place, own[place]))
    return found


def guides(group: Group, question: Question, encode: Encode) -> list[Guide]:
    """Return what is told about each token of a question's reply, its end included."""
    reply = encode(question.answer + "<|im_end|>")
    listed = {option.letter: option for option in options(question.text, encode)}
    letter = question.answer.strip("()")
    if letter in listed:
        here = Guide(content=listed[letter].token, chosen=[listed[letter].place])
        if question.asked is None:
            here.words = _spoken(question.text, encode)
        else:
            here.asked = question.asked
            here.cells = _at(group, question.asked, question.asked.get("index", "0"))
        place = reply.index(encode(letter)[0])
        return [here if n == place else Guide() for n in range(len(reply))]
    return _written(group, question, reply)


def _spoken(text: str, encode: Encode) -> list[int]:
    """Return the token of the word of the day where a question asks for it and subtitles tell."""
    said = re.search(r"word of the day is (?=\w)", text)
    return [len(encode(text[: said.end()]))] if said and "speaker call" in text else []


def _written(group: Group, question: Question, reply: Sequence[int]) -> list[Guide]:
    told, asked = [Guide() for _ in reply], question.asked
    if asked is None:
        return told
    first = int(asked.get("index", "0"))
    # One token, or one for each letter; a formula is said with blanks that are not drawn.
    spelt = len(reply) in (2, len(question.answer) + 1) and " " not in question.answer
    for place, (guide, token) in enumerate(zip(told, reply, strict=True)):
        index = str(min(15, first + place))
        guide.asked = {**asked, "index": index} if spelt else asked
        if spelt and place < len(reply) - 1:
            guide.cells = _at(group, asked, index) or _at(group, asked, "0")
            guide.content = token if guide.cells else NONE
    return told


def _at(group: Group, asked: dict[str, str], index: str) -> list[int]:
    """Return the visual tokens that have what is asked for, at a place in their text."""
    cells: list[Patch] = [patch for picture in group.pictures for patch in picture]
    return [
        place
        for place, patch in enumerate(cells)
        if patch.traits.get("index") == index and has(patch.traits, asked)
    ]
