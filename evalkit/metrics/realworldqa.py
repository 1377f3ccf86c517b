"""RealWorldQA, in the multiple-choice form that harnesses share and in the form on the Hub.

There is no official evaluator. The published numbers of Qwen2-VL were measured on VLMEvalKit's
table, where every question is a choice between two to four options; the Hub's questions ask for a
letter, a word or a number, so that the two are different tasks and their scores do not compare.

Source of the data: https://huggingface.co/datasets/xai-org/RealworldQA
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from evalkit.metrics import choice
from evalkit.metrics.letters import extract_letter
from evalkit.types import Score

__all__ = ["HUB_VARIANTS", "VARIANTS", "lmms_eval", "lmms_eval_hub"]


def lmms_eval(prediction: str, *, answer: str, options: Sequence[str]) -> Score:
    """Score a choice by lmms-eval's letter reader, which knows A to D whatever the options are.

    Source: lmms_eval/tasks/realworldqa/utils.py at 75571cfe, its branch for letters.

    >>> lmms_eval("Right", answer="C", options=["Left", "Straight", "Right"]).status
    'unparsed'
    """
    return lmms_eval_hub(prediction, answer=answer)


def lmms_eval_hub(prediction: str, *, answer: str) -> Score:
    """Score a reply to a question of the Hub's form as lmms-eval does.

    Where the reference is one of A to D, a letter is read out of the reply, even out of a word such
    as ``Downhill``; any other reference must be the whole reply, letter case and final dots aside.

    Source: lmms_eval/tasks/realworldqa/utils.py at 75571cfe (realworldqa_process_results).

    >>> lmms_eval_hub("3.", answer="3").value, lmms_eval_hub("three", answer="3").value
    (1.0, 0.0)
    """
    gold = answer.strip()
    if gold.upper() in ("A", "B", "C", "D"):
        return choice.letter_score(extract_letter(prediction), gold.upper())
    reply = prediction.lower().strip().rstrip(".")
    return choice.letter_score(reply or None, gold.lower())


VARIANTS: Mapping[str, Callable[..., Score]] = {**choice.VARIANTS, "lmms_eval": lmms_eval}

HUB_VARIANTS: Mapping[str, Callable[..., Score]] = {"lmms_eval": lmms_eval_hub}
"""Scorers of the Hub's form; they take no options."""
