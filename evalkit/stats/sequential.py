"""Looking at a comparison while its answers come, as often as one likes, at no cost in error.

The intervals come from betting (Waudby-Smith & Ramdas 2024, arXiv 2010.09686; anytime validity as
in Howard et al. 2021). Against each candidate difference a gambler stakes on the next cluster, long
and short. A true candidate lets neither fortune grow, so that one which has multiplied by 2 over
1 less the confidence rejects its candidate for good (Ville 1939). Stakes follow the variance so far
and are tuned to half of the horizon. A cluster is staked on as its total less its size times the
candidate, which makes the mean one over items.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import log, sqrt

from evalkit.errors import UsageError
from evalkit.stats.clusters import as_scores, check_share

__all__ = ["Look", "confidence_sequence"]

STEP = 0.0005
"""The distance between candidate differences: a twentieth of a point in a hundred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is known of a paired difference after some of its items."""

    n: int
    """Items seen."""
    mean: float
    """Their mean difference."""
    low: float
    """The lower end: no true difference below it is left."""
    high: float
    """The upper end: no true difference above it is left."""


def confidence_sequence(
    differences: Iterable[Sequence[float]],
    horizon: int,
    largest: int = 1,
    confidence: float = 0.95,
) -> Iterator[Look]:
    """Yield an interval after each cluster that stays valid however often one looks.

    With probability ``confidence`` every one of them holds the true difference, so that one may
    stop at any look, for any reason. Clusters must come in random order (a shuffle with a fixed
    seed), since datasets are sorted. Stopping when ``low`` lies above ``-margin`` is a
    non-inferiority test at ``(1 - confidence) / 2``.

    Args:
        differences: each cluster's differences by item, from -1 to 1; items that share nothing are
            clusters of one.
        horizon: how many clusters there are in all; it tunes the stakes and no more.
        largest: the size of the largest cluster, known beforehand.
        confidence: such as 0.95.

    Raises:
        UsageError: a difference is out of range, or a cluster is larger than ``largest``.
    """
    check_share("confidence", confidence)
    if horizon < 1 or largest < 1:
        raise UsageError(f"horizon and largest must be 1 or more, got {horizon} and {largest}")
    table = _Table(largest, (1 - confidence) / 2)
    totals = sizes = count = 0.0
    squares = largest**2 / 4
    for cluster in differences:
        total, size = float(as_scores(cluster, low=-1.0).sum()), len(cluster)
        if size > largest:
            raise UsageError(f"a cluster of {size} items, but largest is {largest}")
        variance = squares / (count + 1)
        table.bet(total, size, sqrt(2 * table.goal / (variance * horizon / 2)))
        totals, sizes, count = totals + total, sizes + size, count + 1
        squares += (total - size * totals / (sizes + 1)) ** 2
        yield Look(n=int(sizes), mean=totals / sizes, low=table.low, high=table.high)


class _Table:
    """The candidates that are left, and what betting against each has earned."""

    def __init__(self, largest: int, tail: float) -> None:
        import numpy as np

        steps = round(1 / STEP)
        self.goal = log(1 / tail)
        self.candidates = np.arange(-steps, steps + 1) / steps
        # A stake that can lose everything at once makes a fortune of 0, which never recovers.
        self.most_long = 0.75 / (largest * np.maximum(1 + self.candidates, STEP))
        self.most_short = 0.75 / (largest * np.maximum(1 - self.candidates, STEP))
        self.long = np.zeros_like(self.candidates)
        self.short = np.zeros_like(self.candidates)
        self.first, self.last = 0, len(self.candidates) - 1

    def bet(self, total: float, size: int, stake: float) -> None:
        """Stake against every candidate left and drop those that the outcome rejects."""
        import numpy as np

        left = slice(self.first, self.last + 1)
        gain = total - size * self.candidates[left]
        self.long[left] += np.log1p(np.minimum(stake, self.most_long[left]) * gain)
        self.short[left] += np.log1p(-np.minimum(stake, self.most_short[left]) * gain)
        # Fortunes are monotone in the candidate, so that what is rejected lies at the ends.
        below = int((self.long[left] >= self.goal).sum())
        above = int((self.short[left] >= self.goal).sum())
        self.first = min(self.first + below, self.last)
        self.last = max(self.last - above, self.first)

    @property
    def low(self) -> float:
        """The greatest candidate rejected from below, or -1."""
        return float(self.candidates[max(self.first - 1, 0)])

    @property
    def high(self) -> float:
        """The least candidate rejected from above, or 1."""
        return float(self.candidates[min(self.last + 1, len(self.candidates) - 1)])
