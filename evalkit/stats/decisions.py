"""Tests that end in a verdict: non-inferiority, equivalence, and many tests at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from evalkit.errors import UsageError
from evalkit.stats.clusters import check_share
from evalkit.stats.results import Difference, Verdict

__all__ = ["equivalence", "holm", "non_inferiority"]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for being one of several, in the order given (Holm 1979).

    Calling every benchmark with an adjusted value up to alpha a regression is wrong about any of
    them at most with probability alpha. A gate that passes only when every benchmark passes needs
    no adjustment for passing.
    """
    if any(not 0 <= p <= 1 for p in p_values):
        raise UsageError(f"p-values must lie between 0 and 1, got {list(p_values)}")
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, at in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[at]))
        adjusted[at] = running
    return adjusted


def non_inferiority(difference: Difference, margin: float, alpha: float = 0.05) -> Verdict:
    """Return whether the first run is worse than the second by less than ``margin``.

    ``pass`` when a one-sided test rejects that it is worse by the margin or more, which is when the
    interval at ``1 - 2 * alpha`` lies above ``-margin``; ``fail`` when the opposite test rejects,
    which is when the interval lies below ``-margin``. A difference that is significant but inside
    the margin can pass.

    Args:
        difference: the candidate's scores less the baseline's.
        margin: the loss that does not matter, in the difference's unit; above 0.
        alpha: the error rate of either outcome.
    """
    _check_margin(margin, alpha)
    return _verdict(
        "non-inferiority",
        difference,
        margin,
        alpha,
        p_pass=difference.p_above(-margin),
        p_fail=difference.p_below(-margin),
    )


def equivalence(difference: Difference, margin: float, alpha: float = 0.05) -> Verdict:
    """Return whether two runs differ by less than ``margin`` either way (TOST, Schuirmann 1987).

    ``pass`` when both one-sided tests reject, which is when the interval at ``1 - 2 * alpha`` lies
    inside the margins; ``fail`` when it lies outside. A large p-value of the difference itself is
    no sign of equivalence.

    Args:
        difference: one run's scores less the other's.
        margin: the difference that does not matter, in the difference's unit; above 0.
        alpha: the error rate of either outcome.
    """
    _check_margin(margin, alpha)
    return _verdict(
        "equivalence",
        difference,
        margin,
        alpha,
        p_pass=max(difference.p_above(-margin), difference.p_below(margin)),
        p_fail=min(difference.p_below(-margin), difference.p_above(margin)),
    )


def _check_margin(margin: float, alpha: float) -> None:
    """Raise a UsageError for a margin or an error rate that no test can use."""
    check_share("alpha", alpha)
    if alpha >= 0.5:
        raise UsageError(f"alpha must lie below 0.5, got {alpha}: 0.05 is usual")
    if not margin > 0:
        raise UsageError(
            f"the margin must be above 0, got {margin}: 0.01 is one point in a hundred"
        )


def _verdict(
    test: Literal["non-inferiority", "equivalence"],
    difference: Difference,
    margin: float,
    alpha: float,
    *,
    p_pass: float,
    p_fail: float,
) -> Verdict:
    """Return the verdict that two p-values give."""
    low, high = difference.bounds(1 - 2 * alpha)
    outcome: Literal["pass", "fail", "inconclusive"] = "inconclusive"
    if p_pass <= alpha:
        outcome = "pass"
    elif p_fail <= alpha:
        outcome = "fail"
    return Verdict(
        test=test,
        outcome=outcome,
        p_pass=p_pass,
        p_fail=p_fail,
        low=low,
        high=high,
        margin=margin,
        alpha=alpha,
    )
