"""The tests of one benchmark: non-inferiority of its primary metric and of its subsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.contributions import Rule, way_of
from evalkit.gates.settings import Gate
from evalkit.gates.values import Test
from evalkit.items import TaskResult
from evalkit.metrics.summary import counted
from evalkit.types import Record

if TYPE_CHECKING:
    from evalkit.stats import Difference

__all__ = ["Trial", "settled", "trials"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One question with its credit in both results."""

    before: float
    """In the baseline."""
    now: float
    """In the run."""
    record: Record
    """The baseline's, for its cluster and subsets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A test before the other tests of the gate are known."""

    metric: str
    """What is tested."""
    difference: Difference
    """The run less the baseline, as a share of full marks."""
    factor: float
    """What full marks are on the metric's scale."""
    margin: float
    """The loss that does not matter, as a share of full marks."""
    p_fail: float
    """The p-value against a smaller loss, unadjusted."""


def trials(baseline: TaskResult, run: TaskResult, gate: Gate) -> list[Trial]:
    """Return the tests of a benchmark, its subsets after the whole; none where nothing pairs."""
    pairs = _pairs(baseline, run)
    if not pairs:
        return []
    rule = way_of(baseline, run).rule
    found = [_trial(baseline.metric, pairs, rule, gate.margin_of(baseline.task))]
    if gate.subset_margin is None:
        return found
    names = dict.fromkeys(name for pair in pairs for name in pair.record.subsets)
    for name in names:
        members = [pair for pair in pairs if name in pair.record.subsets]
        if gate.subset_items <= len(members) < len(pairs):
            part: Rule = "sum" if rule == "sum" else "mean"
            metric = f"{baseline.metric}/{name}"
            found.append(_trial(metric, members, part, gate.subset_margin / 100))
    return found


def settled(trial: Trial, p_fail: float, gate: Gate, tests: int) -> Test:
    """Return a test on the metric's scale.

    Args:
        trial: the test.
        p_fail: its p-value by Holm's rule.
        gate: the gate.
        tests: how many tests the gate has.
    """
    found, factor, alpha = trial.difference, trial.factor, gate.alpha
    low, high = found.bounds(1 - 2 * alpha)
    return Test(
        metric=trial.metric,
        n=found.n,
        n_clusters=found.n_clusters,
        n_differ=found.n_differ or 0,
        difference=factor * found.difference,
        low=factor * low,
        high=factor * high,
        margin=factor * trial.margin,
        effect=factor * _effect(found, alpha, gate.power),
        p_pass=found.p_above(-trial.margin),
        p_fail=p_fail,
        needed=_needed(trial, p_fail, gate, tests),
        method=found.method,
    )


def _pairs(baseline: TaskResult, run: TaskResult) -> list[Pair]:
    """Return the questions that both have a grade for, in the baseline's order."""
    pairs = []
    for name, item in baseline.items.items():
        other = run.items.get(name)
        before, now = counted(item.record), counted(other.record) if other else None
        if before is not None and now is not None:
            pairs.append(Pair(before=before, now=now, record=item.record))
    return pairs


def _trial(metric: str, pairs: Sequence[Pair], rule: Rule, margin: float) -> Trial:
    from evalkit.stats import paired_bootstrap, paired_difference

    now, before = [pair.now for pair in pairs], [pair.before for pair in pairs]
    clusters = [pair.record.cluster for pair in pairs]
    if rule == "macro" and all(len(pair.record.subsets) == 1 for pair in pairs):
        groups = [pair.record.subsets[0] for pair in pairs]
        found = paired_bootstrap(now, before, groups, clusters, "macro")
    else:
        found = paired_difference(now, before, clusters)
    return Trial(
        metric=metric,
        difference=found,
        factor=float(len(pairs)) if rule == "sum" else 100.0,
        margin=margin,
        p_fail=found.p_below(-margin),
    )


def _effect(found: Difference, alpha: float, power: float) -> float:
    """Return the smallest effect beyond the margin that the test finds."""
    from evalkit.stats import smallest_detectable_effect

    if found.df is None:
        # No question differs: the spread that would have stayed unseen is the exact bound's.
        return float(1 - alpha ** (1 / found.n_clusters))
    return smallest_detectable_effect(found.spread, alpha, power, sides=1)


def _needed(trial: Trial, p_fail: float, gate: Gate, tests: int) -> int | None:
    """Return the questions that would settle a test; ``None`` where it is, or where none would."""
    from evalkit.stats import items_to_settle

    found, alpha = trial.difference, gate.alpha
    if min(found.p_above(-trial.margin), p_fail) <= alpha:
        return None
    lost = found.difference < -trial.margin
    return items_to_settle(found, -trial.margin, alpha / tests if lost else alpha, gate.power, 1)
