"""What a comparison can see: smallest detectable effects and the items it would take."""

from __future__ import annotations

from math import ceil, log, log1p, sqrt
from typing import Literal

from evalkit.errors import UsageError
from evalkit.stats.clusters import check_share
from evalkit.stats.results import Difference

__all__ = ["items_to_settle", "paired_se", "smallest_detectable_effect"]


def paired_se(items: int, flip_rate: float, design_effect: float = 1.0) -> float:
    """Return the standard error to plan a paired comparison with.

    It is ``sqrt(design_effect * flip_rate / items)``, exact for scores of 0 and 1 whose flips go
    both ways alike, and an upper bound for scores between.

    Args:
        items: how many items both runs answer.
        flip_rate: the share of items expected to score differently, from 0 to 1.
        design_effect: how much clusters widen the variance; for m items a cluster with correlation
            r, 1 + (m - 1) r.
    """
    if items < 1 or not 0 <= flip_rate <= 1 or design_effect <= 0:
        raise UsageError(
            "planning needs 1 item or more, a flip rate from 0 to 1 and a design effect above 0,"
            f" got {items}, {flip_rate} and {design_effect}"
        )
    return sqrt(design_effect * flip_rate / items)


def smallest_detectable_effect(
    se: float, alpha: float = 0.05, power: float = 0.8, sides: Literal[1, 2] = 2
) -> float:
    """Return the true difference that a test finds with probability ``power``.

    The sum of the two normal quantiles times ``se`` (Miller 2024, arXiv 2411.00640).

    Args:
        se: the standard error of the difference, observed or from ``paired_se``; the result is in
            its unit.
        alpha: the test's error rate.
        power: such as 0.8.
        sides: 2 for a plain difference, 1 for non-inferiority, where the result is a distance from
            the margin.
    """
    return _quantiles(alpha, power, sides) * se


def items_to_settle(
    difference: Difference,
    boundary: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.8,
    sides: Literal[1, 2] = 2,
) -> int | None:
    """Return about how many items would tell the observed difference from ``boundary``.

    It takes the observed difference and spread for the true ones and scales clusters with the
    items.

    Args:
        difference: the comparison that was inconclusive.
        boundary: 0 for a plain difference, ``-margin`` for non-inferiority, the nearer margin for
            equivalence.
        alpha: the test's error rate.
        power: the probability with which that many items settle it.
        sides: 2 for a plain difference, 1 for a margin.

    Returns:
        Items in all, of both runs together when they are unpaired; ``None`` when no number would
        do, because the observed difference lies on the boundary or the only cluster shows no
        spread.
    """
    reach = _quantiles(alpha, power, sides)
    if difference.df is None:
        if boundary == 0:
            return None
        share = min(abs(boundary) / difference.unit, 1 - 1e-12)
        clusters = ceil(log(alpha / sides) / log1p(-share))
        return ceil(clusters * difference.n / difference.n_clusters)
    distance = abs(difference.difference - boundary)
    if difference.se is None or distance == 0:
        return None
    return ceil(difference.n * (reach * difference.spread / distance) ** 2)


def _quantiles(alpha: float, power: float, sides: int) -> float:
    """Return how many standard errors a true effect must lie away."""
    from scipy.special import ndtri

    check_share("alpha", alpha)
    check_share("power", power)
    return float(ndtri(1 - alpha / sides) + ndtri(power))
