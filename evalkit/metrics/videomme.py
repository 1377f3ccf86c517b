"""Video-MME: one of four letters.

The evaluators differ in how a letter is found and in what happens to a reply without one: the
official script drops it from the denominator, the others count it as wrong. Here it is unparsed,
and `official_aggregate` gives the official number.

Paper: https://arxiv.org/abs/2405.21075
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from evalkit.metrics import choice
from evalkit.metrics.letters import extract_letter
from evalkit.types import Score

__all__ = [
    "VARIANTS",
    "lmms_eval",
    "official",
    "official_aggregate",
    "qwen3vl",
    "texts",
    "vlmevalkit",
]

# Two of the prefixes are two each that a missing comma glued together, so that they never match.
_PREFIXES = (
    "The best answer is",
    "The correct answer is",
    "The answer is",
    "The answer",
    "The best option isThe correct option is",
    "Best answer:Best option:",
    "Answer:",
    "Option:",
)
_LATER_PREFIXES = (*_PREFIXES, "The correct answer", "The correct option")
_LETTER = re.compile("[ABCD]")


def official(prediction: str, *, answer: str, options: Sequence[str]) -> Score:
    """Score a reply as the authors' script does: the first capital A to D behind known prefixes.

    Any capital counts, so ``Berries.`` is B and ``Based on the video, the answer is C`` is B as
    well.

    Source: thanku-all/parse_answer at afd52cf (eval_your_results.py, extract_characters_regex).

    >>> official("The best answer is: C", answer="C", options=[]).value
    1.0
    """
    return choice.letter_score(_first_capital(prediction, _LATER_PREFIXES), answer)


def vlmevalkit(prediction: str, *, answer: str, options: Sequence[str]) -> Score:
    """Score a reply as VLMEvalKit does: the official rule with a shorter list of prefixes.

    Its second stage looks for options in a column that has none, so that neither rules nor a judge
    can read anything there.

    Source: vlmeval/dataset/utils/videomme.py at e8e78f05 (extract_characters_regex,
    extract_option).
    """
    return choice.letter_score(_first_capital(prediction, _PREFIXES), answer)


def lmms_eval(prediction: str, *, answer: str, options: Sequence[str]) -> Score:
    """Score a reply as lmms-eval does since 2026-04-11; see `letters.extract_letter`.

    Source: lmms_eval/tasks/videomme/utils.py at 75571cfe.
    """
    return choice.letter_score(extract_letter(prediction), answer)


def qwen3vl(prediction: str, *, answer: str, options: Sequence[str]) -> Score:
    """Score a reply by the rule stage of the Qwen team's code; see `choice.infer_qwen3vl`.

    Source: QwenLM/Qwen3-VL, evaluation/VideoMME (dataset_utils.py, eval_utils.py) at c4dcdb4.

    Args:
        prediction: the model's reply.
        answer: the letter of the right option.
        options: the options as the dataset has them, ``A. Apples.`` and so on.

    >>> qwen3vl("berries.", answer="B", options=["A. Apples.", "B. Berries."]).value
    1.0
    """
    return choice.qwen3vl(prediction, answer=answer, options=texts(options))


VARIANTS: Mapping[str, Callable[..., Score]] = {
    "official": official,
    "vlmevalkit": vlmevalkit,
    "lmms_eval": lmms_eval,
    "qwen3vl": qwen3vl,
}


def texts(options: Sequence[str]) -> list[str]:
    """Return the options without the letters that the dataset puts before them.

    >>> texts(["A. Apples.", "B. Berries."])
    ['Apples.', 'Berries.']
    """
    return [_text(letter, option) for letter, option in choice.lettered(options).items()]


def official_aggregate(scores: Iterable[tuple[str, Score]]) -> dict[str, float]:
    """Return the official accuracy in percent, by group and ``overall``, of parsed replies only.

    The script prints one decimal. A group of which nothing was parsed is 0.

    Args:
        scores: a group, such as the video's duration, and the score of each question.

    >>> right, lost = Score(value=1.0, parsed="A"), Score(value=None, status="unparsed")
    >>> official_aggregate([("short", right), ("short", lost), ("long", lost)])
    {'short': 100.0, 'long': 0.0, 'overall': 100.0}
    """
    answered: dict[str, list[float]] = defaultdict(list)
    for group, score in scores:
        answered[group] += [] if score.value is None else [score.value]
    answered["overall"] = [value for values in answered.values() for value in values]
    return {group: 100 * sum(values) / max(len(values), 1) for group, values in answered.items()}


def _first_capital(reply: str, prefixes: Sequence[str]) -> str | None:
    """Return the first capital A to D of a reply without the prefixes, wherever those stand."""
    reply = reply.strip()
    for prefix in prefixes:
        reply = reply.replace(prefix, "")
    match = _LETTER.search(reply)
    return match[0] if match else None


def _text(letter: str, option: str) -> str:
    """Return an option's text without the letter that the dataset puts before it."""
    return option.split(".", 1)[1].strip() if option.startswith(f"{letter}.") else option
