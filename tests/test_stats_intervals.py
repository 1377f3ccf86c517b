"""One run's interval: against scipy, against the matrix form of CR2, and at the edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import binomtest, t

from evalkit.errors import UsageError
from evalkit.stats import mean_interval
from evalkit.stats.clusters import cluster_codes, cluster_totals, clustered_mean
from evalkit.stats.intervals import share_bounds, wilson_bounds


def _matrix_cr2(values: Any, codes: Any) -> tuple[float, float]:
    """Return CR2's standard error and Bell and McCaffrey's df by the definition, with matrices."""
    n = len(values)
    ones = np.ones(n)
    keep = np.eye(n) - np.outer(ones, ones) / n
    residuals = keep @ values
    variance, pulls = 0.0, []
    for code in range(codes.max() + 1):
        inside = codes == code
        size = int(inside.sum())
        power, vectors = np.linalg.eigh(np.eye(size) - np.ones((size, size)) / n)
        adjust = vectors @ np.diag(power**-0.5) @ vectors.T
        variance += float(ones[inside] @ adjust @ residuals[inside] / n) ** 2
        pulls.append(keep[:, inside] @ adjust @ ones[inside] / n)
    eigenvalues = np.linalg.eigvalsh(np.array(pulls) @ np.array(pulls).T)
    return variance**0.5, float(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())


def test_standard_error_and_df_equal_the_matrix_form_of_cr2() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(9), [1, 1, 2, 3, 3, 5, 8, 13, 1])
    values = rng.random(len(codes))
    found = clustered_mean(*cluster_totals(values, codes))
    se, df = _matrix_cr2(values, codes)
    assert found.se == pytest.approx(se, rel=1e-10)
    assert found.df == pytest.approx(df, rel=1e-10)
    assert found.df < found.n_clusters - 2


def test_equal_clusters_equal_miller_with_the_small_sample_factor() -> None:
    rng = np.random.default_rng(1)
    scores = rng.random((40, 3))
    residuals = scores - scores.mean()
    within = sum(float(row @ row) for row in residuals)
    across = sum(float(row.sum() ** 2 - row @ row) for row in residuals)
    found = clustered_mean(*cluster_totals(scores.ravel(), np.repeat(np.arange(40), 3)))
    assert found.se is not None
    assert found.se**2 == pytest.approx((within + across) / 120**2 * 40 / 39)
    assert found.df == pytest.approx(39)


def test_without_clusters_it_is_the_textbook_standard_error() -> None:
    values = np.random.default_rng(2).random(50)
    found = mean_interval(values.tolist())
    assert found.se == pytest.approx(values.std(ddof=1) / 50**0.5)
    assert (found.n, found.n_clusters, found.method) == (50, 50, "Wilson")


@pytest.mark.parametrize(("right", "n"), [(1, 20), (95, 100), (411, 900)])
def test_wilson_equals_scipy_on_independent_trials(right: int, n: int) -> None:
    p = right / n
    low, high = wilson_bounds(p, (p * (1 - p) / n) ** 0.5, float(ndtri(0.975)))
    theirs = binomtest(right, n).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize(("right", "n"), [(0, 7), (7, 7), (3, 20)])
def test_share_bounds_equal_scipy(right: int, n: int) -> None:
    theirs = binomtest(right, n).proportion_ci(method="exact")
    assert share_bounds(right, n, 0.95) == pytest.approx((theirs.low, theirs.high))


def test_the_interval_is_plain_in_the_middle_and_stays_on_the_scale_at_the_edge() -> None:
    middle = mean_interval([1.0, 0.0] * 2000)
    assert middle.se is not None
    assert middle.high - middle.mean == pytest.approx(1.96 * middle.se, rel=2e-3)
    edge = mean_interval([1.0] * 29 + [0.0])
    assert edge.mean < edge.high < 1
    assert edge.mean - edge.low > edge.high - edge.mean


def test_clusters_widen_what_they_hold_alike() -> None:
    scores = [float(at % 5 > 0) for at in range(60) for _ in range(4)]
    clusters = [f"page-{at}" for at in range(60) for _ in range(4)]
    alone, together = mean_interval(scores), mean_interval(scores, clusters)
    assert alone.se is not None
    assert together.se == pytest.approx(alone.se * 2, rel=0.02)
    assert together.n_clusters == 60
    assert together.method == "Wilson, clustered"


def test_all_right_is_not_certainty_and_counts_clusters_as_trials() -> None:
    alone = mean_interval([1.0] * 20)
    assert (alone.low, alone.high) == pytest.approx((0.025 ** (1 / 20), 1))
    assert alone.method == "Clopper-Pearson, clusters as trials"
    together = mean_interval([1.0] * 20, [f"clip-{at // 5}" for at in range(20)])
    assert together.low == pytest.approx(0.025 ** (1 / 4))
    assert together.se == 0.0


def test_one_cluster_has_no_standard_error_and_a_very_wide_interval() -> None:
    found = mean_interval([1.0, 0.0, 1.0, 1.0], ["one"] * 4)
    assert found.se is None
    assert found.low < 0.05
    assert found.high > 0.95
    assert mean_interval([1.0]).low == pytest.approx(0.025)


def test_clusters_that_agree_without_spread_are_not_certain() -> None:
    found = mean_interval([1.0, 0.0] * 30, [f"pair-{at // 2}" for at in range(60)])
    assert found.se == 0.0
    assert found.high - found.low > 0.3


def test_rounding_is_no_spread() -> None:
    found = mean_interval([0.1] * 30)
    assert found.se == 0.0
    assert (found.low, found.high) == pytest.approx(share_bounds(3, 30, 0.95))


def test_few_clusters_use_student_with_one_degree_less() -> None:
    scores = [1.0, 0.5, 0.5, 0.0, 1.0, 1.0, 0.5, 0.25]
    found = mean_interval(scores, list("aabbccdd"))
    assert found.se is not None
    expected = wilson_bounds(found.mean, found.se, float(t.ppf(0.975, 3)))
    assert (found.low, found.high) == pytest.approx(expected)


def test_an_empty_cluster_is_an_item_of_its_own() -> None:
    assert cluster_codes(["", "a", "", "a"], 4).tolist() == [0, 1, 2, 1]
    assert mean_interval([1.0, 0.0, 1.0], ["", "", ""]) == mean_interval([1.0, 0.0, 1.0])


def test_confidence_widens() -> None:
    scores = [1.0, 0.0, 0.5] * 20
    wide, narrow = mean_interval(scores, confidence=0.99), mean_interval(scores, confidence=0.8)
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([], "no scores"),
        ([1.0, 73.5], "item 1 is 73.5: divide percents"),
        ([float("nan")], "item 0 is nan"),
        ([0.5, None], "item 1 is None"),
        ([-0.1], "from 0 to 1"),
    ],
)
def test_scores_that_are_none_are_refused(scores: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        mean_interval(scores)


def test_other_mistakes_are_one_line() -> None:
    with pytest.raises(UsageError, match="2 scores but 1 labels"):
        mean_interval([1.0, 0.0], ["a"])
    with pytest.raises(UsageError, match=r"confidence must lie between 0 and 1, got 95"):
        mean_interval([1.0], confidence=95)
