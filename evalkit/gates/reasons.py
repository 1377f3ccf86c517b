"""What a gate holds against a run, in words: losses, floors, caps, and what is not known yet."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from math import ceil

from evalkit.errors import UsageError, nearest
from evalkit.explain import explain
from evalkit.gates.settings import CAPPED, Gate
from evalkit.gates.values import Test
from evalkit.items import TaskResult, rescored
from evalkit.types import Record

__all__ = ["above_caps", "below_floors", "cause", "lost", "unchanged", "undecided"]


def lost(tests: Sequence[Test], alpha: float) -> list[str]:
    """Return the tests that show a loss beyond the margin, in words."""
    return [
        f"{test.metric} lost {-test.difference:.2f} [{-test.high:.2f}, {-test.low:.2f}], more than"
        f" the margin of {test.margin:g}"
        for test in tests
        if test.p_fail <= alpha
    ]


def undecided(test: Test | None, settings: Gate) -> list[str]:
    """Return why nothing is shown; empty where a loss of the margin is ruled out."""
    if test is None:
        return ["no question has a grade on both sides"]
    if test.p_pass <= settings.alpha:
        return []
    if test.early:
        return [f"nothing is settled after {test.n} questions: run on, or ask them all"]
    if test.needed is None:
        return ["the loss lies on the margin: no number of questions would settle it"]
    return [f"about {test.needed} questions would settle it, there are {test.n}"]


def below_floors(run: TaskResult, settings: Gate) -> list[str]:
    """Return the floors that a run lies below, in words."""
    metrics = run.summary["metrics"]
    found = []
    for metric, least in settings.floors.get(run.task, {}).items():
        if metric not in metrics:
            raise UsageError(nearest(f"metric of {run.task}", metric, list(metrics)))
        if metrics[metric] < least:
            found.append(f"{metric} is {metrics[metric]:.2f}, below the floor of {least:g}")
    return found


def above_caps(baseline: TaskResult, run: TaskResult, settings: Gate) -> list[str]:
    """Return the caps that a run is above, in words; only questions of both are counted."""
    common = [name for name in baseline.items if name in run.items]
    found = []
    for name in CAPPED:
        before, now = (
            sum(_is(result.items[item].record, name) for item in common)
            for result in (baseline, run)
        )
        cap = settings.caps.get(name)
        if cap is not None and now - before > ceil(len(common) * cap / 100):
            found.append(f"{now} of {len(common)} questions {name}, {before} in the baseline")
    return found


def _is(record: Record, name: str) -> bool:
    return record.truncated if name == "truncated" else record.status == name


def unchanged(baseline: TaskResult, run: TaskResult) -> bool:
    """Whether every question of the baseline got the same reply, word for word, and its score."""
    for name, item in baseline.items.items():
        now = run.items.get(name)
        if now is None or not item.knows(now, "output") or item.differs(now, "output"):
            return False
        if rescored(item.record, now.record):
            return False
    return True


def _among(result: TaskResult, names: Container[str]) -> TaskResult:
    """Return a result with some of its questions only."""
    kept = {name: item for name, item in result.items.items() if name in names}
    return result if len(kept) == len(result.items) else replace(result, items=kept)


def cause(baseline: TaskResult, run: TaskResult) -> str:
    """Return the stage that moved most of the score, in words; empty where none did."""
    if baseline.scale != run.scale:
        return ""
    common = baseline.items.keys() & run.items.keys()
    part = explain(_among(baseline, common), _among(run, common), examples=0).chief
    if part is None:
        return ""
    unsure = (
        f", of which {part.unsure} may part at an earlier, unknown stage" if part.unsure else ""
    )
    return f"{part.name} ({part.points:+.2f} on {part.rescored} questions{unsure})"
