"""The mean score of one run with its interval."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import sqrt

from evalkit.stats.clusters import (
    as_scores,
    check_share,
    cluster_codes,
    cluster_totals,
    clustered_mean,
)
from evalkit.stats.results import Interval

__all__ = ["mean_interval", "share_bounds", "wilson_bounds"]


def share_bounds(successes: float, trials: float, confidence: float) -> tuple[float, float]:
    """Return the exact bounds of a share (Clopper & Pearson 1934); counts may be fractions."""
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    failures = trials - successes
    low = float(betaincinv(successes, failures + 1, tail)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, failures, 1 - tail)) if failures > 0 else 1.0
    return low, high


def wilson_bounds(mean: float, se: float, quantile: float) -> tuple[float, float]:
    """Return the score interval of a mean between 0 and 1, written with its standard error.

    Wilson 1927 with the effective number of items ``mean * (1 - mean) / se**2`` in place of the
    number of items, as Dean & Pagano 2015 do for clustered samples. It is the plain interval,
    ``mean ± quantile * se``, where that is short, and it keeps its coverage near 0 and 1, where
    the plain one loses it and leaves the scale.
    """
    variance = mean * (1 - mean)
    ratio = (quantile * se) ** 2 / variance
    middle = (mean + ratio / 2) / (1 + ratio)
    reach = quantile * se * sqrt(1 + ratio / (4 * variance)) / (1 + ratio)
    return max(0.0, float(middle - reach)), min(1.0, float(middle + reach))


def mean_interval(
    values: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> Interval:
    """Return the mean of scores between 0 and 1, how sure it is, and by which method.

    The standard error is clustered (see ``clustered_mean``), the interval is Wilson's with a
    Student quantile. Where the scores show no spread (all alike, or all in one cluster) it is
    Clopper and Pearson's with each cluster counted as one trial.

    Args:
        values: scores from 0 to 1.
        clusters: each item's picture or video, as ``cluster_codes`` reads them.
        confidence: such as 0.95.

    Raises:
        UsageError: there is no score, one is out of range, or the clusters are not as many.
    """
    from scipy.special import stdtrit

    check_share("confidence", confidence)
    scores = as_scores(values)
    found = clustered_mean(*cluster_totals(scores, cluster_codes(clusters, len(scores))))
    if found.se:
        bounds = wilson_bounds(found.mean, found.se, stdtrit(found.df, (1 + confidence) / 2))
        method = "Wilson, clustered" if found.n_clusters < len(scores) else "Wilson"
    else:
        bounds = share_bounds(found.mean * found.n_clusters, found.n_clusters, confidence)
        method = "Clopper-Pearson, clusters as trials"
    return Interval(
        mean=found.mean,
        low=bounds[0],
        high=bounds[1],
        se=found.se,
        n=len(scores),
        n_clusters=found.n_clusters,
        confidence=confidence,
        method=method,
    )
