"""Sums and macro averages, whose intervals come from resampling clusters."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from evalkit.errors import UsageError
from evalkit.stats.clusters import (
    as_scores,
    check_share,
    cluster_codes,
    cluster_totals,
    label_codes,
)
from evalkit.stats.differences import (
    FEW,
    differing_clusters,
    paired_scores,
    weighted_difference,
)
from evalkit.stats.intervals import share_bounds
from evalkit.stats.results import Difference, Interval

if TYPE_CHECKING:
    from evalkit.stats.clusters import Codes, Floats

__all__ = ["Statistic", "cluster_bootstrap", "paired_bootstrap"]

CELLS = 500_000
"""Draws held in memory at once."""

Statistic = Literal["sum", "macro"]
"""``sum`` gives points, as OCRBench does; ``macro`` the mean of group means, as MVBench does."""


def cluster_bootstrap(
    values: Sequence[float],
    groups: Sequence[Hashable] | None = None,
    clusters: Sequence[Hashable] | None = None,
    statistic: Statistic = "macro",
    *,
    seed: int = 0,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """Return a sum or macro average of scores with a cluster bootstrap interval.

    Whole clusters are drawn anew, within their group since a benchmark fixes how many questions a
    group has; over all groups together where a cluster reaches into two, over all groups of one
    cluster where there are such. The interval is the expanded percentile interval of Hesterberg
    2015, which undoes the bootstrap's narrowness in small groups.

    Args:
        values: scores from 0 to 1.
        groups: each item's group, such as its category; ``None`` for one group.
        clusters: each item's picture or video, as ``cluster_codes`` reads them.
        statistic: ``sum`` or ``macro``.
        seed: of the resampling; the same seed gives the same interval.
        resamples: how often clusters are drawn anew.
        confidence: such as 0.95.
    """
    plan = _plan(as_scores(values), groups, clusters, statistic)
    if not plan.has_spread:
        return _without_spread(plan, confidence)
    drawn = _resample(plan, seed, resamples, confidence)
    return Interval(
        mean=plan.estimate,
        low=max(0.0, plan.estimate + drawn.low),
        high=min(plan.unit, plan.estimate + drawn.high),
        se=drawn.se,
        n=len(plan.codes),
        n_clusters=len(plan.pulls),
        confidence=confidence,
        method=f"cluster bootstrap, {resamples} resamples, seed {seed}",
    )


def _without_spread(plan: _Plan, confidence: float) -> Interval:
    """Return the interval of scores that no resample can change."""
    check_share("confidence", confidence)
    count = len(plan.pulls)
    low, high = share_bounds(plan.estimate / plan.unit * count, count, confidence)
    return Interval(
        mean=plan.estimate,
        low=low * plan.unit,
        high=high * plan.unit,
        se=0.0 if count > 1 else None,
        n=len(plan.codes),
        n_clusters=count,
        confidence=confidence,
        method="Clopper-Pearson, clusters as trials",
    )


def paired_bootstrap(
    a: Sequence[float],
    b: Sequence[float],
    groups: Sequence[Hashable] | None = None,
    clusters: Sequence[Hashable] | None = None,
    statistic: Statistic = "macro",
    *,
    seed: int = 0,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Difference:
    """Return the difference of two runs' sums or macro averages over the same items.

    Both runs get the same resample: the statistics are linear, so differences by item are drawn.
    P-values use Student's distribution with the bootstrap's standard error. With fewer than 25
    differing clusters the rule of ``paired_difference`` applies: a bootstrap repeats what it saw.

    Args:
        a: one run's scores from 0 to 1; the arguments below are those of ``cluster_bootstrap``.
        b: the other's, in the same order.
    """
    first, second = paired_scores(a, b)
    differences = first - second
    plan = _plan(differences, groups, clusters, statistic)
    scaled = differences * plan.weights * (len(differences) / plan.unit)
    plain = weighted_difference(scaled, plan.codes, confidence, plan.unit)
    if len(differing_clusters(differences, plan.codes)) < FEW or not plan.has_spread:
        return plain
    drawn = _resample(plan, seed, resamples, confidence)
    found = replace(
        plain,
        low=max(-plan.unit, plan.estimate + drawn.low),
        high=min(plan.unit, plan.estimate + drawn.high),
        se=drawn.se,
        method=f"paired cluster bootstrap, {resamples} resamples, seed {seed}",
        center=plan.estimate,
        spread=drawn.se,
        df=drawn.df,
    )
    return replace(found, p=min(1.0, 2 * min(found.p_above(0.0), found.p_below(0.0))))


class _Plan(NamedTuple):
    """A statistic as a weighted sum of items, and what each cluster drawn once more adds to it."""

    estimate: float
    """The statistic."""
    unit: float
    """The statistic when every item counts 1: the sum of the weights."""
    weights: Floats
    """Each item's weight."""
    codes: Codes
    """Each item's cluster."""
    pulls: Floats
    """Each cluster's weighted residuals, summed."""
    strata: Codes
    """What each cluster is drawn among."""

    @property
    def has_spread(self) -> bool:
        """Whether a resample can differ from the sample by more than rounding."""
        return float(abs(self.pulls).max()) > 1e-12


def _plan(
    values: Floats,
    groups: Sequence[Hashable] | None,
    clusters: Sequence[Hashable] | None,
    statistic: Statistic,
) -> _Plan:
    """Return a statistic's plan: its weights, and its clusters with their strata."""
    import numpy as np

    if statistic not in ("sum", "macro"):
        raise UsageError(f"unknown statistic: {statistic}. Known: macro, sum")
    codes = cluster_codes(clusters, len(values))
    members = np.zeros_like(codes) if groups is None else label_codes(groups, len(values))
    sizes = np.bincount(members)
    weights = np.ones(len(values)) if statistic == "sum" else 1 / (len(sizes) * sizes[members])
    pairs = np.unique(codes * len(sizes) + members)
    lonely = np.bincount(pairs % len(sizes)) < 2
    # A group of one cluster shows no spread of its own: such groups are taken together, which
    # overstates it.
    pool = np.where(lonely | (lonely.sum() == 1), len(sizes), np.arange(len(sizes)))
    labels = pool[members]
    centers = np.bincount(labels, weights * values) / np.maximum(
        np.bincount(labels, weights), 1e-300
    )
    pulls, _ = cluster_totals(weights * (values - centers[labels]), codes)
    apart = len(pairs) == len(pulls)
    strata = pool[pairs % len(sizes)] if apart else np.zeros(len(pulls), dtype=np.intp)
    estimate = float(weights @ values)
    unit = float(len(values)) if statistic == "sum" else 1.0
    return _Plan(estimate, unit, weights, codes, pulls, strata)


class _Drawn(NamedTuple):
    """What resampling found, as distances from the estimate."""

    low: float
    """The lower end of the interval."""
    high: float
    """The upper end of the interval."""
    se: float
    """The standard error."""
    df: float
    """Degrees of freedom: clusters less strata."""


def _resample(plan: _Plan, seed: int, resamples: int, confidence: float) -> _Drawn:
    """Return interval and standard error of a plan's statistic over resamples of its clusters."""
    import numpy as np
    from scipy.special import ndtri, stdtrit

    if resamples < 100:
        raise UsageError(f"resamples must be 100 or more, got {resamples}: 2000 is usual")
    check_share("confidence", confidence)
    generator = np.random.default_rng(seed)
    moved = np.zeros(resamples)
    strata = [plan.pulls[plan.strata == at] for at in np.unique(plan.strata)]
    for pulls in strata:
        count = len(pulls)
        # Drawing n of n understates the variance of n - 1 degrees of freedom, most in small strata.
        pulls = pulls * np.sqrt(count / (count - 1))
        chunk = max(1, CELLS // count)
        for start in range(0, resamples, chunk):
            rows = len(moved[start : start + chunk])
            draws = generator.integers(count, size=(rows, count), dtype=np.int32)
            moved[start : start + chunk] += pulls[draws].sum(axis=1)
    df = float(len(plan.pulls) - len(strata))
    tail = (1 - confidence) / 2
    wide = float(stdtrit(df, 1 - tail) / ndtri(1 - tail))
    low, high = np.quantile(moved, [tail, 1 - tail]) * wide
    return _Drawn(float(low), float(high), float(moved.std()), df)
