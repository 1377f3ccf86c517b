"""Two runs' difference: against scipy's tests, the published formulas, and at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, t, ttest_ind, ttest_rel

from evalkit.errors import UsageError
from evalkit.stats import flip_rate, mcnemar_exact, paired_difference, unpaired_difference


def _flips(n: int, better: int, worse: int) -> tuple[list[float], list[float]]:
    """Return two runs of ``n`` items of which the first wins ``better`` and loses ``worse``."""
    first = [1.0] * better + [0.0] * worse + [1.0] * (n - better - worse)
    second = [0.0] * better + [1.0] * worse + [1.0] * (n - better - worse)
    return first, second


@pytest.mark.parametrize(("n01", "n10"), [(0, 0), (0, 5), (3, 9), (12, 12), (40, 61)])
def test_mcnemar_equals_the_binomial_test(n01: int, n10: int) -> None:
    total = n01 + n10
    expected = binomtest(n01, total, 0.5).pvalue if total else 1.0
    assert mcnemar_exact(n01, n10) == pytest.approx(expected)
    assert mcnemar_exact(n10, n01) == mcnemar_exact(n01, n10)


def test_many_flips_equal_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random(80), rng.random(80)
    found = paired_difference(first.tolist(), second.tolist())
    theirs = ttest_rel(first, second)
    assert found.p == pytest.approx(theirs.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval()))
    assert found.difference == pytest.approx(first.mean() - second.mean())
    assert (found.n, found.n_differ, found.method) == (80, 80, "Student, paired")


def test_few_binary_flips_get_mcnemar_and_the_bonett_price_interval() -> None:
    n, better, worse = 500, 2, 9
    found = paired_difference(*_flips(n, better, worse))
    assert found.p == pytest.approx(binomtest(2, 11, 0.5).pvalue)
    assert found.method == "Bonett-Price interval, exact McNemar p"
    up, down = (better + 1) / (n + 2), (worse + 1) / (n + 2)
    reach = t.ppf(0.975, n - 1) * ((up + down - (up - down) ** 2) / (n + 1)) ** 0.5
    assert (found.low, found.high) == pytest.approx((up - down - reach, up - down + reach))
    assert found.difference == pytest.approx(-7 / 500)
    assert found.n_differ == 11


def test_the_rule_turns_at_25_differing_clusters() -> None:
    assert "McNemar" in paired_difference(*_flips(500, 12, 12)).method
    assert paired_difference(*_flips(500, 12, 13)).method == "Student, paired"
    first, second = _flips(500, 20, 28)
    pages = [f"page-{at // 2}" for at in range(500)]
    assert paired_difference(first, second, pages).method == "Bonett-Price"


def test_mcnemar_needs_binary_scores_and_no_clusters() -> None:
    first, second = _flips(100, 1, 8)
    half = [score / 2 for score in first], [score / 2 for score in second]
    assert paired_difference(*half).method == "Bonett-Price"
    assert "McNemar" not in paired_difference(first, second, ["a", "a", *[""] * 98]).method


def test_whole_clusters_that_flip_together_are_not_many_flips() -> None:
    pages = [f"page-{at // 5}" for at in range(500)]
    first, second = _flips(500, 0, 25)
    found = paired_difference(first, second, pages)
    assert mcnemar_exact(0, 25) < 1e-6
    assert found.p == pytest.approx(mcnemar_exact(0, 5), abs=0.01)
    assert found.low < -0.05 < found.high


def test_no_flip_bounds_what_may_have_been_missed() -> None:
    found = paired_difference(*_flips(300, 0, 0))
    reach = 1 - 0.025 ** (1 / 300)
    assert (found.difference, found.p, found.df) == (0.0, 1.0, None)
    assert (found.low, found.high) == pytest.approx((-reach, reach))
    # The chance of 300 clean items when one in a hundred differs.
    assert found.p_above(-0.01) == pytest.approx(0.99**300)
    assert found.p_above(0.0) == found.p_below(0.0) == found.p_below(-0.01) == 1.0
    pages = [f"page-{at // 3}" for at in range(300)]
    assert paired_difference(*_flips(300, 0, 0), pages).high == pytest.approx(
        1 - 0.025 ** (1 / 100)
    )


def test_one_cluster_proves_nothing() -> None:
    found = paired_difference(*_flips(40, 40, 0), ["video"] * 40)
    assert (found.difference, found.se, found.low, found.high) == (1.0, None, -1.0, 1.0)
    assert found.p >= 0.5


def test_every_item_flipping_alike_is_sure_but_not_certain() -> None:
    found = paired_difference(*_flips(50, 50, 0))
    assert 0.8 < found.low < 1.0 == found.high
    assert 0 < found.p < 1e-9


def test_swapping_the_runs_mirrors_everything() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.random(60).tolist(), rng.random(60).tolist()
    pages = [f"page-{at // 2}" for at in range(60)]
    one, two = paired_difference(first, second, pages), paired_difference(second, first, pages)
    assert (two.difference, two.low, two.high) == pytest.approx(
        (-one.difference, -one.high, -one.low)
    )
    assert two.p == pytest.approx(one.p)
    assert two.p_above(0.01) == pytest.approx(one.p_below(-0.01))


def test_unpaired_equals_agresti_caffo_on_binary_scores() -> None:
    first, second = [1.0] * 18 + [0.0] * 2, [1.0] * 9 + [0.0] * 16
    found = unpaired_difference(first, second)
    assert found.se is not None
    assert found.difference == pytest.approx(0.9 - 0.36)
    # The effective number of items is n - 1: the sample variance divides by it.
    up, down = (19 * 0.9 + 1) / 21, (24 * 0.36 + 1) / 26
    assert found.center == pytest.approx(up - down)
    assert found.spread**2 == pytest.approx(up * (1 - up) / 21 + down * (1 - down) / 26)
    assert found.low < found.difference < found.high


def test_unpaired_nears_welch_with_many_items() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.random(4000), rng.random(3000) ** 1.05
    found = unpaired_difference(first.tolist(), second.tolist())
    theirs = ttest_ind(first, second, equal_var=False)
    assert found.p == pytest.approx(theirs.pvalue, rel=0.02)
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval()), abs=1e-4)
    assert (found.n, found.n_differ) == (7000, None)


def test_pairing_sees_what_two_separate_runs_cannot() -> None:
    first, second = _flips(1000, 10, 40)
    assert paired_difference(first, second).p < 1e-4
    halves = [1.0] * 500 + [0.0] * 500
    worse = [0.0] * 40 + [1.0] * 470 + [0.0] * 490
    assert unpaired_difference(worse, halves).p > 0.1
    assert paired_difference(worse, halves).p < 1e-4


def test_unpaired_edges() -> None:
    certain = unpaired_difference([1.0] * 5, [0.0] * 5)
    assert (certain.se, certain.high) == (0.0, 1.0)
    assert 0.001 < certain.p < 0.05
    assert 0 < certain.low < 1
    assert unpaired_difference([1.0], [0.0]).p > 0.3
    one_page = unpaired_difference([1.0] * 20, [1.0] * 20, ["a"] * 20, ["b"] * 20)
    assert one_page.se is None
    assert one_page.high > 0.9
    pages = [f"page-{at // 4}" for at in range(40)]
    scores = [float(at // 4 % 2) for at in range(40)]
    tied, loose = (
        unpaired_difference(scores, scores, pages, pages),
        unpaired_difference(scores, scores),
    )
    assert tied.high > 1.8 * loose.high


def test_flip_rate_counts_every_change() -> None:
    assert flip_rate([1.0, 0.0, 0.5, 1.0], [1.0, 1.0, 0.25, 1.0]) == 0.5


def test_mistakes_are_one_line() -> None:
    with pytest.raises(UsageError, match="2 scores against 1: pair the runs by item first"):
        paired_difference([1.0, 0.0], [1.0])
    with pytest.raises(UsageError, match="no scores"):
        paired_difference([], [])
    with pytest.raises(UsageError, match="cannot be negative"):
        mcnemar_exact(-1, 3)
    with pytest.raises(UsageError, match="confidence"):
        paired_difference([1.0], [0.0], confidence=1.0)
