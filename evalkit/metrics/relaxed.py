"""Relaxed accuracy, for ChartQA: numbers within five percent, anything else the same text.

The authors published no code. What everybody runs is pix2struct's reading of their paper: a string
is a number if Python's ``float`` takes it, a trailing percent sign divides by 100, years are like
any other number, and a gold answer of 0 is compared as text. The variants differ in what they
strip, in whose value the five percent are of, and in whether a list in the gold cell is a list.

Paper: https://arxiv.org/abs/2203.10244, section 5.1. The best reference counts; no reference is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from evalkit.metrics.text import literal_list

__all__ = ["VARIANTS", "official", "pix2struct", "qwen_vl", "vlmevalkit", "vlmevalkit_2024"]

TOLERANCE = 0.05


def official(prediction: str, references: Sequence[str]) -> float:
    """Return 1 if the stripped prediction is within five percent of a gold answer, else 0.

    Source: lmms-eval 75571cfe, which applies pix2struct's rule to a stripped prediction.

    >>> official("95", ["100"]), official("3%", ["0.03"]), official(" yes", ["Yes"])
    (1.0, 1.0, 1.0)
    >>> official("1,000", ["1000"]), official("0.0", ["0"]), official("Yes.", ["Yes"])
    (0.0, 0.0, 0.0)
    """
    return pix2struct(prediction.strip(), references)


def pix2struct(prediction: str, references: Sequence[str]) -> float:
    """Return the score of the rule's own code, which strips nothing.

    Source: relaxed_correctness of google-research/pix2struct 945f27e.

    >>> pix2struct(" yes", ["Yes"]), pix2struct(" 7 ", ["7"])
    (0.0, 1.0)
    """
    return _any_matches(prediction, references, swapped=False)


def qwen_vl(prediction: str, references: Sequence[str]) -> float:
    """Return the score with the arguments swapped: within five percent of the *prediction*.

    Source: evaluate_relaxed_accuracy of QwenLM/Qwen-VL eval_mm.

    >>> qwen_vl("95.2", ["100"]), qwen_vl("105.2", ["100"])
    (0.0, 1.0)
    """
    return _any_matches(prediction.strip(), references, swapped=True)


def vlmevalkit_2024(prediction: str, references: Sequence[str]) -> float:
    """Return the score of VLMEvalKit 05bbba1e: arguments swapped, a list in the cell expanded.

    The arguments were in this order from 2024-01-29 to 2025-09-01.

    >>> vlmevalkit_2024("2014", ["[2014, 2015]"]), vlmevalkit_2024("95.2", ["100"])
    (1.0, 0.0)
    """
    return qwen_vl(prediction, _cell(references))


def vlmevalkit(prediction: str, references: Sequence[str]) -> float:
    """Return the score of VLMEvalKit e8e78f05: the official rule, a list in the cell expanded.

    >>> vlmevalkit("2014", ["[2014, 2015]"]), vlmevalkit("95.2", ["100"])
    (1.0, 1.0)
    """
    return official(prediction, _cell(references))


def _any_matches(answer: str, references: Sequence[str], *, swapped: bool) -> float:
    """Return 1 if the answer is any reference, or close enough a number, else 0.

    Args:
        answer: the prediction, stripped or not.
        references: the gold answers.
        swapped: whether the tolerance is a share of the prediction and not of the gold answer.
    """
    value, text = _number(answer), answer.lower()
    for reference in references:
        gold = _number(reference)
        other, base = (gold, value) if swapped else (value, gold)
        if other is None or not base:
            if text == reference.lower():
                return 1.0
        elif abs(other - base) / abs(base) <= TOLERANCE:
            return 1.0
    return 0.0


def _number(text: str) -> float | None:
    """Return the number a text is, or ``None``; ``nan`` and ``inf`` are numbers to ``float``."""
    try:
        return float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None


def _cell(references: Sequence[str]) -> Sequence[str]:
    """Return the references that VLMEvalKit reads out of its answer cell.

    The cell of one reference holds its bare text, which is evaluated: a list gives its elements.
    Several references are stored as a list and evaluated once, which gives them back. On an empty
    list the original raises; the text is kept instead, which gives the official value.
    """
    if len(references) != 1:
        return references
    return [str(element) for element in literal_list(references[0]) or references]


VARIANTS: Mapping[str, Callable[[str, Sequence[str]], float]] = {
    "official": official,
    "vlmevalkit_2024": vlmevalkit_2024,
    "vlmevalkit": vlmevalkit,
    "lmms_eval": official,
    "qwen_vl": qwen_vl,
    "pix2struct": pix2struct,
}
"""Scorer name -> function."""
