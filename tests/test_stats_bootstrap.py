"""Sums and macro averages: the statistic, its spread against formulas, seeds and edges."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from evalkit.errors import UsageError
from evalkit.stats import cluster_bootstrap, mean_interval, paired_bootstrap, paired_difference

RNG = np.random.default_rng(0)
SCORES = [round(float(score), 3) for score in RNG.random(600)]
OTHER = [
    round(float(score), 3) if RNG.random() < 0.2 else old
    for score, old in zip(RNG.random(600), SCORES, strict=True)
]
GROUPS = ["short"] * 100 + ["medium"] * 200 + ["long"] * 300
CLIPS = [f"clip-{at // 4}" for at in range(600)]


def _macro(scores: list[float]) -> float:
    return sum(float(np.mean(part)) for part in (scores[:100], scores[100:300], scores[300:])) / 3


def _macro_se(scores: list[float], size: int = 1) -> float:
    """Return the macro average's standard error from that of each group's mean over clusters."""
    variance = 0.0
    for part in (scores[:100], scores[100:300], scores[300:]):
        means = np.array(part).reshape(-1, size).mean(axis=1)
        variance += float(means.var(ddof=1)) / len(means) / 9
    return variance**0.5


def test_a_macro_average_weighs_groups_alike() -> None:
    found = cluster_bootstrap(SCORES, GROUPS)
    assert found.mean == pytest.approx(_macro(SCORES))
    assert found.se == pytest.approx(_macro_se(SCORES), rel=0.05)
    assert found.high - found.low == pytest.approx(2 * 1.96 * _macro_se(SCORES), rel=0.06)


def test_clusters_are_drawn_whole() -> None:
    tied = [score for score in SCORES[::4] for _ in range(4)]
    found = cluster_bootstrap(tied, GROUPS, CLIPS)
    assert found.se == pytest.approx(_macro_se(tied, 4), rel=0.05)
    assert found.se == pytest.approx(2 * (cluster_bootstrap(tied, GROUPS).se or 0), rel=0.08)
    assert (found.n, found.n_clusters) == (600, 150)


def test_a_sum_is_in_points() -> None:
    found = cluster_bootstrap(SCORES, statistic="sum")
    plain = mean_interval(SCORES)
    assert plain.se is not None
    assert found.mean == pytest.approx(sum(SCORES))
    assert found.se == pytest.approx(600 * plain.se, rel=0.05)
    assert (found.low, found.high) == pytest.approx((600 * plain.low, 600 * plain.high), rel=0.01)


def test_strata_hold_the_share_of_each_group_fixed() -> None:
    apart = [1.0] * 150 + [0.0] * 150
    groups = ["easy"] * 145 + ["hard"] * 155
    within, across = cluster_bootstrap(apart, groups), cluster_bootstrap(apart)
    assert within.se is not None
    assert across.se is not None
    assert within.se < across.se / 4


def test_small_groups_are_not_narrow() -> None:
    rng = np.random.default_rng(1)
    groups = [f"g{at // 3}" for at in range(300)]
    scores = rng.random(300)
    spread = scores.reshape(100, 3).var(axis=1, ddof=1).sum() / 3 / 100**2
    assert cluster_bootstrap(scores.tolist(), groups).se == pytest.approx(spread**0.5, rel=0.05)


def test_few_clusters_get_the_width_of_student() -> None:
    scores = [at / 10 for at in range(1, 10)]
    found = cluster_bootstrap(scores, resamples=20_000)
    assert found.se is not None
    assert found.high - found.low == pytest.approx(2 * t.ppf(0.975, 8) * found.se, rel=0.02)


def test_clusters_that_reach_into_several_groups_are_drawn_over_all() -> None:
    groups = ["odd", "even"] * 300
    tied = [score for score in SCORES[::4] for _ in range(4)]
    found = cluster_bootstrap(tied, groups, CLIPS)
    assert found.mean == pytest.approx(float(np.mean(tied)))
    assert found.se == pytest.approx(mean_interval(tied, CLIPS).se, rel=0.05)


def test_groups_of_one_cluster_are_pooled() -> None:
    scores = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0] * 5
    alone = cluster_bootstrap(scores, [f"g{at}" for at in range(40)])
    assert alone.se == pytest.approx(mean_interval(scores).se, rel=0.06)
    one_more = cluster_bootstrap([*scores, 1.0], ["big"] * 40 + ["small"])
    assert one_more.mean == pytest.approx((0.625 + 1) / 2)
    assert one_more.se is not None
    assert one_more.se > 0.1


def test_the_seed_decides() -> None:
    first = cluster_bootstrap(SCORES, GROUPS, CLIPS, seed=7)
    assert first == cluster_bootstrap(SCORES, GROUPS, CLIPS, seed=7)
    assert first.low != cluster_bootstrap(SCORES, GROUPS, CLIPS, seed=8).low
    assert first.method == "cluster bootstrap, 2000 resamples, seed 7"


def test_memory_chunks_do_not_change_the_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cluster_bootstrap(SCORES, GROUPS)
    monkeypatch.setattr("evalkit.stats.bootstrap.CELLS", 1000)
    assert cluster_bootstrap(SCORES, GROUPS).se == pytest.approx(whole.se, rel=0.06)


def test_no_spread_falls_back_to_the_exact_bound() -> None:
    found = cluster_bootstrap([1.0] * 50, statistic="sum")
    assert (found.mean, found.high) == (50.0, 50.0)
    assert found.low == pytest.approx(50 * 0.025 ** (1 / 50))
    assert cluster_bootstrap([1.0, 0.0], clusters=["a", "a"]).se is None


def test_the_paired_form_resamples_both_runs_alike() -> None:
    found = paired_bootstrap(SCORES, OTHER, GROUPS, CLIPS)
    differences = [a - b for a, b in zip(SCORES, OTHER, strict=True)]
    assert found.difference == pytest.approx(_macro(SCORES) - _macro(OTHER))
    assert found.se == pytest.approx(_macro_se(differences, 4), rel=0.05)
    assert found.low < found.difference < found.high
    assert found.p == pytest.approx(2 * min(found.p_above(0.0), found.p_below(0.0)))
    assert found == paired_bootstrap(SCORES, OTHER, GROUPS, CLIPS)
    assert found.method == "paired cluster bootstrap, 2000 resamples, seed 0"
    apart = cluster_bootstrap(SCORES, GROUPS, CLIPS).se
    assert apart is not None
    assert found.se is not None
    assert found.se < apart


def test_a_paired_sum_is_the_paired_mean_in_points() -> None:
    found, plain = (
        paired_bootstrap(SCORES, OTHER, statistic="sum"),
        paired_difference(SCORES, OTHER),
    )
    assert found.difference == pytest.approx(600 * plain.difference)
    assert (found.low, found.high) == pytest.approx((600 * plain.low, 600 * plain.high), abs=1.0)
    assert found.p_above(-6.0) == pytest.approx(plain.p_above(-0.01), abs=0.02)
    assert found.unit == 600


def test_few_or_no_flips_follow_the_paired_rule_in_points() -> None:
    flipped = [1 - score if at < 3 else score for at, score in enumerate(SCORES)]
    found, plain = (
        paired_bootstrap(SCORES, flipped, statistic="sum"),
        paired_difference(SCORES, flipped),
    )
    assert (found.low, found.high) == pytest.approx((600 * plain.low, 600 * plain.high))
    same = paired_bootstrap(SCORES, SCORES, GROUPS, statistic="sum")
    assert same.high == pytest.approx(600 * (1 - 0.025 ** (1 / 600)))
    assert same.p_above(-6.0) == pytest.approx(0.99**600)


def test_mistakes_are_one_line() -> None:
    with pytest.raises(UsageError, match=r"unknown statistic: median\. Known: macro, sum"):
        cluster_bootstrap(SCORES, statistic="median")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="resamples must be 100 or more, got 10"):
        cluster_bootstrap(SCORES, resamples=10)
    with pytest.raises(UsageError, match="600 scores but 2 labels"):
        cluster_bootstrap(SCORES, ["a", "b"])
    with pytest.raises(UsageError, match="pair the runs"):
        paired_bootstrap(SCORES, SCORES[1:])
