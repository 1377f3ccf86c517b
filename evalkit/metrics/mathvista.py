"""MathVista: an answer is extracted from the reply, put into the answer's type, and compared.

Extraction is a language model's work except where a reply is already an answer. Nothing here calls
a model: the scorers take what was extracted, and a reply that needs an extraction and comes without
one is unparsed. The variants ``…_rule`` and `rules` do without; `rules` is our own and never mixed
into others.

Every scorer takes the same arguments:

- ``prediction``: the model's reply.
- ``answer``: the reference, as the dataset has it.
- ``options``: the choices; empty for a free-form question.
- ``answer_type``: ``text``, ``integer``, ``float`` or ``list``.
- ``precision``: decimals of a float answer, with the type that the rows have; else ``None``.
- ``extraction``: what was extracted from the reply; ``None`` if nobody tried.

Paper: https://arxiv.org/abs/2310.02255
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from rapidfuzz.distance import Levenshtein

from evalkit.metrics import choice
from evalkit.types import Score

__all__ = ["VARIANTS", "direct_answer", "lmms_eval", "official", "rules", "vlmevalkit"]

_UNPARSED = Score(value=None, status="unparsed")
_BRACKETED = re.compile(r"\(([a-zA-Z])\)")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_LIST = re.compile(r"\[[^\[\]]*\]")


def official(
    prediction: str,
    *,
    answer: str,
    options: Sequence[str],
    answer_type: str,
    precision: float | None,
    extraction: str | None,
) -> Score:
    """Score a reply by the authors' normalisation and string equality.

    An extraction that is not blank wins over the reply itself, as in their two scripts. A choice
    that is no letter becomes the option of least edit distance, so that an *empty* one earns credit
    where the shortest option is right (168 of the 1000 questions of testmini); it keeps that credit
    here, as ``unparsed``. Integers are cut, not rounded: 7.9 is 7.

    Source: lupantech/MathVista, evaluation/extract_answer.py and calculate_score.py (since e999481
    of 2024-11-28; the shipped scores were made with ``str(int(x))`` and are up to 10 items lower).

    >>> kind = dict(options=[], answer_type="integer", precision=None)
    >>> official("It is 14.", answer="14", extraction="14.0", **kind).value
    1.0
    >>> official("It is 14.", answer="14", extraction=None, **kind).status
    'unparsed'
    """
    extracted = _extracted(prediction, options, answer_type, extraction)
    if extracted is None:
        return _UNPARSED
    decimals = None if precision is None else int(precision)
    return _equality(extracted, answer, _normalised(extracted, options, answer_type, decimals))


def lmms_eval(
    prediction: str,
    *,
    answer: str,
    options: Sequence[str],
    answer_type: str,
    precision: float | None,
    extraction: str | None,
) -> Score:
    """Score a reply as lmms-eval does: `official` on the stripped reply, with a fault.

    It rounds to the precision as it is stored; the Hub stores a float, which raises, so that none
    of the 40 float questions can be answered.

    Source: lmms_eval/tasks/mathvista/mathvista_evals.py at 75571cfe.

    >>> kind = dict(options=[], answer_type="float", extraction="1.2")
    >>> lmms_eval("1.2", answer="1.2", precision=1.0, **kind).status
    'unparsed'
    """
    extracted = _extracted(prediction.strip(), options, answer_type, extraction)
    if extracted is None:
        return _UNPARSED
    decimals = precision if isinstance(precision, int) else None
    normalised = _normalised(extracted, options, answer_type, decimals)
    return _equality(extracted, answer.strip(), normalised and normalised.strip())


def rules(
    prediction: str,
    *,
    answer: str,
    options: Sequence[str],
    answer_type: str,
    precision: float | None,
    extraction: str | None,
) -> Score:
    """Score a reply by our own rules, for want of a model that extracts; ignores ``extraction``.

    A choice is the reply if it is an option, else what `choice.infer_2024` reads, else the last
    ``(X)``, else the nearest option, also to an empty reply. A number is the last one, without
    thousands separators; a list is the last ``[...]``. Then as `official`. On 17 published outputs
    this comes within -4.5 and +1.9 points of an extraction by GPT-4.

    >>> kind = dict(options=["3/11", "8/11"], answer_type="text", precision=None, extraction=None)
    >>> rules("The correct answer is (B) 8/11.", answer="8/11", **kind).value
    1.0
    """
    extracted = _by_rules(prediction.strip(), options, answer_type)
    if extracted is None:
        return _UNPARSED
    decimals = None if precision is None else int(precision)
    return _equality(extracted, answer, _normalised(extracted, options, answer_type, decimals))


def vlmevalkit(
    prediction: str,
    *,
    answer: str,
    options: Sequence[str],
    answer_type: str,
    precision: float | None,
    extraction: str | None,
    infer: Callable[[str, Mapping[str, str]], str | None] = choice.infer_head,
    judged: bool = True,
) -> Score:
    """Score a reply as VLMEvalKit does; ``infer`` and ``judged`` make the four variants of it.

    The reply alone comes first: a choice is read by ``infer``, a number is taken only if it is
    right already, and a right 0 is taken for nothing. What is left goes to a judge, whose reply
    (``extraction``) is read in the same way: ``14.0`` is no integer, floats must be equal without
    rounding, and no list is ever right. Without ``judged`` it stops before the judge.

    Source: vlmeval/dataset/utils/mathvista.py at 05bbba1e and e8e78f05 (post_check,
    MathVista_auxeval).
    """
    accepted = _prefetched(prediction, answer, options, answer_type, infer)
    reply = accepted or (extraction if judged else None)
    if reply is None:
        return _UNPARSED
    if options:
        lettered = choice.lettered(options)
        gold = next((letter for letter, text in lettered.items() if text == answer), "")
        return choice.letter_score(infer(reply, lettered), gold)
    if answer_type not in ("integer", "float"):
        return Score(value=0.0, parsed=reply)
    value = _typed(reply, answer_type)
    right = value is not None and value == _typed(answer, answer_type)
    return _UNPARSED if value is None else Score(value=float(right), parsed=reply)


VARIANTS: Mapping[str, Callable[..., Score]] = {
    "official": official,
    "lmms_eval": lmms_eval,
    "vlmevalkit_2024": partial(vlmevalkit, infer=choice.infer_2024),
    "vlmevalkit": vlmevalkit,
    "vlmevalkit_2024_rule": partial(vlmevalkit, infer=choice.infer_2024, judged=False),
    "vlmevalkit_rule": partial(vlmevalkit, judged=False),
    "rules": rules,
}


def direct_answer(prediction: str, options: Sequence[str], answer_type: str) -> str | None:
    """Return the extraction that the official code makes itself, ``None`` where it asks a model.

    An empty reply is its own extraction, and so is an option's text or a number of the answer's
    type.

    >>> direct_answer("1.450", [], "float"), direct_answer("about 1.45", [], "float")
    ('1.45', None)
    """
    if prediction == "" or prediction in options:
        return prediction
    value = _typed(prediction, answer_type)
    return None if value is None else str(value)


def _extracted(
    prediction: str, options: Sequence[str], answer_type: str, extraction: str | None
) -> str | None:
    """Return the extraction if it is not blank, else what the reply gives, else a blank one."""
    if extraction is not None and extraction.strip():
        return extraction
    direct = direct_answer(prediction, options, answer_type)
    return extraction if direct is None else direct


def _normalised(
    extraction: str, options: Sequence[str], answer_type: str, decimals: int | None
) -> str | None:
    """Return an extraction in the form of the references, ``None`` if it is not of the type."""
    if options:
        bracketed = _BRACKETED.search(extraction)
        text = bracketed[1].upper() if bracketed else extraction.strip()
        chosen = choice.lettered(options).get(text)
        return chosen or min(options, key=lambda option: Levenshtein.distance(text, option))
    try:
        if answer_type == "integer":
            return str(int(float(extraction)))
        if answer_type == "float":
            return None if decimals is None else str(round(float(extraction), decimals))
    except (ValueError, OverflowError):
        return None
    return extraction


def _equality(extraction: str, answer: str, normalised: str | None) -> Score:
    """Return whether a normalised extraction equals the reference."""
    if normalised is None:
        return _UNPARSED
    value = float(normalised == answer)
    if not extraction.strip():
        return Score(value=value, status="unparsed")
    return Score(value=value, parsed=normalised)


def _prefetched(
    prediction: str,
    answer: str,
    options: Sequence[str],
    answer_type: str,
    infer: Callable[[str, Mapping[str, str]], str | None],
) -> str | None:
    """Return what VLMEvalKit takes without a judge: any choice, or a right number that is not 0."""
    if options:
        return infer(prediction, choice.lettered(options))
    value = _typed(prediction, answer_type)
    return str(value) if value and value == _typed(answer, answer_type) else None


def _typed(text: str, answer_type: str) -> int | float | None:
    """Return a text as a number of the answer's type, or ``None``."""
    try:
        if answer_type == "integer":
            return int(text)
        return float(text) if answer_type == "float" else None
    except ValueError:
        return None


def _by_rules(reply: str, options: Sequence[str], answer_type: str) -> str | None:
    """Return what our rules extract from a reply, or ``None``."""
    if reply in options:
        return reply
    if options:
        letter = choice.infer_2024(reply, choice.lettered(options))
        brackets: list[str] = _BRACKETED.findall(reply)
        last = brackets[-1].upper() if brackets else reply
        return letter if letter in choice.lettered(options) else last
    if answer_type == "list":
        found = _LIST.findall(reply)
    else:
        found = _NUMBER.findall(reply.replace(",", ""))
    return found[-1] if found else None
