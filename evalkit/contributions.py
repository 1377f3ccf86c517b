"""What each question adds to a task's primary metric, in the metric's own points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from typing import Literal

from evalkit.items import TaskResult
from evalkit.metrics.summary import counted
from evalkit.types import Record

__all__ = ["Contributions", "Rule", "contributions"]

Rule = Literal["sum", "mean", "macro"]
"""How a metric adds questions up: as points, in percent of them, or as the mean of its subsets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contributions:
    """What a primary metric is made of."""

    rule: Rule
    """How it adds up."""
    points: Mapping[str, float]
    """What each question adds, by id; a question that is not counted adds nothing."""
    remainder: float
    """The metric less the points' sum: 0 unless the metric weighs questions in a way of its own."""


def contributions(result: TaskResult) -> Contributions:
    """Return what each question adds to a result's primary metric.

    The rule is the one that gives the metric as the summary has it: points or a mean, a macro
    average, each over all questions that were judged or over those alone that have a score.
    Where none does, the questions' mean is taken, and what it lacks is the remainder.
    """
    value, records = result.value, result.records
    judged = [r for r in records if counted(r) is not None]
    rules: tuple[Rule, ...] = ("sum",) if result.scale == "points" else ("mean", "macro")
    found = [
        (rule, _points(rule, base))
        for base in (judged, [r for r in judged if r.score is not None])
        for rule in rules
    ]
    if value is None:
        return Contributions(rule=rules[0], points={}, remainder=0.0)
    for rule, points in found:
        if isclose(sum(points.values()), value, rel_tol=1e-6, abs_tol=1e-6):
            return Contributions(rule=rule, points=points, remainder=0.0)
    points = found[0][1]
    return Contributions(rule=rules[0], points=points, remainder=value - sum(points.values()))


def _points(rule: Rule, records: Sequence[Record]) -> dict[str, float]:
    """Return what each of some questions adds under a rule."""
    if rule == "sum":
        return {r.id: counted(r) or 0.0 for r in records}
    if rule == "mean":
        return {r.id: 100 * (counted(r) or 0.0) / len(records) for r in records}
    sizes = Counter(name for r in records for name in r.subsets)
    return {
        r.id: 100 * (counted(r) or 0.0) * sum(1 / sizes[s] for s in r.subsets) / len(sizes)
        for r in records
        if r.subsets
    }
