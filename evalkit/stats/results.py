"""What the statistics return: intervals, differences and verdicts as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Difference", "Interval", "Verdict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate with its standard error and confidence interval."""

    mean: float
    """The mean score; for a bootstrap the sum or macro average that was asked for."""
    low: float
    """The lower end of the interval."""
    high: float
    """The upper end of the interval."""
    se: float | None
    """The clustered standard error; ``None`` where one cluster alone gives no spread to measure."""
    n: int
    """Items."""
    n_clusters: int
    """Clusters: pictures, documents or videos; items that share nothing are clusters of one."""
    confidence: float
    """The share of such intervals that hold the truth, such as 0.95."""
    method: str
    """How the interval was made, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How much the first of two runs scores above the second, and how sure that is.

    One-sided tests read the last four fields: the true difference is ``center`` plus ``spread``
    times a Student variable of ``df`` degrees of freedom. Where no item differs there is no spread,
    ``df`` is ``None``, and the exact chance of seeing no difference takes its place.
    """

    difference: float
    """The first run's score less the second's; below 0 the first is worse."""
    low: float
    """The lower end of the interval."""
    high: float
    """The upper end of the interval."""
    se: float | None
    """The clustered standard error; ``None`` where one cluster alone gives no spread to measure."""
    p: float
    """The two-sided p-value of no difference."""
    n: int
    """Items compared; of both runs together when they are unpaired."""
    n_clusters: int
    """Clusters, counted like the items."""
    n_differ: int | None
    """Paired items whose scores differ; ``None`` when unpaired."""
    confidence: float
    """The share of such intervals that hold the truth, such as 0.95."""
    method: str
    """How interval and p-value were made, in words."""
    center: float
    """The middle of the reference distribution."""
    spread: float
    """The scale of the reference distribution."""
    df: float | None
    """Degrees of freedom of the reference distribution; ``None`` where no item differs."""
    unit: float = 1.0
    """The largest difference there can be: 1 for means, the number of items for a sum."""

    def bounds(self, confidence: float) -> tuple[float, float]:
        """Return the interval of the reference distribution at another confidence."""
        from scipy.special import stdtrit

        alpha = 1 - confidence
        if self.df is None:
            reach = self.unit * (1 - (alpha / 2) ** (1 / self.n_clusters))
            return -reach, reach
        reach = self.spread * float(stdtrit(self.df, 1 - alpha / 2))
        return max(-self.unit, self.center - reach), min(self.unit, self.center + reach)

    def p_above(self, value: float) -> float:
        """Return the one-sided p-value against "the true difference is ``value`` or less"."""
        from scipy.special import stdtr

        if self.df is None:
            return float((1 - min(1.0, max(0.0, -value / self.unit))) ** self.n_clusters)
        return float(stdtr(self.df, (value - self.center) / self.spread))

    def p_below(self, value: float) -> float:
        """Return the one-sided p-value against "the true difference is ``value`` or more"."""
        from scipy.special import stdtr

        if self.df is None:
            return float((1 - min(1.0, max(0.0, value / self.unit))) ** self.n_clusters)
        return float(stdtr(self.df, (self.center - value) / self.spread))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a test with a margin says."""

    test: Literal["non-inferiority", "equivalence"]
    """Which test it was."""
    outcome: Literal["pass", "fail", "inconclusive"]
    """``pass`` and ``fail`` are both shown at ``alpha``; anything else is ``inconclusive``."""
    p_pass: float
    """The p-value against failing: small when the difference is inside the margin for sure."""
    p_fail: float
    """The p-value against passing: small when the difference is outside the margin for sure."""
    low: float
    """The lower end of the interval at ``1 - 2 * alpha``; non-inferiority passes when it lies above
    ``-margin``."""
    high: float
    """The upper end of the interval at ``1 - 2 * alpha``."""
    margin: float
    """The largest difference that does not matter, in the difference's own unit."""
    alpha: float
    """The error that was allowed for either outcome."""
