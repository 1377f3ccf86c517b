"""Whether a run is as good as its baseline: pass, fail, or inconclusive.

Each benchmark is a test of non-inferiority with a margin: paired question by question, clustered by
picture, document or video. It passes when a loss of the margin or more is ruled out, and fails when
a smaller loss is; anything else is inconclusive, with the number of questions that would settle
it. Failing goes by Holm's rule over all tests, so that a run that lost nothing is stopped by any of
them at most with the gate's error rate. Passing needs every benchmark and no such rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from evalkit.contributions import contributions
from evalkit.errors import UsageError, nearest
from evalkit.explain import explain
from evalkit.gates.comparable import checked_allow, obstacles, unchecked
from evalkit.gates.settings import CAPPED, Gate
from evalkit.gates.testing import Trial, settled, trials
from evalkit.gates.values import Finding, GateVerdict, Obstacle, Outcome, Test
from evalkit.items import STAGES, TaskResult
from evalkit.types import Record

__all__ = ["gate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One benchmark before its verdict."""

    baseline: TaskResult
    """What it is held against."""
    run: TaskResult | None
    """The candidate; ``None`` where the run lacks the benchmark."""
    gates: bool
    """Whether its verdict counts."""
    blocked: tuple[Obstacle, ...]
    """What keeps it from passing."""
    allowed: tuple[Obstacle, ...]
    """What was allowed."""
    trials: tuple[Trial, ...]
    """Its tests, the whole benchmark's first."""


def gate(
    run: Mapping[str, TaskResult],
    baseline: Mapping[str, TaskResult],
    settings: Gate,
    *,
    allow: Sequence[str] = (),
    places: tuple[str, str] = ("run", "baseline"),
) -> GateVerdict:
    """Return what a gate says of a run.

    Args:
        run: the candidate's results by task.
        baseline: what it is held against, by task.
        settings: the gate.
        allow: in what the run may be unlike the baseline, words of ``--allow``.
        places: what to call run and baseline.

    Raises:
        UsageError: there is nothing to gate, or a benchmark is named that does not exist.
    """
    permitted = checked_allow(allow)
    cases = [
        _case(baseline[task], run.get(task), settings, permitted)
        for task in _chosen(run, baseline, settings)
    ]
    if not any(case.gates for case in cases):
        names = ", ".join(case.baseline.task for case in cases if case.run)
        raise UsageError(f"{names}: scored by a judge, and so only reported: say judged=gate")
    tests = _tests(cases, settings)
    findings = tuple(
        _finding(case, found, settings) for case, found in zip(cases, tests, strict=True)
    )
    words = {finding.outcome for finding in findings if finding.gates}
    outcome: Outcome = "fail" if "fail" in words else "inconclusive"
    more = [task for task in run if task not in baseline]
    return GateVerdict(
        outcome="pass" if words == {"pass"} else outcome,
        gate=settings,
        run=places[0],
        baseline=places[1],
        allow=permitted,
        findings=findings,
        notes=(f"not in the baseline: {', '.join(more)}",) if more else (),
    )


def _chosen(
    run: Mapping[str, TaskResult], baseline: Mapping[str, TaskResult], settings: Gate
) -> list[str]:
    """Return the benchmarks to look at, in the baseline's order."""
    for task in (*(settings.benchmarks or ()), *settings.margins, *settings.floors):
        if task not in baseline:
            raise UsageError(nearest("benchmark of the baseline", task, list(baseline)))
    chosen = [task for task in baseline if task in (settings.benchmarks or baseline)]
    if not any(task in run for task in chosen):
        raise UsageError(
            f"no benchmark in common: the run has {', '.join(run)}, the baseline"
            f" {', '.join(baseline)}"
        )
    return chosen


def _case(
    baseline: TaskResult, run: TaskResult | None, settings: Gate, permitted: Sequence[str]
) -> Case:
    """Return a benchmark with its obstacles and tests."""
    if run is None:
        found = [Obstacle(kind="missing", text="the run has no result of it")]
    else:
        found = obstacles(baseline, run)
    absent = run is None and "missing" in permitted
    judged = bool(baseline.summary.get("judge") or (run and run.summary.get("judge")))
    unlike = any(not obstacle.kind for obstacle in found)
    return Case(
        baseline=baseline,
        run=run,
        gates=not absent and (not judged or settings.judged == "gate"),
        blocked=tuple(o for o in found if o.kind not in permitted),
        allowed=tuple(o for o in found if o.kind in permitted),
        trials=() if run is None or unlike else tuple(trials(baseline, run, settings)),
    )


def _tests(cases: Sequence[Case], settings: Gate) -> list[list[Test]]:
    """Return every case's tests, their p-values of failing adjusted over all that gate."""
    from evalkit.stats import holm

    counting = [trial for case in cases if case.gates for trial in case.trials]
    adjusted = iter(holm([trial.p_fail for trial in counting]))
    return [
        [
            settled(
                trial, next(adjusted) if case.gates else trial.p_fail, settings, len(counting) or 1
            )
            for trial in case.trials
        ]
        for case in cases
    ]


def _finding(case: Case, tests: Sequence[Test], settings: Gate) -> Finding:
    """Return what a gate says about one benchmark."""
    base, run = case.baseline, case.run
    whole, parts = (tests[0], tests[1:]) if tests else (None, ())
    failing = [
        *(obstacle.text for obstacle in case.blocked),
        *_lost(tests, settings.alpha),
        *(_floors(run, settings) if run else ()),
        *(_caps(base, run, settings) if run else ()),
    ]
    open_, outcome = _undecided(whole, settings), "pass"
    if failing:
        outcome = "fail"
    elif open_:
        outcome = "inconclusive"
    return Finding(
        task=base.task,
        label=str((run or base).summary.get("label") or base.task),
        metric=base.metric,
        scale=base.scale,
        outcome=outcome,  # type: ignore[arg-type]
        gates=case.gates,
        reasons=tuple(failing or open_),
        baseline=base.value,
        value=run.value if run else None,
        test=whole,
        subsets=tuple(parts),
        obstacles=case.blocked,
        allowed=case.allowed,
        notes=tuple(_notes(case)),
        unknown=unchecked(base, run) if run else {},
        cause=_cause(base, run) if run and outcome != "pass" else "",
    )


def _lost(tests: Sequence[Test], alpha: float) -> list[str]:
    """Return the tests that show a loss beyond the margin, in words."""
    return [
        f"{test.metric} lost {-test.difference:.2f} [{-test.high:.2f}, {-test.low:.2f}], more than"
        f" the margin of {test.margin:g}"
        for test in tests
        if test.p_fail <= alpha
    ]


def _undecided(test: Test | None, settings: Gate) -> list[str]:
    """Return why nothing is shown; empty where a loss of the margin is ruled out."""
    if test is None:
        return ["no question has a grade on both sides"]
    if test.p_pass <= settings.alpha:
        return []
    if test.needed is None:
        return ["the loss lies on the margin: no number of questions would settle it"]
    return [f"about {test.needed} questions would settle it, there are {test.n}"]


def _floors(run: TaskResult, settings: Gate) -> list[str]:
    """Return the floors that a run lies below, in words."""
    metrics = run.summary["metrics"]
    found = []
    for metric, least in settings.floors.get(run.task, {}).items():
        if metric not in metrics:
            raise UsageError(nearest(f"metric of {run.task}", metric, list(metrics)))
        if metrics[metric] < least:
            found.append(f"{metric} is {metrics[metric]:.2f}, below the floor of {least:g}")
    return found


def _caps(baseline: TaskResult, run: TaskResult, settings: Gate) -> list[str]:
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


def _notes(case: Case) -> list[str]:
    """Return what else a reader must know of a benchmark."""
    base, run = case.baseline, case.run
    notes = [f"allowed: {obstacle.text}" for obstacle in case.allowed]
    if run is None:
        return notes
    if not case.gates:
        notes.append("a judge scored it: reported, and no part of the verdict")
    if more := sum(name not in base.items for name in run.items):
        notes.append(f"{more} questions are not in the baseline")
    if contributions(base).remainder:
        notes.append(f"{base.metric} weighs questions its own way; the test is of their mean")
    if unknown := unchecked(base, run):
        names = ", ".join(STAGES[stage] for stage in unknown)
        notes.append(f"not known on both sides, and so not checked: {names}")
    return notes


def _cause(baseline: TaskResult, run: TaskResult) -> str:
    """Return the stage that moved most of the score, in words; empty where none did."""
    if baseline.scale != run.scale:
        return ""
    part = explain(baseline, run, examples=0).chief
    if part is None:
        return ""
    unsure = (
        f", of which {part.unsure} may part at an earlier, unknown stage" if part.unsure else ""
    )
    return f"{part.name} ({part.points:+.2f} on {part.rescored} questions{unsure})"
