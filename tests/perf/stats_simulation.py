"""Checks evalkit.stats by simulation: coverage, error rates, and questions saved.

With evalkit installed: ``python tests/perf/stats_simulation.py [--repeats 4000]``.
The tests run the same functions with fewer repeats. Seeds are fixed, so a figure can be had again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np

from evalkit import stats

Array = Any


@dataclass(frozen=True, slots=True)
class Design:
    """A benchmark to draw scores for."""

    sizes: tuple[int, ...] = (1,)
    """Cluster sizes, repeated until all items have a cluster."""
    rho: float = 0.0
    """Correlation between the scores of two items of a cluster."""
    kind: str = "binary"
    """``binary``: 0 or 1. ``fraction``: mostly 0 and 1 with values from 0.5 to 1, as ANLS gives."""
    p: float = 0.8
    """The share of full marks."""
    n: int = 1000
    """Items."""

    @property
    def clusters(self) -> Array:
        """Each item's cluster as a number."""
        lengths, total = [], 0
        for size in cycle(self.sizes):
            if total >= self.n:
                break
            lengths.append(size)
            total += size
        return np.repeat(np.arange(len(lengths)), lengths)[: self.n]

    @property
    def labels(self) -> list[str] | None:
        """Each item's cluster as a dataset names it; ``None`` where no two items share one."""
        return None if self.sizes == (1,) else [f"video-{at}" for at in self.clusters]

    def mean(self, p: float) -> float:
        """Return the true mean score where a share ``p`` gets full marks."""
        return p if self.kind == "binary" else p + (1 - p) * 0.375

    def __str__(self) -> str:
        sizes = "/".join(map(str, self.sizes))
        return f"n={self.n} {self.kind:8} p={self.p:.2f} cluster size {sizes:6} rho={self.rho:.1f}"


DESIGNS = [
    Design(sizes=sizes, rho=rho, kind=kind)
    for kind in ("binary", "fraction")
    for sizes, rho in (((1,), 0.0), ((3,), 0.0), ((3,), 0.3), ((5,), 0.0), ((5,), 0.3))
]
HARD = [
    Design(sizes=(1, 2, 12), rho=0.3),
    Design(sizes=(1, 2, 12), rho=0.3, kind="fraction"),
    Design(p=0.97),
    Design(sizes=(5,), rho=0.3, p=0.97),
    Design(n=100),
    Design(n=100, sizes=(5,), rho=0.3),
]


def _draw(rng: Any, design: Design, p: float, count: int) -> Array:
    """Return independent scores."""
    if design.kind == "binary":
        return (rng.random(count) < p).astype(float)
    kind = rng.random(count)
    partial = np.where(kind < p + (1 - p) / 2, 0.0, rng.uniform(0.5, 1.0, count))
    return np.where(kind < p, 1.0, partial)


def _shared(rng: Any, design: Design, clusters: Array) -> Array:
    """Return which items take what their cluster drew: two of a cluster both do with chance rho."""
    return rng.random(len(clusters)) < design.rho**0.5


def scores(rng: Any, design: Design, clusters: Array) -> Array:
    """Return one run's scores."""
    common = _draw(rng, design, design.p, clusters[-1] + 1)[clusters]
    own = _draw(rng, design, design.p, len(clusters))
    return np.where(_shared(rng, design, clusters), common, own)


def pairs(
    rng: Any, design: Design, clusters: Array, redraw: float, gap: float
) -> tuple[Array, Array]:
    """Return two runs' scores: the second answers a share of items anew, worse by ``gap``."""

    def both(count: int) -> Array:
        first = _draw(rng, design, design.p, count)
        again = _draw(rng, design, design.p - gap, count)
        return np.stack([first, np.where(rng.random(count) < redraw, again, first)])

    common, own = both(clusters[-1] + 1)[:, clusters], both(len(clusters))
    first, second = np.where(_shared(rng, design, clusters), common, own)
    return first, second


def mean_coverage(design: Design, repeats: int, seed: int = 1) -> float:
    """Return how often the interval of a mean holds the true mean."""
    rng, clusters, labels = np.random.default_rng(seed), design.clusters, design.labels
    truth, held = design.mean(design.p), 0
    for _ in range(repeats):
        found = stats.mean_interval(scores(rng, design, clusters), labels)
        held += found.low <= truth <= found.high
    return held / repeats


def paired_rates(
    design: Design,
    repeats: int,
    redraw: float = 0.3,
    gap: float = 0.0,
    seed: int = 2,
    ignore_clusters: bool = False,
) -> tuple[float, float]:
    """Return how often the paired interval holds the true difference, and how often p <= 0.05."""
    rng, clusters = np.random.default_rng(seed), design.clusters
    labels = None if ignore_clusters else design.labels
    truth = redraw * (design.mean(design.p) - design.mean(design.p - gap))
    held = called = 0
    for _ in range(repeats):
        found = stats.paired_difference(*pairs(rng, design, clusters, redraw, gap), labels)
        held += found.low <= truth <= found.high
        called += found.p <= 0.05
    return held / repeats, called / repeats


def unpaired_rates(design: Design, repeats: int, seed: int = 3) -> float:
    """Return how often p <= 0.05 for two runs over different items."""
    rng, clusters, labels = np.random.default_rng(seed), design.clusters, design.labels
    called = 0
    for _ in range(repeats):
        first, second = (scores(rng, design, clusters) for _ in range(2))
        called += stats.unpaired_difference(first, second, labels, labels).p <= 0.05
    return called / repeats


def bootstrap_rates(design: Design, repeats: int, seed: int = 4) -> tuple[float, float]:
    """Return a macro average's coverage and how often the paired bootstrap has p <= 0.05."""
    rng, clusters, labels = np.random.default_rng(seed), design.clusters, design.labels
    groups = [f"group-{at * 20 // len(clusters)}" for at in range(len(clusters))]
    truth, held, called = design.mean(design.p), 0, 0
    for _ in range(repeats):
        first, second = pairs(rng, design, clusters, 0.3, 0.0)
        found = stats.cluster_bootstrap(first, groups, labels, resamples=1000)
        held += found.low <= truth <= found.high
        called += stats.paired_bootstrap(first, second, groups, labels, resamples=1000).p <= 0.05
    return held / repeats, called / repeats


def regressions(
    rng: Any, n: int, loss: float, noise: float, size: int = 1, rho: float = 0.0
) -> list[Array]:
    """Return paired differences by cluster: noise flips either way alike, ``loss`` flips down."""
    clusters = np.repeat(np.arange(-(-n // size)), size)[:n]
    rolls = np.where(
        rng.random(n) < rho**0.5, rng.random(clusters[-1] + 1)[clusters], rng.random(n)
    )
    flips = np.where(rolls < noise / 2, 1.0, np.where(rolls < noise + loss, -1.0, 0.0))
    return np.split(flips, np.flatnonzero(np.diff(clusters)) + 1)


def gate_rates(
    n: int, loss: float, noise: float, margin: float, repeats: int, size: int = 1, rho: float = 0.0
) -> tuple[float, float]:
    """Return how often the full-length non-inferiority test passes and fails."""
    rng = np.random.default_rng(5)
    labels = [f"video-{at // size}" for at in range(n)] if size > 1 else None
    outcomes = []
    for _ in range(repeats):
        flips = np.concatenate(regressions(rng, n, loss, noise, size, rho))
        found = stats.paired_difference(np.maximum(flips, 0), np.maximum(-flips, 0), labels)
        outcomes.append(stats.non_inferiority(found, margin).outcome)
    return outcomes.count("pass") / repeats, outcomes.count("fail") / repeats


def sequential_rates(
    n: int, loss: float, noise: float, margin: float, repeats: int, size: int = 1, rho: float = 0.0
) -> tuple[float, float, float]:
    """Return how often a gate that looks after each cluster passes and fails, and what it saves.

    The gate stops as soon as the 90 % sequence lies on one side of ``-margin``.
    """
    rng = np.random.default_rng(6)
    passed = failed = seen = 0
    for _ in range(repeats):
        answers = regressions(rng, n, loss, noise, size, rho)
        for look in stats.confidence_sequence(answers, len(answers), size, confidence=0.9):
            if look.low > -margin or look.high < -margin:
                passed += look.low > -margin
                failed += look.high < -margin
                break
        seen += look.n
    return passed / repeats, failed / repeats, 1 - seen / (n * repeats)


def table(
    title: str, designs: Sequence[Design], figures: Callable[[Design], Sequence[float]]
) -> None:
    """Print one line of percentages a design."""
    print(f"\n{title}")
    for design in designs:
        cells = "  ".join(f"{100 * figure:6.2f}" for figure in figures(design))
        print(f"  {design}  {cells}", flush=True)


def fixed_tables(repeats: int) -> None:
    """Print coverage and error rates of tests that look once."""
    few = max(1, repeats // 4)
    table("mean: coverage", DESIGNS + HARD, lambda at: [mean_coverage(at, repeats)])
    table(
        "paired, runs alike, 30 % answered anew: coverage, error at 5 %, error without clusters",
        DESIGNS + HARD,
        lambda at: [
            *paired_rates(at, repeats),
            paired_rates(at, repeats, ignore_clusters=True)[1],
        ],
    )
    table(
        "paired, the second worse: coverage, power",
        DESIGNS,
        lambda at: paired_rates(at, repeats, gap=0.1),
    )
    table(
        "paired, runs alike, 3 % answered anew: coverage, error at 5 %",
        DESIGNS,
        lambda at: paired_rates(at, repeats, redraw=0.03),
    )
    table("unpaired: error at 5 %", DESIGNS, lambda at: [unpaired_rates(at, repeats)])
    table(
        f"bootstrap of a macro of 20 groups, {few} repeats: coverage, paired error at 5 %",
        DESIGNS,
        lambda at: bootstrap_rates(at, few),
    )


def gate_table(repeats: int) -> None:
    """Print what a non-inferiority gate decides at full length, and looking after each cluster."""
    print(f"\nnon-inferiority gate, {repeats} repeats: at full length, and looking all the time")
    for n, margin, noise, size, rho in (
        (1000, 0.02, 0.05, 1, 0.0),
        (1000, 0.02, 0.01, 1, 0.0),
        (999, 0.02, 0.05, 3, 0.3),
        (1000, 0.05, 0.10, 1, 0.0),
    ):
        for loss in (0.0, 0.02, 0.05, 0.1):
            full = gate_rates(n, loss, noise, margin, repeats, size, rho)
            early = sequential_rates(n, loss, noise, margin, repeats, size, rho)
            print(
                f"  n={n} margin {margin:.0%} noise {noise:3.0%} cluster {size} loss {loss:3.0%}"
                f"  full: pass {full[0]:6.1%} fail {full[1]:6.1%}"
                f"  looking: pass {early[0]:6.1%} fail {early[1]:6.1%} saved {early[2]:4.0%}",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=4000)
    wanted = parser.parse_args().repeats
    fixed_tables(wanted)
    gate_table(max(1, wanted // 4))
