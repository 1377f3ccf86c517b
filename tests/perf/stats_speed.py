"""Times evalkit.stats: all statistics of two runs of 24,000 items, and one large bootstrap.

With evalkit installed: ``python tests/perf/stats_speed.py``.
"""

from __future__ import annotations

import time

import numpy as np

from evalkit import stats


def run_pair(rng: np.random.Generator, n: int) -> tuple[list[float], list[float]]:
    """Return two runs' scores of which the second answers a fifth of the items anew."""
    first = rng.random(n)
    second = np.where(rng.random(n) < 0.2, rng.random(n), first)
    return first.tolist(), second.tolist()


def compare_seconds(tasks: int = 12, n: int = 2000) -> float:
    """Return the seconds that all statistics of two runs take."""
    rng = np.random.default_rng(0)
    runs = [run_pair(rng, n) for _ in range(tasks)]
    labels = [f"video-{at // 3}" for at in range(n)]
    groups = [f"group-{at * 20 // n}" for at in range(n)]
    stats.mean_interval([0.0, 1.0])
    start = time.perf_counter()
    p_values = []
    for first, second in runs:
        stats.mean_interval(first, labels)
        stats.mean_interval(second, labels)
        found = stats.paired_difference(first, second, labels)
        stats.unpaired_difference(first, second, labels, labels)
        stats.paired_bootstrap(first, second, groups, labels)
        stats.non_inferiority(found, 0.01)
        stats.equivalence(found, 0.01)
        stats.items_to_settle(found)
        stats.smallest_detectable_effect(found.se or 0.0)
        stats.flip_rate(first, second)
        p_values.append(found.p)
    stats.holm(p_values)
    return time.perf_counter() - start


def bootstrap_seconds(n: int = 5000) -> float:
    """Return the seconds of one bootstrap of unclustered items with 2,000 resamples."""
    values, _ = run_pair(np.random.default_rng(1), n)
    start = time.perf_counter()
    stats.cluster_bootstrap(values, statistic="sum")
    return time.perf_counter() - start


def sequence_seconds(n: int = 5000) -> float:
    """Return the seconds of a confidence sequence over all items."""
    first, second = run_pair(np.random.default_rng(2), n)
    start = time.perf_counter()
    for _ in stats.confidence_sequence(([a - b] for a, b in zip(first, second, strict=True)), n):
        pass
    return time.perf_counter() - start


if __name__ == "__main__":
    print(f"all statistics of two runs, 12 x 2,000 items: {compare_seconds():.2f} s")
    print(f"bootstrap of 5,000 items, 2,000 resamples: {bootstrap_seconds():.2f} s")
    print(f"confidence sequence, 5,000 looks: {sequence_seconds():.2f} s")
