"""What each question adds to a task's primary metric, in the metric's own points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from evalkit.items import TaskResult
from evalkit.metrics.summary import counted
from evalkit.types import Record

__all__ = ["Contributions", "Rule", "Way", "contributions", "way_of"]

Rule = Literal["sum", "mean", "macro"]
"""How a metric adds questions up: as points, in percent of them, or as the mean of its subsets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a primary metric adds up."""

    rule: Rule
    """Its rule."""
    scored: bool = False
    """Whether only questions with a score count; otherwise those without one count as wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contributions:
    """What a primary metric is made of."""

    points: Mapping[str, float]
    """What each question adds, by id; a question that is not counted adds nothing."""
    remainder: float
    """The metric less the points' sum: 0 unless the metric weighs questions in a way of its own."""


def way_of(*results: TaskResult) -> Way:
    """Return the way in which the metrics of some results of one task add up.

    It is the first that gives every result's metric as its summary has it: several can fit one
    result, such as a mean and a macro average that happen to agree. Where none fits all, it is the
    plain sum or mean.
    """
    rules: tuple[Rule, ...] = ("sum",) if results[0].scale == "points" else ("mean", "macro")
    ways = [Way(rule=rule, scored=scored) for scored in (False, True) for rule in rules]
    for way in ways:
        if all(
            abs(contributions(r, way).remainder) <= 1e-6 * max(1, r.value or 0) for r in results
        ):
            return way
    return ways[0]


def contributions(result: TaskResult, way: Way) -> Contributions:
    """Return what each question adds to a result's primary metric."""
    if result.value is None:
        return Contributions(points={}, remainder=0.0)
    records = [r for r in result.records if counted(r) is not None]
    points = _points(way.rule, [r for r in records if r.score is not None or not way.scored])
    return Contributions(points=points, remainder=result.value - sum(points.values()))


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
