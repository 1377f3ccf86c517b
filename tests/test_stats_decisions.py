"""Verdicts with a margin, many tests at once, and planning."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from evalkit.errors import UsageError
from evalkit.stats import (
    Difference,
    equivalence,
    holm,
    items_to_settle,
    non_inferiority,
    paired_difference,
    paired_se,
    smallest_detectable_effect,
)


def _difference(center: float, spread: float = 0.01, n: int = 1000) -> Difference:
    """Return a comparison whose reference distribution is all but normal."""
    return Difference(
        difference=center,
        low=center - 1.96 * spread,
        high=center + 1.96 * spread,
        se=spread,
        p=1.0,
        n=n,
        n_clusters=n,
        n_differ=n // 10,
        confidence=0.95,
        method="made up",
        center=center,
        spread=spread,
        df=1e6,
    )


def test_holm_on_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
    with pytest.raises(UsageError, match="p-values must lie"):
        holm([1.2])


@pytest.mark.parametrize(
    ("center", "outcome"),
    [
        (0.05, "pass"),
        (-0.012, "pass"),
        (-0.02, "inconclusive"),
        (-0.04, "inconclusive"),
        (-0.05, "fail"),
    ],
)
def test_non_inferiority_has_three_outcomes(center: float, outcome: str) -> None:
    verdict = non_inferiority(_difference(center), margin=0.03)
    assert verdict.outcome == outcome
    assert (verdict.outcome == "pass") == (verdict.low > -0.03)
    assert (verdict.outcome == "fail") == (verdict.high < -0.03)


def test_a_regression_beyond_the_margin_fails() -> None:
    verdict = non_inferiority(_difference(-0.06), margin=0.03)
    assert verdict.outcome == "fail"
    assert verdict.p_fail == pytest.approx(0.00135, rel=0.01)
    assert verdict.p_pass == pytest.approx(1 - 0.00135, rel=0.01)


@pytest.mark.parametrize(
    ("center", "outcome"),
    [(0.0, "pass"), (0.05, "fail"), (-0.05, "fail"), (0.02, "inconclusive")],
)
def test_equivalence_looks_both_ways(center: float, outcome: str) -> None:
    verdict = equivalence(_difference(center), margin=0.03)
    assert verdict.outcome == outcome
    assert (verdict.outcome == "pass") == (verdict.low > -0.03 and verdict.high < 0.03)


def test_a_large_p_value_is_not_equivalence() -> None:
    vague = _difference(0.0, spread=0.05)
    assert vague.p_above(0.0) == pytest.approx(0.5)
    assert equivalence(vague, margin=0.03).outcome == "inconclusive"
    assert non_inferiority(vague, margin=0.03).outcome == "inconclusive"


def test_one_sided_p_values_equal_scipy() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random(60), rng.random(60)
    found = paired_difference(first.tolist(), second.tolist())
    theirs = ttest_1samp(first - second, -0.1, alternative="greater").pvalue
    assert non_inferiority(found, 0.1).p_pass == pytest.approx(theirs)
    upper = ttest_1samp(first - second, 0.1, alternative="less").pvalue
    assert equivalence(found, 0.1).p_pass == pytest.approx(max(theirs, upper))
    interval = ttest_1samp(first - second, 0).confidence_interval(0.9)
    verdict = non_inferiority(found, 0.1)
    assert (verdict.low, verdict.high) == pytest.approx(tuple(interval))


@pytest.mark.parametrize(
    ("n", "outcome"), [(100, "inconclusive"), (298, "inconclusive"), (299, "pass")]
)
def test_no_flip_passes_only_with_enough_items(n: int, outcome: str) -> None:
    """0.99**299 is the first power of 0.99 below 0.05."""
    same = paired_difference([1.0] * n, [1.0] * n)
    verdict = non_inferiority(same, margin=0.01)
    assert verdict.outcome == equivalence(same, margin=0.01).outcome == outcome
    assert (verdict.low > -0.01) == (outcome == "pass")
    settled = items_to_settle(same, -0.01, sides=1)
    assert settled == 299


@pytest.mark.parametrize(("margin", "alpha"), [(0.0, 0.05), (-0.01, 0.05), (0.01, 0.5), (0.01, 5)])
def test_impossible_margins_are_refused(margin: float, alpha: float) -> None:
    for test in (non_inferiority, equivalence):
        with pytest.raises(UsageError):
            test(_difference(0.0), margin, alpha)


@pytest.mark.parametrize(
    ("items", "flip_rate", "points"),
    [(900, 0.02, 1.3), (900, 0.1, 3.0), (5349, 0.05, 0.9), (218, 0.05, 4.2), (4000, 0.1, 1.4)],
)
def test_detectable_effects_of_known_benchmarks(
    items: int, flip_rate: float, points: float
) -> None:
    effect = smallest_detectable_effect(paired_se(items, flip_rate))
    assert 100 * effect == pytest.approx(points, abs=0.06)


def test_what_planning_takes_into_account() -> None:
    se = paired_se(1000, 0.05)
    assert paired_se(1000, 0.05, design_effect=1.6) == pytest.approx(1.6**0.5 * se)
    assert smallest_detectable_effect(1.0) == pytest.approx(1.959964 + 0.841621, abs=1e-5)
    assert smallest_detectable_effect(1.0, sides=1) == pytest.approx(1.644854 + 0.841621, abs=1e-5)
    assert smallest_detectable_effect(1.0, power=0.5) == pytest.approx(1.959964, abs=1e-5)
    for wrong in ((0, 0.1, 1.0), (10, 1.1, 1.0), (10, 0.1, 0.0)):
        with pytest.raises(UsageError):
            paired_se(*wrong)
    with pytest.raises(UsageError, match="power"):
        smallest_detectable_effect(1.0, power=80)


def test_that_many_items_make_the_effect_detectable() -> None:
    found = _difference(0.015, spread=0.01, n=1000)
    items = items_to_settle(found)
    assert items is not None
    shrunk = 0.01 * (1000 / items) ** 0.5
    assert smallest_detectable_effect(shrunk) == pytest.approx(0.015, rel=1e-3)
    nearer, other_side = items_to_settle(found, -0.01, sides=1), items_to_settle(found, 0.04)
    assert nearer is not None
    assert nearer < items
    assert other_side == pytest.approx(items * (0.015 / 0.025) ** 2, abs=1)


def test_some_comparisons_never_settle() -> None:
    assert items_to_settle(_difference(0.0)) is None
    same = paired_difference([1.0] * 30, [1.0] * 30)
    assert items_to_settle(same) is None
    one_video = paired_difference([1.0, 0.0], [0.0, 0.0], ["v", "v"])
    assert items_to_settle(one_video) is None


def test_clusters_count_when_nothing_flips() -> None:
    same = paired_difference([1.0] * 300, [1.0] * 300, [f"page-{at // 3}" for at in range(300)])
    assert items_to_settle(same, -0.01, sides=1) == 3 * 299
