"""MMMU: an option's letter, or a free answer where a question has no options.

The official parser draws a letter at random when it finds none; no variant here does: such a reply
is unparsed, which costs its lucky hits (0.1 to 1.8 points on published outputs, by how verbose the
model is).

Paper: https://arxiv.org/abs/2311.16502
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from string import ascii_uppercase

from evalkit.metrics import choice
from evalkit.metrics.text import literal_list
from evalkit.types import Score

__all__ = [
    "VARIANTS",
    "lmms_eval",
    "official",
    "parse_multi_choice",
    "parse_open",
    "qwen3vl",
    "vlmevalkit",
    "vlmevalkit_2024",
]

_KEYS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_TRIVIAL = frozenset(":,.!?;'")
# The lookbehinds keep a search that failed at the start of a run of digits from starting again
# inside it: the same numbers are found, in linear time.
_NUMBERS = (
    re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b"),
    re.compile(r"-?(?<!\d)\d+(?:\.\d+)?[eE][+-]?\d+"),
    re.compile(r"-?(?:(?<!\d)\d+\.\d+|\.\d+|(?<!\d)\d+\b)(?![eE][+-]?\d+)(?![,\d])"),
)


def official(prediction: str, *, answer: str, options: Sequence[str]) -> Score:
    """Score a reply as MMMU's own code does, without its random choice.

    Source: MMMU-Benchmark/MMMU, eval_utils.py (parse_multi_choice_response, parse_open_response,
    eval_multi_choice, eval_open).

    Args:
        prediction: the model's reply.
        answer: the dataset's ``answer``: a letter, a text, or the literal of a list of texts.
        options: the option texts in letter order; empty for an open question.

    >>> official("The answer is (B)", answer="B", options=["$6", "$7"]).value
    1.0
    >>> official("B. $7", answer="B", options=["$6", "$7"]).status
    'unparsed'
    >>> official("x = 0.29", answer="0.286", options=[]).value
    1.0
    """
    if options:
        return choice.letter_score(parse_multi_choice(prediction, options), answer)
    return _open_score(parse_open(prediction), answer)


def lmms_eval(prediction: str, *, answer: str, options: Sequence[str]) -> Score:
    """Score a reply as lmms-eval does: letters more leniently, and every open answer as wrong.

    Its head turns the parsed open answer into one string and then compares that letter by letter
    with the references, so that the 53 open questions of the validation split can earn nothing.

    Source: lmms_eval/tasks/mmmu/utils.py at 75571cfe, without its random choice.

    >>> lmms_eval("B. $7", answer="B", options=["$6", "$7"]).value
    1.0
    >>> lmms_eval("30", answer="30", options=[]).value
    0.0
    """
    if options:
        letter = parse_multi_choice(prediction, options, marks=("{} ", "{}."))
        return choice.letter_score(letter, answer)
    score = _open_score(parse_open(prediction), answer)
    return Score(
        value=None if score.value is None else 0.0, parsed=score.parsed, status=score.status
    )


def vlmevalkit_2024(prediction: str, *, answer: str, options: Sequence[str]) -> Score:
    """Score a reply as VLMEvalKit did in September 2024 without a judge; see `choice.infer_2024`.

    An open question becomes a choice between its answer, as A, and ``Other Answers``, as B. So a
    reply of ``A`` is right for any of them but those whose answer is another letter, and no number
    is rounded.

    Source: vlmeval/dataset/utils/multiple_choice.py (MMMU_preproc, mcq_vanilla_eval) at 05bbba1e.

    >>> vlmevalkit_2024("A", answer="30", options=[]).value
    1.0
    >>> vlmevalkit_2024("2,000,000", answer="2000000", options=[]).status
    'unparsed'
    """
    return _as_choice(choice.vlmevalkit_2024, prediction, answer, options)


def vlmevalkit(prediction: str, *, answer: str, options: Sequence[str]) -> Score:
    """Score a reply as VLMEvalKit e8e78f05 does without a judge; see `choice.infer_head`.

    Open questions become choices as in `vlmevalkit_2024`.
    """
    return _as_choice(choice.vlmevalkit, prediction, answer, options)


def qwen3vl(prediction: str, *, answer: str, options: Sequence[str]) -> Score:
    """Score a reply by the rule stage of the Qwen team's code; see `choice.infer_qwen3vl`.

    Open questions become choices as in `vlmevalkit_2024`.
    """
    return _as_choice(choice.qwen3vl, prediction, answer, options)


VARIANTS: Mapping[str, Callable[..., Score]] = {
    "official": official,
    "lmms_eval": lmms_eval,
    "vlmevalkit_2024": vlmevalkit_2024,
    "vlmevalkit": vlmevalkit,
    "qwen3vl": qwen3vl,
}


def parse_multi_choice(
    reply: str, options: Sequence[str], marks: Sequence[str] = (" {} ",)
) -> str | None:
    """Return the letter that the official parser reads, or ``None`` where it would draw one.

    In turn: ``(X)``, then each of ``marks``, then, in a reply of more than five words, an option's
    text. Of several letters the last wins.

    Args:
        reply: the model's reply.
        options: the option texts in letter order.
        marks: how a letter without brackets may stand; lmms-eval has two forms of its own here.

    >>> parse_multi_choice("A and B", ["x", "y"])
    'B'
    """
    for mark in ",.!?;:'":
        reply = reply.strip(mark)
    reply = f" {reply} "
    letters = ascii_uppercase[: len(options)]
    for form in ("({})", *marks):
        found = [letter for letter in letters if form.format(letter) in reply]
        if found:
            # lmms-eval finds letters in forms of its own, but their last place in the official one.
            last = form if form == "({})" else " {} "
            return max(found, key=lambda letter: reply.rfind(last.format(letter)))
    if len(reply.split()) <= 5:
        return None
    lowered = reply.lower()
    places = [
        (lowered.rfind(text.lower()), letter) for letter, text in choice.lettered(options).items()
    ]
    place, letter = max(places, key=lambda found: found[0], default=(-1, ""))
    return letter if place >= 0 else None


def parse_open(reply: str) -> list[str | float]:
    r"""Return what the official parser takes for possible answers: lower-case texts, and numbers.

    Of each line it keeps the shortest tail behind a word such as ``is``, and of the last line also
    behind ``=``; of a reply without any such word, the whole. Numbers in what is kept are added,
    rounded to two decimals.

    >>> parse_open("First, a guess.\nSo the answer is 3.4286")
    [3.43]
    """
    reply = reply.strip().strip(".").lower()
    # The official expression also splits before a capital, which lower-cased text no longer has.
    lines = reply.split("\n")
    kept = [*(_tail(line, _KEYS) for line in lines[:-1]), _tail(lines[-1], (*_KEYS, "="))]
    tails = [tail for tail in kept if tail and tail not in _TRIVIAL] or [reply]
    numbers = [n for tail in tails for pattern in _NUMBERS for n in pattern.findall(tail)]
    return list(dict.fromkeys(v for text in (*tails, *numbers) for v in _normalise(text)))


def _tail(line: str, keys: Sequence[str]) -> str:
    """Return the shortest tail of a line behind the last place of a key, or nothing."""
    best = ""
    for key in keys:
        if key in line:
            tail = line.rpartition(key)[2].strip()
            if not best or len(tail) < len(best):
                best = tail
    return best


def _normalise(text: str) -> list[str | float]:
    """Return a number with two decimals, or a text in lower case; a lone letter gets a blank."""
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        lowered = text.lower()
        return [f" {lowered}", f"{lowered} "] if len(lowered) == 1 else [lowered]


def _open_score(candidates: Sequence[str | float], answer: str) -> Score:
    """Return whether a candidate text contains a reference text, or a number equals one."""
    if not any(isinstance(candidate, float) or candidate.strip() for candidate in candidates):
        return Score(value=None, status="unparsed")
    references = literal_list(answer)
    golds = [gold for text in (references or [answer]) for gold in _normalise(str(text))]
    numbers = {gold for gold in golds if isinstance(gold, float)}
    texts = [gold for gold in golds if isinstance(gold, str)]
    for candidate in candidates:
        if isinstance(candidate, float):
            right = candidate in numbers
        else:
            right = any(gold in candidate for gold in texts)
        if right:
            return Score(value=1.0, parsed=str(candidate).strip())
    return Score(value=0.0, parsed=str(candidates[0]).strip())


def _as_choice(
    rule: Callable[..., Score], prediction: str, answer: str, options: Sequence[str]
) -> Score:
    """Return the score of a choice, to which an open question is made first."""
    gold = answer if len(answer) == 1 and answer in ascii_uppercase else "A"
    return rule(prediction, answer=gold, options=options or (answer, "Other Answers"))
