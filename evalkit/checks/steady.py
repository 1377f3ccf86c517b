"""Does a question get the same answer twice, and the same in company as alone?"""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.checks.asking import Replies, same
from evalkit.checks.findings import Line, fail, ok, warn
from evalkit.types import Request

__all__ = ["batch", "determinism"]

FEW = 0.1
"""The share of differing answers that rounding may explain."""


def determinism(requests: Sequence[Request], first: Replies, second: Replies) -> Line:
    """Compare two calls that ask the same, one question at a time."""
    pairs = same(first, second, answered(requests, first))
    if not pairs.differing:
        return ok("determinism", f"{pairs.asked} questions asked twice have identical answers")
    said = f"{len(pairs.differing)} of {pairs.asked} questions have another answer when asked again"
    cure = "sampling is on: set temperature 0 and no penalties on the server too"
    return fail("determinism", said, cure, pairs.differing)


def batch(requests: Sequence[Request], first: Replies, company: Replies, *, steady: bool) -> Line:
    """Compare questions asked alone with the same asked all at once.

    Args:
        requests: the questions.
        first: their answers, asked alone.
        company: their answers, asked together.
        steady: whether asking twice alone gave the same.
    """
    pairs = same(first, company, answered(requests, first))
    if not pairs.differing:
        return ok("batch invariance", f"{pairs.asked} answers are the same alone and together")
    said = f"{len(pairs.differing)} of {pairs.asked} answers change in the company of others"
    if not steady:
        cure = "cannot be told apart from answers that change by themselves; mend those first"
        return warn("batch invariance", said, cure, pairs.differing)
    if 1 - pairs.share <= FEW:
        cure = "rounding may explain so few; batch size 1 or float32 shows whether it does"
        return warn("batch invariance", said, cure, pairs.differing)
    cure = "padding or a shared cache leaks between requests: use batch size 1, or another version"
    return fail("batch invariance", said, cure, pairs.differing)


def answered(requests: Sequence[Request], first: Replies) -> list[tuple[str, str]]:
    """Pair questions with themselves; those never answered are no sign of sampling or a leak."""
    return [(each.id, each.id) for each in requests if first[each.id].text is not None]
