"""VQA accuracy, for TextVQA: how many of ten people gave the model's answer.

The answer is compared with every nine of the ten references: three or more equal ones are full
credit, fewer are a third each; the mean over the ten is the score. Before that, all strings are
normalised: punctuation, number words, articles, contractions. There the evaluators disagree.

Papers: https://arxiv.org/abs/1505.00468 (the metric), https://arxiv.org/abs/1904.08920 (TextVQA).
The originals ask for ten references; any number works here, and none gives 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from evalkit.metrics.contractions import CONTRACTIONS

__all__ = ["VARIANTS", "official", "qwen_vl", "vlmevalkit", "vlmevalkit_2024"]

PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'

NUMBERS = {
    "none": "0",
    "zero": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
}

ARTICLES = frozenset({"a", "an", "the"})

COMMA = re.compile(r"\d,\d")

PERIOD = re.compile(r"\.(?!\d)")
"""A full stop that no digit follows. The original's look-behind is misspelt and never fails."""

PERIOD_2025 = re.compile(r"(?<!\d)\.(?!\d)")
"""VLMEvalKit's since 928a95b0 (2025-05-13), where the look-behind works: ``10.`` keeps its stop."""

PERIODS_REMOVED = 32
"""The originals pass ``re.UNICODE``, which is 32, where ``sub`` expects the greatest count."""


def official(prediction: str, references: Sequence[str]) -> float:
    """Return the VQA accuracy of mmf, the code of TextVQA's authors.

    Source: TextVQAAccuracyEvaluator of facebookresearch/mmf b0ffc7fb; lmms-eval 75571cfe carries a
    port that computes the same.

    >>> references = ["dakota"] * 3 + ["nikon"] * 7
    >>> official("The Dakota.", references), official("nikon", references), official("", references)
    (0.9, 1.0, 0.0)
    """
    return _accuracy(_mmf(prediction), [_mmf_reference(each) for each in references])


def vlmevalkit_2024(prediction: str, references: Sequence[str]) -> float:
    """Return the VQA accuracy of VLMEvalKit 05bbba1e.

    Commas, question marks and possessives get no treatment of their own before punctuation does.

    >>> vlmevalkit_2024("10.", ["10"] * 10), vlmevalkit_2024("who?me", ["whome"] * 10)
    (1.0, 0.0)
    """
    gold = [_vlmevalkit_reference(each, PERIOD) for each in references]
    return _accuracy(_vlmevalkit(prediction, PERIOD), gold)


def vlmevalkit(prediction: str, references: Sequence[str]) -> float:
    """Return the VQA accuracy of VLMEvalKit e8e78f05, which keeps a full stop after a digit.

    >>> vlmevalkit("10.", ["10"] * 10)
    0.0
    """
    gold = [_vlmevalkit_reference(each, PERIOD_2025) for each in references]
    return _accuracy(_vlmevalkit(prediction, PERIOD_2025), gold)


def qwen_vl(prediction: str, references: Sequence[str]) -> float:
    """Return the VQA accuracy of Qwen-VL's evaluation, the code of VQA v2.

    References lose their punctuation, and only where they are not all the same string; they keep
    capitals, articles and number words, which no prediction can then match.

    Source: VQAEval of QwenLM/Qwen-VL eval_mm.

    >>> qwen_vl("Dakota", ["dakota"] * 10), qwen_vl("Dakota", ["Dakota"] * 10)
    (1.0, 0.0)
    """
    differ = len(set(references)) > 1
    gold = [_without_punctuation(each, PERIOD) for each in references] if differ else references
    return _accuracy(_vlmevalkit(prediction, PERIOD), gold)


def _accuracy(answer: str, references: Sequence[str]) -> float:
    """Return the mean of ``min(1, equal references / 3)`` with each reference left out in turn."""
    total, equal = len(references), references.count(answer)
    if not equal:
        return 0.0
    left_out = equal * min(1.0, (equal - 1) / 3) + (total - equal) * min(1.0, equal / 3)
    return left_out / total


def _mmf(text: str) -> str:
    """Return the text normalised as VLMEvalKit does, after possessives, commas and ``?`` went."""
    text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's")
    return _vlmevalkit(text, PERIOD)


def _vlmevalkit(text: str, period: re.Pattern[str]) -> str:
    text = text.replace("\n", " ").replace("\t", " ").strip()
    return _words(_without_punctuation(text, period))


def _without_punctuation(text: str, period: re.Pattern[str]) -> str:
    """Return the text without punctuation marks and with fewer full stops.

    A mark that touches a blank anywhere is deleted everywhere, as are all marks if a comma stands
    between two digits; other marks become blanks. What is decided on is the text as given, so the
    marks do not depend on each other and are replaced in one pass.
    """
    digits = COMMA.search(text) is not None
    table = {
        ord(mark): "" if digits or mark + " " in text or " " + mark in text else " "
        for mark in PUNCTUATION
        if mark in text
    }
    return period.sub("", text.translate(table) if table else text, count=PERIODS_REMOVED)


def _words(text: str) -> str:
    """Return the words in lower case: numbers as digits, no articles, contractions mended."""
    numbered = (NUMBERS.get(word, word) for word in text.lower().split())
    return " ".join(CONTRACTIONS.get(word, word) for word in numbered if word not in ARTICLES)


# Ten people often say the same, and every further scorer or model meets the same references.
_mmf_reference = lru_cache(maxsize=2**15)(_mmf)
_vlmevalkit_reference = lru_cache(maxsize=2**15)(_vlmevalkit)

VARIANTS: Mapping[str, Callable[[str, Sequence[str]], float]] = {
    "official": official,
    "mmf": official,
    "vlmevalkit_2024": vlmevalkit_2024,
    "vlmevalkit": vlmevalkit,
    "lmms_eval": official,
    "qwen_vl": qwen_vl,
}
"""Scorer name -> function."""
