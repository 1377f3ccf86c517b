"""MVBench: one of up to five options, matched by its letter, under 20 tasks of 200 questions.

The official check asks only whether the first word of the reply is part of ``(a)`` or the other way
round. An empty reply is part of anything, so that it is *right*; the variants that share the check
reproduce this and mark such a reply unparsed, with its credit, so that it can be counted. `strict`
is our own.

Paper: https://arxiv.org/abs/2311.17005
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from evalkit.metrics import choice
from evalkit.types import Score

__all__ = [
    "VARIANTS",
    "lmms_eval",
    "lmms_eval_aggregate",
    "macro",
    "micro",
    "official",
    "official_pipeline",
    "strict",
    "vlmevalkit",
    "vlmevalkit_aggregate",
]

_BRACKETED = re.compile(r"\(([a-z])\)")
_MARKED = re.compile(r"\(?([A-Za-z])(?:[).:]+(?:\s|$)|$)")
_PERIOD = re.compile(r"\.(?!\d)")
_COMMA = re.compile(r"\d,\d")
_WORD = re.compile(r"\b[a-e]\b")
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'


def official(prediction: str, *, answer: str, options: Sequence[str]) -> Score:
    """Score a reply by the authors' check on the reply as it is.

    Source: OpenGVLab/Ask-Anything at 4dd8210b, mvbench.ipynb (check_ans).

    Args:
        prediction: the model's reply.
        answer: the text of the right candidate.
        options: the candidates in order.

    >>> official("b.", answer="no", options=["yes", "no"]).value
    1.0
    >>> official("", answer="no", options=["yes", "no"])
    Score(value=1.0, parsed=None, status='unparsed')
    """
    return _first_word_score(prediction, _last_letter(answer, options))


def official_pipeline(prediction: str, *, answer: str, options: Sequence[str]) -> Score:
    r"""Score a reply as the authors' whole script does.

    Their prompt ends in ``Best option:(``; the script takes the first line of what follows, puts
    the bracket back and applies `official`'s check.

    Source: OpenGVLab/Ask-Anything at 4dd8210b, mvbench.ipynb (infer_mvbench, check_ans).

    >>> official_pipeline("B) no\nBecause", answer="no", options=["yes", "no"]).value
    1.0
    """
    line = prediction.strip().split("\n", 1)[0]
    return official("(" + line, answer=answer, options=options)


def vlmevalkit(prediction: str, *, answer: str, options: Sequence[str]) -> Score:
    """Score a reply as VLMEvalKit does without a judge.

    The official check comes first, on the stripped reply; what it does not accept has a second
    chance by `choice.infer_head`.

    Source: vlmeval/dataset/utils/mvbench.py at e8e78f05 (check_ans_with_model, ``exact_matching``).

    >>> vlmevalkit("no", answer="no", options=["yes", "no"]).value
    1.0
    """
    gold = _last_letter(answer, options)
    score = _first_word_score(prediction.strip(), gold)
    if score.value == 1.0:
        return score
    letter = choice.infer_head(prediction.strip(), choice.lettered(options))
    return choice.letter_score(letter, gold) if letter else score


def lmms_eval(prediction: str, *, answer: str, options: Sequence[str]) -> Score:
    """Score a reply as lmms-eval does: the first lone A to E, in either case.

    The article ``a`` counts, and no option's text does.

    Source: lmms_eval/tasks/mvbench/utils.py at 75571cfe (mcq_acc).

    >>> lmms_eval("Answer: B", answer="no", options=["yes", "no"]).value
    1.0
    """
    letter = next((a for a, text in choice.lettered(options).items() if text == answer), "")
    return choice.letter_score(_lone_letter(prediction), letter)


def strict(prediction: str, *, answer: str, options: Sequence[str]) -> Score:
    """Score a reply that opens with an option's letter, and nothing else.

    Accepted are ``B``, ``(b)``, ``B.``, ``B) any text`` and ``B`` before that option's own text.
    Everything else is unparsed, an empty reply and a sentence that begins with ``A`` too. Ours: no
    evaluator's rule.

    >>> strict("(B) no", answer="no", options=["yes", "no"]).value
    1.0
    >>> strict("A person says no", answer="no", options=["yes", "no"]).status
    'unparsed'
    """
    reply, texts = prediction.strip(), choice.lettered(options)
    match = _MARKED.match(reply)
    letter = match[1].upper() if match else reply[:1]
    if letter in texts and (match or _is_text(reply[1:], texts[letter])):
        return choice.letter_score(letter, _last_letter(answer, options))
    return choice.letter_score(None, answer)


VARIANTS: Mapping[str, Callable[..., Score]] = {
    "official": official,
    "official_pipeline": official_pipeline,
    "vlmevalkit": vlmevalkit,
    "lmms_eval": lmms_eval,
    "strict": strict,
}


def micro(scores: Iterable[tuple[str, float | None]]) -> float:
    """Return the share of right answers in percent, as the authors average; ``None`` is wrong.

    Args:
        scores: a task and the credit of each question; at least one.

    >>> micro([("Action Count", 1.0), ("Action Count", None), ("Object Shuffle", 1.0)])
    66.66666666666667
    """
    values = [value or 0.0 for _, value in scores]
    return 100 * sum(values) / len(values)


def macro(scores: Iterable[tuple[str, float | None]]) -> float:
    """Return the mean of the tasks' accuracies in percent; ``None`` is wrong.

    It equals `micro` on the whole benchmark, where every task has 200 questions, and on nothing
    else.

    >>> macro([("Action Count", 1.0), ("Action Count", None), ("Object Shuffle", 1.0)])
    75.0
    """
    tasks: dict[str, list[float]] = defaultdict(list)
    for task, value in scores:
        tasks[task].append(value or 0.0)
    return 100 * sum(sum(values) / len(values) for values in tasks.values()) / len(tasks)


def vlmevalkit_aggregate(
    scores: Iterable[tuple[str, float | None]],
) -> dict[str, tuple[int, int]]:
    """Return VLMEvalKit's counts of right answers and of questions, by task and ``overall``.

    A missing prediction (``None``) and a failed request (-1) are both true in Python, so that it
    counts them as *right*: to explain its numbers, not to report ours.

    Source: vlmeval/dataset/utils/mvbench.py at e8e78f05 (get_dimension_rating).

    >>> vlmevalkit_aggregate([("Action Count", 0.0), ("Action Count", None)])
    {'Action Count': (1, 2), 'overall': (1, 2)}
    """
    tasks: dict[str, list[bool]] = defaultdict(list)
    for task, value in scores:
        tasks[task].append(value is None or bool(value))
    tasks["overall"] = [right for rights in tasks.values() for right in rights]
    return {task: (sum(rights), len(rights)) for task, rights in tasks.items()}


def lmms_eval_aggregate(scores: Iterable[tuple[str, float | None]]) -> float:
    """Return lmms-eval's accuracy of one task in percent: empty replies leave the denominator.

    Source: lmms_eval/tasks/mvbench/utils.py at 75571cfe (mvbench_aggregate_results).

    Args:
        scores: the reply to, and the credit of, each question.

    >>> lmms_eval_aggregate([("A", 1.0), ("", None), ("B", 0.0)])
    50.0
    """
    values = [value or 0.0 for reply, value in scores if reply != ""]
    return 100 * sum(values) / len(values) if values else 0.0


def _last_letter(answer: str, options: Sequence[str]) -> str:
    """Return the letter of the last candidate that equals the answer, ``@`` if there is none."""
    lettered = reversed(choice.lettered(options).items())
    return next((letter for letter, text in lettered if text == answer), "@")


def _first_word_score(reply: str, letter: str) -> Score:
    """Return what the official check makes of the reply's first word."""
    word, gold = reply.lower().split(" ", 1)[0], f"({letter.lower()})"
    bracketed = _BRACKETED.search(word)
    read = bracketed[1] if bracketed else word.strip("().")
    right = word.replace(".", "") in gold or gold in word
    if len(read) != 1 or not read.isalpha():
        return Score(value=1.0 if right else None, status="unparsed")
    return Score(value=float(right), parsed=letter if right else read.upper())


def _lone_letter(reply: str) -> str | None:
    """Return the letter that lmms-eval finds, ``None`` where it compares the whole reply."""
    reply = reply.strip()
    # "X. text", where nothing but white space may stand in the lines before the last.
    head, _, tail = reply[2:].rpartition("\n")
    if reply[:1].upper() in tuple("ABCDE") and reply[1:2] == "." and tail and not head.strip():
        return reply[0].upper()
    text = reply.replace("\n", " ").replace("\t", " ").strip()
    apart, cleaned = _COMMA.search(text) is not None, text
    for mark in _PUNCTUATION:
        gone = apart or f"{mark} " in text or f" {mark}" in text
        cleaned = cleaned.replace(mark, "" if gone else " ")
    # A flag handed over in the place of the count limits the dots that are removed to 32.
    cleaned = _PERIOD.sub("", cleaned, count=32).strip("'").strip('"').strip(")").strip("(")
    match = _WORD.search(cleaned.strip().lower())
    return match[0].upper() if match else None


def _is_text(rest: str, option: str) -> bool:
    """Return whether an option's text follows a letter, letter case and final dots aside."""
    rest, option = rest.rstrip(". ").casefold(), option.strip().rstrip(".").casefold()
    return rest[:1].isspace() and rest.strip() == option
