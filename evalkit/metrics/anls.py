"""Average normalised Levenshtein similarity, for DocVQA and InfographicVQA.

One question's score is 1 minus the least normalised edit distance to any reference answer, and 0
where more than half of the longer string had to be edited. The evaluators disagree on three things:
how white space is treated, which length normalises, and whether exactly half still counts.

Papers: https://arxiv.org/abs/1907.00490 (the metric), https://arxiv.org/abs/2007.00398 (DocVQA).
Every function returns 0 for a question without references.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rapidfuzz.distance import Levenshtein

__all__ = ["VARIANTS", "lmms_eval", "mmf", "official", "pix2struct"]

THRESHOLD = 0.5


def official(prediction: str, references: Sequence[str]) -> float:
    """Return the ANLS of the RRC server's script; a similarity of exactly one half counts.

    Strings are lower-cased and their white space collapsed before they are compared, but the
    distance is divided by the length of the longer *raw* string in upper case, so that outer
    blanks, inner runs of blanks and letters such as ``ß`` (``SS``) soften a mistake.

    Source: infographicsvqa_eval.py of the RRC, as shipped in QwenLM/Qwen-VL eval_mm; VLMEvalKit
    (process_line and hit_calculate, 05bbba1e and e8e78f05) computes the same.

    >>> official("ITC LTD", ["itc limited", "ITC Limited"])
    0.6363636363636364
    >>> official("ab", ["ad"]), official("abc", ["ade"])
    (0.5, 0.0)
    """
    words, length = _collapsed(prediction), len(prediction.upper())
    distances = (
        _distance(words, _collapsed(reference), max(length, len(reference.upper())))
        for reference in references
    )
    similarity = 1 - min(distances, default=1.0)
    return similarity if similarity >= THRESHOLD else 0.0


def lmms_eval(prediction: str, references: Sequence[str]) -> float:
    """Return the official ANLS of the stripped prediction, as lmms-eval 75571cfe does.

    >>> official(" New York ", ["New Yrok"]), lmms_eval(" New York ", ["New Yrok"])
    (0.8, 0.75)
    """
    return official(prediction.strip(), references)


def pix2struct(prediction: str, references: Sequence[str]) -> float:
    """Return the ANLS of the paper's equation; a similarity of exactly one half is 0.

    Letter case does not matter and white space does. Two empty strings are 1, as the official
    script has it, where the original divides by zero.

    Source: equation 1 of the paper, and google-research/pix2struct 945f27e metrics.py.

    >>> pix2struct("New  York", ["new york"]), pix2struct("ab", ["ad"])
    (0.8888888888888888, 0.0)
    """
    text = prediction.lower()
    similarity = 1 - min((_distance(text, each.lower()) for each in references), default=1.0)
    return similarity if similarity > THRESHOLD else 0.0


def mmf(prediction: str, references: Sequence[str]) -> float:
    """Return the ANLS of mmf; white space is stripped outside and counts inside.

    Two empty strings are 1, as the official script has it, where the original divides by zero.

    Source: STVQAANLSEvaluator of facebookresearch/mmf b0ffc7fb.

    >>> mmf("  New  York ", ["new york"]), mmf("ab", ["ad"])
    (0.8888888888888888, 0.5)
    """
    text = prediction.lower().strip()
    distances = (_distance(text, reference.lower().strip()) for reference in references)
    similarity = 1 - min(distances, default=1.0)
    return similarity if similarity >= THRESHOLD else 0.0


def _collapsed(text: str) -> str:
    return " ".join(text.lower().split())


def _distance(one: str, other: str, length: int | None = None) -> float:
    """Return edits per character of ``length``, or of the longer string where it is not given."""
    length = max(len(one), len(other)) if length is None else length
    return Levenshtein.distance(one, other) / length if length else 0.0


VARIANTS: Mapping[str, Callable[[str, Sequence[str]], float]] = {
    "official": official,
    "vlmevalkit_2024": official,
    "vlmevalkit": official,
    "lmms_eval": lmms_eval,
    "pix2struct": pix2struct,
    "paper": pix2struct,
    "mmf": mmf,
}
"""Scorer name -> function."""
