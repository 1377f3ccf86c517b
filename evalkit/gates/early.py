"""Stopping a run early: which questions are asked when, and what a stopped run says of itself.

A gate does not take a stopped run's word. It draws the same order from the seed, feeds the answers
through `SequentialGate` once more, and gives the verdict that comes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import UsageError
from evalkit.gates.sequential import SequentialGate, asked_of
from evalkit.gates.settings import Gate, gate_settings
from evalkit.gates.values import Test
from evalkit.items import TaskResult
from evalkit.metrics.summary import counted
from evalkit.results import load, only
from evalkit.types import Record

__all__ = ["EarlyStop", "plans", "replayed", "waves"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStop:
    """When one benchmark of a run may stop."""

    gate: SequentialGate
    """What knows."""
    seed: int
    """Of the order."""
    baseline: str
    """Where the baseline is."""

    def add(self, record: Record) -> None:
        """Take one scored answer."""
        self.gate.add(record.id, counted(record))

    @property
    def told(self) -> dict[str, Any]:
        """What the summary of the stopped benchmark keeps."""
        return {
            "outcome": self.gate.state,
            "seed": self.seed,
            "margin": self.gate.margin,
            "baseline": self.baseline,
            "of": len(self.gate.baseline),
        }


def plans(stop: Mapping[str, Any], tasks: Sequence[str]) -> dict[str, EarlyStop]:
    """Return by benchmark when it may stop; none without a baseline.

    Args:
        stop: ``baseline``, ``gate`` and ``seed`` of a run's config.
        tasks: the run's benchmarks; those that the baseline lacks are asked whole.

    Raises:
        UsageError: there is no such baseline or gate, or the two have no benchmark in common.
    """
    if stop["baseline"] is None:
        return {}
    path = Path(stop["baseline"])
    settings, baseline = gate_settings(stop["gate"]), only(load(path), path)
    common = [task for task in tasks if task in baseline]
    if not common:
        raise UsageError(f"{path} has no benchmark of this run: {', '.join(tasks)}")
    return {
        task: EarlyStop(
            gate=sequential(baseline[task], settings, len(common), stop["seed"]),
            seed=stop["seed"],
            baseline=str(path),
        )
        for task in common
    }


def waves(plan: EarlyStop | None) -> Iterator[frozenset[str] | None]:
    """Yield which questions to ask next, until all are asked or enough is known.

    ``None`` stands for all of them, where there is no plan.
    """
    if plan is None:
        yield None
        return
    for names in plan.gate.waves():
        yield frozenset(names)
        if plan.gate.state != "continue":
            return


def sequential(baseline: TaskResult, settings: Gate, benchmarks: int, seed: int) -> SequentialGate:
    """Return the sequential gate of one of several benchmarks, each with its share of the error."""
    margin = settings.margin_of(baseline.task)
    return SequentialGate(asked_of(baseline), margin, settings.alpha / benchmarks, seed)


def replayed(baseline: TaskResult, run: TaskResult, settings: Gate, benchmarks: int) -> Test | None:
    """Return the test of a stopped run, from its own answers; ``None`` before the first of them."""
    gate = sequential(baseline, settings, benchmarks, int(run.summary["stopped"]["seed"]))
    for record in run.records:
        gate.add(record.id, counted(record))
    if (look := gate.look) is None:
        return None
    factor = float(look.n) if run.scale == "points" else 100.0
    alpha = settings.alpha / benchmarks
    graded = {r.id: counted(r) for r in run.records}
    return Test(
        metric=baseline.metric,
        n=look.n,
        n_clusters=len(gate.order),
        n_differ=sum(graded.get(name) not in (None, a.score) for name, a in gate.baseline.items()),
        difference=factor * look.mean,
        low=factor * look.low,
        high=factor * look.high,
        margin=factor * gate.margin,
        effect=factor * (look.high - look.low) / 2,
        p_pass=alpha if gate.state == "pass" else 1.0,
        p_fail=alpha if gate.state == "fail" else 1.0,
        needed=None,
        method=f"confidence sequence, order of seed {run.summary['stopped']['seed']}",
        early=True,
    )
