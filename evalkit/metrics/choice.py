"""VLMEvalKit's multiple-choice matching: first an option's letter, then an option's text.

MMMU, RealWorldQA, MathVista, MVBench and Video-MME all use it, in one of three rule sets:
VLMEvalKit as it was when Qwen2-VL appeared, VLMEvalKit's head, and the Qwen team's later evaluation
code. Each function returns the letter, ``Z`` when the reply says that it does not answer, or
``None`` when nothing could be read and the evaluator would ask a judge (its ``exact_matching`` mode
then counts the answer as wrong).

Two harness habits are left out because they are accidents of a spreadsheet: a reply that reads
``None`` or ``=1`` does not become missing, and neither does such an option. An *empty* option
matches no text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from string import ascii_uppercase

from evalkit.types import Score

__all__ = [
    "RULES",
    "VARIANTS",
    "infer_2024",
    "infer_head",
    "infer_qwen3vl",
    "letter_score",
    "lettered",
    "qwen3vl",
    "vlmevalkit",
    "vlmevalkit_2024",
]

REFUSED = "Z"

_FAILED = "Failed to obtain answer via API"
_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_TO_SPACE = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_ANSWER_IS = re.compile(r"answer\s+is\s+\**([ABCD])", re.IGNORECASE)


def lettered(options: Sequence[str]) -> dict[str, str]:
    """Return the options by their letters, ``A`` first.

    >>> lettered(["yes", "no"])
    {'A': 'yes', 'B': 'no'}
    """
    return dict(zip(ascii_uppercase, options, strict=False))


def letter_score(letter: str | None, answer: str) -> Score:
    """Return the score of a letter that was read out of a reply, or of none.

    >>> letter_score("B", "B").value, letter_score("Z", "B").value, letter_score(None, "B").status
    (1.0, 0.0, 'unparsed')
    """
    if letter is None:
        return Score(value=None, status="unparsed")
    return Score(value=float(letter == answer), parsed=letter)


def infer_2024(reply: str, options: Mapping[str, str]) -> str | None:
    """Return the letter that VLMEvalKit read in September 2024.

    Exactly one option letter must stand alone in the reply, punctuation aside; failing that, the
    text of exactly one option must occur in it, whatever the letter case. So ``No`` is found in
    ``Not sure``.

    Source: vlmeval/utils/matching_util.py at 05bbba1e (the same at 9a57ff1c), without ``VERBOSE``.

    >>> infer_2024("The answer is (B).", {"A": "yes", "B": "no"})
    'B'
    >>> infer_2024("A or B", {"A": "yes", "B": "no"}) is None
    True
    """
    verdict = _before_letters(reply)
    if verdict is None:
        tokens = reply.translate(_TO_SPACE).split()
        letters = _letters(tokens, options)
        verdict = letters[0] if len(letters) == 1 else _refused(tokens, letters)
    return verdict or _one_text(reply, options)


def infer_head(reply: str, options: Mapping[str, str]) -> str | None:
    """Return the letter that VLMEvalKit reads today.

    As `infer_2024`, but a lone letter counts only if it first occurs among the last four words;
    then comes ``answer is X`` for A to D, in either case; and the texts are not looked for in a
    reply that is more than twice as long as all options together.

    Source: vlmeval/utils/matching_util.py at e8e78f05, without ``VERBOSE``.

    >>> infer_head("B, because it is the only one that fits", {"A": "left", "B": "right"}) is None
    True
    """
    verdict = _before_letters(reply)
    if verdict is None:
        tokens = reply.translate(_TO_SPACE).split()
        letters = _letters(tokens, options)
        if len(letters) == 1 and tokens.index(letters[0]) > len(tokens) - 5:
            return letters[0]
        verdict = _refused(tokens, letters) or _stated(reply, options)
    if verdict:
        return verdict
    if len(reply.lower()) > 2 * sum(map(len, options.values())):
        return None
    return _one_text(reply, options)


def infer_qwen3vl(reply: str, options: Mapping[str, str]) -> str | None:
    """Return the letter that the rule stage of the Qwen team's evaluation code reads.

    As `infer_2024`, but a lone ``A`` in a reply of more than three words is taken for an article.
    Their runner cuts everything up to the last ``</think>`` before this stage.

    Source: QwenLM/Qwen3-VL, evaluation/mmmu, RealWorldQA and VideoMME (eval_utils.py, f8dca99,
    c4dcdb4).

    >>> infer_qwen3vl("A dog runs away", {"A": "a cat", "B": "a dog"})
    'B'
    """
    verdict = _before_letters(reply)
    if verdict is None:
        tokens = reply.translate(_TO_SPACE).split()
        letters = _letters(tokens, options)
        if len(letters) != 1:
            verdict = _refused(tokens, letters)
        elif "A" not in tokens or len(tokens) <= 3:
            verdict = letters[0]
    return verdict or _one_text(reply, options)


RULES: Mapping[str, Callable[[str, Mapping[str, str]], str | None]] = {
    "vlmevalkit_2024": infer_2024,
    "vlmevalkit": infer_head,
    "qwen3vl": infer_qwen3vl,
}
"""The rule sets by scorer name."""


def vlmevalkit_2024(prediction: str, *, answer: str, options: Sequence[str]) -> Score:
    """Score a choice as VLMEvalKit did in September 2024 without a judge; see `infer_2024`."""
    return letter_score(infer_2024(prediction, lettered(options)), answer)


def vlmevalkit(prediction: str, *, answer: str, options: Sequence[str]) -> Score:
    """Score a choice as VLMEvalKit does today without a judge; see `infer_head`."""
    return letter_score(infer_head(prediction, lettered(options)), answer)


def qwen3vl(prediction: str, *, answer: str, options: Sequence[str]) -> Score:
    """Score a choice by the rule stage of the Qwen team's code; see `infer_qwen3vl`."""
    return letter_score(infer_qwen3vl(prediction, lettered(options)), answer)


VARIANTS: Mapping[str, Callable[..., Score]] = {
    "vlmevalkit_2024": vlmevalkit_2024,
    "vlmevalkit": vlmevalkit,
    "qwen3vl": qwen3vl,
}


def _before_letters(reply: str) -> str | None:
    """Return ``Z`` for a refusal, nothing where letters are not looked for, ``None`` otherwise."""
    if _FAILED in reply:
        return ""
    return REFUSED if any(refusal in reply for refusal in _REFUSALS) else None


def _letters(tokens: Sequence[str], options: Mapping[str, str]) -> list[str]:
    """Return the option letters that occur as whole words, in letter order."""
    words = set(tokens)
    return [letter for letter in options if letter in words]


def _refused(tokens: Sequence[str], letters: Sequence[str]) -> str | None:
    """Return ``Z`` where no option letter but a ``Z`` stands alone."""
    return REFUSED if not letters and REFUSED in tokens else None


def _stated(reply: str, options: Mapping[str, str]) -> str | None:
    """Return the first letter that an ``answer is`` names, if it is an option's."""
    match = _ANSWER_IS.search(reply)
    letter = match[1].upper() if match else ""
    return letter if letter in options else None


def _one_text(reply: str, options: Mapping[str, str]) -> str | None:
    """Return the letter of the only option whose text occurs in the reply, in any letter case."""
    reply = reply.lower()
    found = [letter for letter, text in options.items() if text and text.lower() in reply]
    return found[0] if len(found) == 1 else None
