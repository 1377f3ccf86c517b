"""OCRBench: whether a reference answer stands somewhere in the reply.

Items of HME100k are formulas: they are compared without blanks and with their letter case. All
others are compared in lower case, with their inner blanks and punctuation. One point an item.

Paper: https://arxiv.org/abs/2305.07895. A longer reply can only win: ``15743`` contains ``5743``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

__all__ = ["VARIANTS", "lmms_eval", "official"]

HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
"""Full-width ASCII and the ideographic blank -> ASCII, as code points."""


def official(prediction: str, references: Sequence[str], *, formula: bool) -> float:
    """Return 1 if any reference is contained in the prediction, else 0.

    Source: OCRBench/example.py of Yuliang-Liu/MultimodalOCR 794c36d; VLMEvalKit (OCRBench.evaluate,
    05bbba1e and e8e78f05) computes the same.

    Args:
        prediction: the reply.
        references: the answers, any of which suffices.
        formula: whether the item is one of HME100k's.

    >>> official("It reads Centre.", ["CENTRE"], formula=False)
    1.0
    >>> official("y_2=-1", ["y _ 2 = - 1"], formula=True), official("v", ["V"], formula=True)
    (1.0, 0.0)
    """
    read = _without_blanks if formula else _lower
    text = read(prediction)
    return float(any(read(reference) in text for reference in references))


def lmms_eval(prediction: str, references: Sequence[str], *, formula: bool) -> float:
    """Return the official score after full-width ASCII was folded, except in formulas.

    Source: lmms-eval 75571cfe. Before 2026-07-30 it folded nothing, and before 2026-04-10 it
    lower-cased predicted formulas and so lost every one whose gold has a capital letter.

    >>> lmms_eval("５７", ["57"], formula=False), official("５７", ["57"], formula=False)
    (1.0, 0.0)
    """
    if formula:
        return official(prediction, references, formula=True)
    folded = [reference.translate(HALF_WIDTH) for reference in references]
    return official(prediction.translate(HALF_WIDTH), folded, formula=False)


def _lower(text: str) -> str:
    return text.lower().strip().replace("\n", " ")


def _without_blanks(text: str) -> str:
    """Return the text without outer white space, inner blanks and newlines; inner tabs stay."""
    return text.strip().replace("\n", "").replace(" ", "")


VARIANTS: Mapping[str, Callable[..., float]] = {
    "official": official,
    "vlmevalkit_2024": official,
    "vlmevalkit": official,
    "lmms_eval": lmms_eval,
}
"""Scorer name -> function of a prediction, its references, and ``formula``."""
