"""lmms-eval's shared reader of multiple-choice answers.

It collects every place where a letter stands in one of nine forms and takes the most trusted form,
and within it the last place. RealWorldQA and Video-MME use it.
"""

from __future__ import annotations

__all__ = ["extract_letter"]

_START, _END, _PHRASE, _BRACKETS, _DOT, _COLON, _BRACKET, _SPACE, _ANYWHERE = range(9, 0, -1)
_SUFFIXES = ((".", _DOT), (":", _COLON), (")", _BRACKET), (" ", _SPACE))
_NAMED = (
    "answer is",
    "correct answer is",
    "best answer is",
    "correct option is",
    "best option is",
    "choice is",
    "correct choice is",
)
# A longer phrase may first occur later than the shorter one in it, so that both are needed.
_PHRASES = (
    *_NAMED,
    *(f"the {named}" for named in _NAMED),
    *("i choose", "i select", "i pick", "my answer is", "my choice is"),
    *("옵션", "정답은", "답은", "답:", "答案是", "答案为", "选", "答えは"),
)


def extract_letter(reply: str, letters: str = "ABCD") -> str | None:
    """Return the letter that lmms-eval reads out of a reply, or ``None``.

    From the most to the least trusted: a letter that opens the reply, one that closes it, one after
    a phrase such as ``answer is`` (its first occurrence, within words too), ``(X)``, ``X.``,
    ``X:``, ``X)``, ``X`` before a blank, and, only if all these are missing, the letter anywhere.
    Case matters, so ``Downhill`` is D, and after ``The correct answer is (C) Berries`` comes B.

    Source: lmms_eval/tasks/_task_utils/mcq_extract.py at 75571cfe (added by 9ca4445d, 2026-04-11).

    Args:
        reply: the model's reply, with any reasoning already cut.
        letters: the letters that may be answered.

    >>> extract_letter("The answer is C.")
    'C'
    >>> extract_letter("A is tempting, but I take (B)")
    'A'
    """
    text = reply.strip()
    if not text:
        return None
    for mark in ",.!?;:'\"":
        text = text.strip(mark)
    text = f" {text} "
    places = [*_edges(text, letters), *_after_phrases(text, letters), *_marked(text, letters)]
    if not places:
        places = [(_ANYWHERE, text.rfind(letter), letter) for letter in letters if letter in text]
    return max(places, key=lambda place: place[:2])[2] if places else None


def _edges(text: str, letters: str) -> list[tuple[int, int, str]]:
    """Return the letters that open or close the text and are not part of a word."""
    bare = text.strip()
    if not bare:
        return []
    places = []
    if bare[0] in letters and not bare[1:2].isalpha():
        places.append((_START, 0, bare[0]))
    if bare[-1] in letters and not bare[-2:-1].isalpha():
        places.append((_END, len(text) - 1, bare[-1]))
    return places


def _after_phrases(text: str, letters: str) -> list[tuple[int, int, str]]:
    """Return each letter's first place after each phrase's first place."""
    lowered, places = text.lower(), []
    for phrase in _PHRASES:
        start = lowered.find(phrase)
        if start >= 0:
            # As there, a place in the lower-cased text is used on the text itself: they part only
            # behind a letter that lowers to two, such as the Turkish capital I with a dot.
            found = ((text.find(letter, start + len(phrase)), letter) for letter in letters)
            places += [(_PHRASE, place, letter) for place, letter in found if place >= 0]
    return places


def _marked(text: str, letters: str) -> list[tuple[int, int, str]]:
    """Return the last place of each letter in brackets or before a mark or a blank."""
    places = [(_BRACKETS, text.rfind(f"({letter})"), letter) for letter in letters]
    for suffix, trust in _SUFFIXES:
        places += [(trust, text.rfind(letter + suffix), letter) for letter in letters]
    return [place for place in places if place[1] >= 0]
