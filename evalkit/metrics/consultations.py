"""What each evaluator asks a judge about a reply, and how often, as values that a run can act on.

The prompts are in `judge_prompts`; here are the tries, temperatures and token limits of each scorer
variant, and when it asks at all. A variant that never asks, and a reply that its rules settle, need
no consultation: ``None``. What evaluators do when every try fails (a random letter, a silent 0) is
left out: such a reply has no score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from evalkit.metrics import choice, mathvista, mmvet
from evalkit.metrics.judge_prompts import choice_prompt, mathvista_prompt, mmvet_prompt
from evalkit.types import Attempt, Consultation, Score

__all__ = ["choice_consultation", "choice_score", "mathvista_consultation", "mmvet_consultation"]

_CHOICE_TOKENS = {"vlmevalkit_2024": 1024, "vlmevalkit": 2048, "qwen3vl": 2048}
"""Where the judge's reply about a choice is cut: the default of each one's API client."""

_HOTTER = (0.0, 0.5, 1.0, 1.5, 2.0)

_EXTRACTION: Mapping[str, tuple[str, int, tuple[float, ...]]] = {
    # These two repeat a request until its reply is not empty; five times are enough to see that it
    # stays so.
    "official": ("official", 1024, (0.0,) * 5),
    "lmms_eval": ("official", 256, (0.0,) * 5),
    "vlmevalkit_2024": ("vlmevalkit", 128, _HOTTER),
    "vlmevalkit": ("vlmevalkit", 128, _HOTTER),
}
"""Prompt, token limit and temperatures of MathVista's extraction, by scorer name."""


def choice_consultation(
    scorer: str, reply: str, *, question: str, options: Sequence[str], forced_tries: int
) -> Consultation | None:
    """Return what a judge is asked about a reply in which the rules find no option.

    VLMEvalKit asks up to three times and takes ``Z``, for none of the options, as an answer. The
    Qwen team's code does not take it and goes on asking.

    Source: vlmeval/dataset/utils/multiple_choice.py (extract_answer_from_item) at 05bbba1e and
    e8e78f05; QwenLM/Qwen3-VL, evaluation/mmmu and RealWorldQA (eval_utils.py, f8dca99).

    Args:
        scorer: the scorer's name; only those of `choice.RULES` ask.
        reply: the model's reply.
        question: the question without its options.
        options: the option texts in letter order.
        forced_tries: how often the Qwen team's code asks: 25 times for MMMU, 5 for RealWorldQA.
    """
    rule = choice.RULES.get(scorer)
    if rule is None or rule(reply, choice.lettered(options)):
        return None
    forced = scorer == "qwen3vl"
    prompt = choice_prompt(question=question, options=options, prediction=reply)
    attempt = Attempt(prompt=prompt, temperature=0.0, max_tokens=_CHOICE_TOKENS[scorer])

    def usable(answer: str) -> bool:
        letter = rule(answer, choice.lettered(options))
        return bool(letter) and not (forced and letter == choice.REFUSED)

    return Consultation(
        attempts=(attempt,) * (forced_tries if forced else 3), usable=usable, field="extraction"
    )


def choice_score(
    scorer: str,
    variants: Mapping[str, Callable[..., Score]],
    reply: str,
    extraction: str | None,
    answer: str,
    options: Sequence[str],
) -> Score:
    """Return the score of a reply, or of what a judge said of it where the rules read nothing.

    Args:
        scorer: the scorer's name; only those of `choice.RULES` look at the extraction.
        variants: the benchmark's scorers.
        reply: the model's reply.
        extraction: the judge's answer; ``None`` where nobody was asked.
        answer: the reference.
        options: the option texts in letter order.
    """
    score = variants[scorer](reply, answer=answer, options=options)
    if score.status != "unparsed" or extraction is None or scorer not in choice.RULES:
        return score
    return variants[scorer](extraction, answer=answer, options=options)


def mathvista_consultation(
    scorer: str, reply: str, query: str, answer: str, options: Sequence[str], answer_type: str
) -> Consultation | None:
    """Return what a judge is asked to extract from a reply that is not an answer itself.

    The authors' code and lmms-eval want any text; VLMEvalKit takes whatever comes.

    Source: lupantech/MathVista, evaluation/extract_answer.py and models/gpt.py; lmms-eval 75571cfe
    (mathvista_evals.py); VLMEvalKit 05bbba1e and e8e78f05 (MathVista_auxeval).

    Args:
        scorer: the scorer's name; the rule-only ones ask nothing.
        reply: the model's reply.
        query: the dataset's ``query``: hint, question and choices.
        answer: the reference, which VLMEvalKit looks at before it asks.
        options: the choices; empty for a free-form question.
        answer_type: ``text``, ``integer``, ``float`` or ``list``.
    """
    if scorer not in _EXTRACTION or _settled(scorer, reply, answer, options, answer_type):
        return None
    name, max_tokens, temperatures = _EXTRACTION[scorer]
    prompt = mathvista_prompt(name, query=query, prediction=reply)
    return Consultation(
        attempts=tuple(
            Attempt(prompt=prompt, temperature=heat, max_tokens=max_tokens) for heat in temperatures
        ),
        usable=(lambda text: bool(text.strip())) if name == "official" else (lambda text: True),
        field="extraction",
    )


def _settled(
    scorer: str, reply: str, answer: str, options: Sequence[str], answer_type: str
) -> bool:
    """Return whether a MathVista scorer takes the reply itself."""
    if _EXTRACTION[scorer][0] == "official":
        text = reply.strip() if scorer == "lmms_eval" else reply
        return mathvista.direct_answer(text, options, answer_type) is not None
    alone = mathvista.VARIANTS[scorer](
        reply,
        answer=answer,
        options=options,
        answer_type=answer_type,
        precision=None,
        extraction=None,
    )
    return alone.status != "unparsed"


def mmvet_consultation(
    scorer: str, reply: str, *, question: str, answer: str
) -> Consultation | None:
    """Return what a judge is asked to grade a reply to an MM-Vet question; see `mmvet.JUDGES`.

    Args:
        scorer: the scorer's name; only those of `mmvet.JUDGES` ask.
        reply: the model's reply.
        question: the question.
        answer: the reference in the dataset's notation.
    """
    judging = mmvet.JUDGES.get(scorer)
    if judging is None:
        return None
    first, again = (
        mmvet_prompt(scorer, question=question, answer=answer, prediction=reply, retry=retry)
        for retry in (False, True)
    )
    return Consultation(
        attempts=tuple(
            Attempt(
                prompt=again if number else first, temperature=heat, max_tokens=judging.max_tokens
            )
            for number, heat in enumerate(judging.temperatures)
        ),
        usable=lambda text: judging.parse(text) is not None,
        field="judge",
    )
