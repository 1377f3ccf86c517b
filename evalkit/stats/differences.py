"""The difference between two runs: on the same items, or on different ones."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from math import hypot, sqrt
from typing import TYPE_CHECKING, NamedTuple

from evalkit.errors import UsageError
from evalkit.stats.clusters import (
    as_scores,
    check_share,
    cluster_codes,
    cluster_totals,
    clustered_mean,
)
from evalkit.stats.results import Difference

if TYPE_CHECKING:
    from evalkit.stats.clusters import ClusteredMean, Codes, Floats

__all__ = [
    "FEW",
    "differing_clusters",
    "flip_rate",
    "mcnemar_exact",
    "paired_difference",
    "paired_scores",
    "unpaired_difference",
    "weighted_difference",
]

FEW = 25
"""Below this many differing clusters a normal approximation is not trusted: McNemar's own limit."""


def mcnemar_exact(n01: int, n10: int) -> float:
    """Return the exact two-sided p-value of McNemar 1947.

    Small when the two kinds of disagreement are not equally likely.

    Args:
        n01: items that only the second run has right.
        n10: items that only the first run has right.
    """
    from scipy.special import bdtr

    if min(n01, n10) < 0:
        raise UsageError(f"counts of disagreements cannot be negative, got {n01} and {n10}")
    return min(1.0, 2 * float(bdtr(min(n01, n10), n01 + n10, 0.5)))


def paired_scores(a: Sequence[float], b: Sequence[float]) -> tuple[Floats, Floats]:
    """Return two runs' scores of the same items as arrays, or raise a UsageError."""
    if len(a) != len(b):
        raise UsageError(f"{len(a)} scores against {len(b)}: pair the runs by item first")
    return as_scores(a), as_scores(b)


def flip_rate(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the share of items that two runs score differently, from 0 to 1."""
    first, second = paired_scores(a, b)
    return float((first != second).mean())


def differing_clusters(differences: Floats, codes: Codes) -> Codes:
    """Return the clusters in which any item differs."""
    import numpy as np

    return np.unique(codes[differences != 0])


def paired_difference(
    a: Sequence[float],
    b: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> Difference:
    """Return the mean of ``a - b`` over the same items, with interval and p-value.

    The rule, by how many clusters have a difference at all: with 25 or more, a Student interval and
    test of the clustered paired mean (Miller 2024, arXiv 2411.00640). With fewer, the same after
    adding one cluster that differs upwards and one downwards (Bonett & Price 2012), and McNemar's
    exact p-value if no two items share a cluster and all scores are 0 or 1. With none, the exact
    bound on a share that was never seen, each cluster counted as one trial.

    Args:
        a: one run's scores from 0 to 1.
        b: the other's, in the same order.
        clusters: each item's picture or video, as ``cluster_codes`` reads them.
        confidence: such as 0.95.

    Raises:
        UsageError: lengths differ, there is no item, or a score is out of range.
    """
    first, second = paired_scores(a, b)
    codes = cluster_codes(clusters, len(first))
    found = weighted_difference(first - second, codes, confidence)
    binary = bool(((first == 0) | (first == 1)).all() and ((second == 0) | (second == 1)).all())
    if not 0 < (found.n_differ or 0) < FEW or found.n_clusters < found.n or not binary:
        return found
    p = mcnemar_exact(int((first < second).sum()), int((first > second).sum()))
    return replace(found, p=p, method="Bonett-Price interval, exact McNemar p")


def weighted_difference(
    differences: Floats, codes: Codes, confidence: float, unit: float = 1.0
) -> Difference:
    """Return the mean of differences by item, times ``unit``, by the rule of ``paired_difference``.

    Args:
        differences: one number an item; weights other than 1 are already multiplied in.
        codes: each item's cluster.
        confidence: such as 0.95.
        unit: what a mean difference of 1 is worth, such as the number of items for a sum.
    """
    check_share("confidence", confidence)
    totals, sizes = cluster_totals(differences, codes)
    plain = clustered_mean(totals, sizes)
    differing = differing_clusters(differences, codes)
    method, center, spread, df = _reference(totals, sizes, differing)
    return _with_interval(
        Difference(
            difference=plain.mean * unit,
            low=-unit,
            high=unit,
            se=None if plain.se is None else plain.se * unit,
            p=1.0,
            n=len(codes),
            n_clusters=len(sizes),
            n_differ=int((differences != 0).sum()),
            confidence=confidence,
            method=method,
            center=center * unit,
            spread=spread * unit,
            df=df,
            unit=unit,
        )
    )


def _reference(
    totals: Floats, sizes: Floats, differing: Codes
) -> tuple[str, float, float, float | None]:
    """Return method, center, spread and df of a paired mean's reference distribution."""
    import numpy as np

    if len(differing) == 0:
        return "exact bound, no item differs", 0.0, 0.0, None
    plain = clustered_mean(totals, sizes)
    if plain.se is None:
        return "one cluster, no spread to measure", plain.mean, 1.0, plain.df
    if len(differing) >= FEW and plain.se > 0:
        method = "Student, paired and clustered" if len(sizes) < sizes.sum() else "Student, paired"
        return method, plain.mean, plain.se, plain.df
    # As large as the clusters that differ: one item is no match for clusters that flip whole.
    size = max(1.0, float(np.sqrt((totals[differing] ** 2).mean())))
    added = clustered_mean(np.append(totals, [size, -size]), np.append(sizes, [size, size]))
    return "Bonett-Price", added.mean, added.se or 1.0, min(added.df, len(sizes) - 1.0)


def _with_interval(found: Difference) -> Difference:
    """Return a difference with the interval and the p-value of its reference distribution."""
    low, high = found.bounds(found.confidence)
    p = min(1.0, 2 * min(found.p_above(0.0), found.p_below(0.0)))
    return replace(found, low=low, high=high, p=p)


def unpaired_difference(
    a: Sequence[float],
    b: Sequence[float],
    clusters_a: Sequence[Hashable] | None = None,
    clusters_b: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> Difference:
    """Return ``mean(a) - mean(b)`` of runs over different items, with interval and p-value.

    A Welch interval and test after adding one right and one wrong answer to either run (Agresti &
    Caffo 2000), each counted as ``mean * (1 - mean) / se**2`` independent items.

    Args:
        a: one run's scores from 0 to 1.
        b: the other's, over other items.
        clusters_a: the picture or video of each item of ``a``.
        clusters_b: the picture or video of each item of ``b``.
        confidence: such as 0.95.
    """
    check_share("confidence", confidence)
    runs = [_side(a, clusters_a), _side(b, clusters_b)]
    (first, second), variances = [run.plain for run in runs], [run.variance for run in runs]
    df = sum(variances) ** 2 / sum(run.variance**2 / run.plain.df for run in runs)
    return _with_interval(
        Difference(
            difference=first.mean - second.mean,
            low=-1.0,
            high=1.0,
            se=None if None in (first.se, second.se) else hypot(first.se or 0, second.se or 0),
            p=1.0,
            n=len(a) + len(b),
            n_clusters=first.n_clusters + second.n_clusters,
            n_differ=None,
            confidence=confidence,
            method="Agresti-Caffo",
            center=runs[0].mean - runs[1].mean,
            spread=sqrt(sum(variances)),
            df=df,
        )
    )


class _Side(NamedTuple):
    """One run of an unpaired comparison."""

    plain: ClusteredMean
    """Its mean as it is."""
    mean: float
    """Its mean after one right and one wrong answer were added."""
    variance: float
    """The variance of that mean."""


def _side(values: Sequence[float], clusters: Sequence[Hashable] | None) -> _Side:
    """Return one run of an unpaired comparison."""
    scores = as_scores(values)
    codes = cluster_codes(clusters, len(scores))
    plain = clustered_mean(*cluster_totals(scores, codes))
    items = plain.mean * (1 - plain.mean) / plain.se**2 if plain.se else plain.n_clusters
    mean = (items * plain.mean + 1) / (items + 2)
    return _Side(plain, mean, mean * (1 - mean) / (items + 2))
