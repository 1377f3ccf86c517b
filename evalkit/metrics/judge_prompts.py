"""Prompts for judges: what evaluators ask a language model about a reply.

The texts are data in ``prompts/*.json``, byte for byte those of the evaluators with their spelling
mistakes; the functions fill them. Nothing here calls a judge.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from evalkit.metrics.choice import lettered
from evalkit.metrics.mmvet import JUDGES

__all__ = ["choice_prompt", "mathvista_prompt", "mmvet_prompt", "templates"]

_FIELD = re.compile(r"\{(\w+)\}")
_CHINESE = re.compile("[\u4e00-\u9fff]")


@cache
def templates(name: str) -> Mapping[str, str]:
    """Return the templates of one file under ``prompts``: ``choice``, ``mathvista`` or ``mmvet``.

    Substitutions are ``{query}`` and the like, and nothing else in them is special.

    Sources: lupantech/MathVista (prompts/ext_ans.py), yuweihao/MM-Vet (mm-vet_evaluator.py),
    VLMEvalKit 05bbba1e (vlmeval/dataset/utils: mathvista.py, multiple_choice.py, mmvet.py),
    lmms-eval 75571cfe (lmms_eval/tasks/mmvet/utils.py).
    """
    path = files("evalkit.metrics") / "prompts" / f"{name}.json"
    loaded: dict[str, str] = json.loads(path.read_text("utf-8"))
    return loaded


def mathvista_prompt(variant: str, *, query: str, prediction: str) -> str:
    """Return the request to extract an answer from a reply to a MathVista question.

    Args:
        variant: ``official``, which is lmms-eval's too, or ``vlmevalkit``.
        query: the dataset's ``query``: hint, question and choices.
        prediction: the model's reply.
    """
    return _fill(
        templates("mathvista")[variant],
        {"query": query, "question": query, "response": prediction, "prediction": prediction},
    )


def choice_prompt(*, question: str, options: Sequence[str], prediction: str) -> str:
    """Return VLMEvalKit's request to match a reply with an option, in Chinese for Chinese."""
    lines = "".join(f"{letter}. {text}\n" for letter, text in lettered(options).items())
    return _fill(
        templates("choice")["zh" if _CHINESE.search(question) else "en"],
        {
            "question": question,
            "options": "There are several options: \n" + lines,
            "prediction": prediction,
        },
    )


def mmvet_prompt(
    variant: str, *, question: str, answer: str, prediction: str, retry: bool = False
) -> str:
    """Return the request to grade a reply to an MM-Vet question.

    Args:
        variant: a name in `mmvet.JUDGES`.
        question: the question.
        answer: the reference with its ``<AND>`` and ``<OR>``, around which blanks are put.
        prediction: the model's reply.
        retry: whether the judge was asked before; only the official code then asks differently.
    """
    spaced = answer.replace("<AND>", " <AND> ").replace("<OR>", " <OR> ")
    name = "vlmevalkit" if variant == "vlmevalkit_2024" else variant
    prompt = _fill(
        templates("mmvet")[name],
        {"question": question, "answer": spaced, "prediction": prediction},
    )
    return prompt + JUDGES[variant].retry_suffix if retry else prompt


def _fill(template: str, values: Mapping[str, str]) -> str:
    """Return a template with its fields filled in one pass: braces in a value stay as they are."""
    return _FIELD.sub(lambda match: values[match[1]], template)
