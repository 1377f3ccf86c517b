"""The ground of every estimate: checked scores, clusters, and the clustered mean of a sample."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = [
    "ClusteredMean",
    "as_scores",
    "check_share",
    "cluster_codes",
    "cluster_totals",
    "clustered_mean",
    "label_codes",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusteredMean:
    """The mean of items that come in clusters."""

    mean: float
    """The mean over items."""
    se: float | None
    """Its standard error; ``None`` with fewer than two clusters."""
    df: float
    """Degrees of freedom for a Student quantile, at least 1."""
    n_clusters: int
    """How many clusters there are."""


def as_scores(values: Sequence[float], low: float = 0.0) -> Floats:
    """Return scores as an array.

    Args:
        values: scores between ``low`` and 1.
        low: the least score allowed.

    Raises:
        UsageError: there is none, or one is missing or out of range.
    """
    import numpy as np

    scores = np.asarray(values, dtype=np.float64)
    if scores.size == 0:
        raise UsageError("no scores to summarise: give at least one")
    good = (scores >= low) & (scores <= 1)
    if not good.all():
        at = int(np.argmin(good))
        raise UsageError(
            f"scores must be numbers from {low:g} to 1, item {at} is {values[at]}:"
            " divide percents by 100 and decide about unjudged items first"
        )
    return scores


def label_codes(labels: Sequence[Hashable], n: int) -> Codes:
    """Return a number for each item's label, from 0 without gaps.

    Raises:
        UsageError: there are not as many labels as items.
    """
    import numpy as np

    if len(labels) != n:
        raise UsageError(f"{n} scores but {len(labels)} labels: give each score one label")
    codes = {label: code for code, label in enumerate(dict.fromkeys(labels))}
    return np.fromiter(map(codes.__getitem__, labels), dtype=np.intp, count=n)


def cluster_codes(clusters: Sequence[Hashable] | None, n: int) -> Codes:
    """Return a number for each item's cluster, from 0 without gaps.

    An empty string, like ``None`` for all, is a cluster of its own: a task that shares no media
    leaves it empty, and one big cluster would be the opposite of what it means.

    Raises:
        UsageError: there are not as many clusters as items.
    """
    import numpy as np

    if clusters is None:
        return np.arange(n)
    if "" in clusters:
        clusters = [("", at) if name == "" else name for at, name in enumerate(clusters)]
    return label_codes(clusters, n)


def check_share(name: str, value: float) -> None:
    """Raise a UsageError unless a confidence, an error rate or a power lies between 0 and 1."""
    if not 0 < value < 1:
        raise UsageError(f"{name} must lie between 0 and 1, got {value}: 0.95 means 95 %")


def cluster_totals(values: Floats, codes: Codes) -> tuple[Floats, Floats]:
    """Return each cluster's total and size."""
    import numpy as np

    # numpy's types call the weighted counts integers.
    totals = np.bincount(codes, weights=values).astype(np.float64)
    return totals, np.bincount(codes).astype(np.float64)


def clustered_mean(totals: Floats, sizes: Floats) -> ClusteredMean:
    """Return the mean over items of clusters, given each cluster's total and size.

    The variance is the cluster-robust one of Miller 2024 (arXiv 2411.00640), which adds to that of
    independent items the products of residuals within a cluster, with the correction of Bell &
    McCaffrey 2002 (CR2) that makes it unbiased when items are independent: for a mean, each
    cluster's squared residual total over one less its share of the items. With equal sizes this is
    the factor G/(G-1) of Cameron & Miller 2015. The degrees of freedom are Bell & McCaffrey's: G-1
    with equal sizes, fewer when a few clusters hold most items.
    """
    import numpy as np

    n = float(sizes.sum())
    count = len(sizes)
    mean = float(totals.sum()) / n
    if count < 2:
        return ClusteredMean(mean=mean, se=None, df=1.0, n_clusters=count)
    residuals = totals - sizes * mean
    keep = 1 - sizes / n
    se = float(np.sqrt((residuals**2 / keep).sum())) / n
    pull = sizes**2 / (n * keep)
    df = n**2 / float((sizes**2).sum() + pull.sum() ** 2 - (pull**2).sum())
    # Rounding leaves about 1e-17 where all clusters agree, and a quotient by that is certainty.
    se = se if se > 1e-12 else 0.0
    return ClusteredMean(mean=mean, se=se, df=min(max(1.0, df), count - 1.0), n_clusters=count)
