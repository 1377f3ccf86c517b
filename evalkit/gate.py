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

from evalkit.contributions import contributions, way_of
from evalkit.errors import UsageError, nearest
from evalkit.gates.comparable import checked_allow, obstacles, unchecked
from evalkit.gates.early import replayed
from evalkit.gates.reasons import above_caps, below_floors, cause, lost, unchanged, undecided
from evalkit.gates.settings import Gate
from evalkit.gates.testing import Trial, settled, trials
from evalkit.gates.values import Finding, GateVerdict, Obstacle, Outcome, Test
from evalkit.items import STAGES, TaskResult

__all__ = ["gate"]

UNCHANGED = "every reply is the baseline's, word for word: passed without a test"
"""What is said of a run that changed nothing."""


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
    early: bool
    """Whether the run may have stopped early on it, and is tested by what allows that."""


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
    findings = tuple(_finding(*pair, settings) for pair in zip(cases, tests, strict=True))
    more = [task for task in run if task not in baseline]
    return GateVerdict(
        outcome=_outcome(findings),
        gate=settings,
        run=places[0],
        baseline=places[1],
        allow=permitted,
        findings=findings,
        notes=(f"not in the baseline: {', '.join(more)}",) if more else (),
    )


def _outcome(findings: Sequence[Finding]) -> Outcome:
    """Return the verdict that those which gate come to."""
    words = {finding.outcome for finding in findings if finding.gates}
    return "fail" if "fail" in words else "pass" if words == {"pass"} else "inconclusive"


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
    early = bool(run and run.summary.get("stopped"))
    absent = run is None and "missing" in permitted
    judged = bool(baseline.summary.get("judge") or (run and run.summary.get("judge")))
    unlike = any(not obstacle.kind for obstacle in found)
    return Case(
        baseline=baseline,
        run=run,
        gates=not absent and (not judged or settings.judged == "gate"),
        blocked=tuple(o for o in found if o.kind not in permitted),
        allowed=tuple(o for o in found if o.kind in permitted),
        trials=() if run is None or unlike or early else tuple(trials(baseline, run, settings)),
        early=early and not unlike,
    )


def _tests(cases: Sequence[Case], settings: Gate) -> list[list[Test]]:
    """Return every case's tests, their p-values of failing adjusted over all that gate."""
    from evalkit.stats import holm

    gating = [case for case in cases if case.gates]
    p_values = [trial.p_fail for case in gating for trial in case.trials]
    # One that may stop early spends its own share of the error, and counts as a test all the same.
    adjusted = iter(holm([*p_values, *(1.0 for case in gating if case.early)]))
    count = max(1, len(p_values) + sum(case.early for case in gating))
    found = []
    for case in cases:
        if case.early and case.run:
            test = replayed(case.baseline, case.run, settings, max(1, len(gating)))
            found.append([test] if test else [])
        else:
            adjusting = [(t, next(adjusted) if case.gates else t.p_fail) for t in case.trials]
            found.append([settled(trial, p, settings, count) for trial, p in adjusting])
    return found


def _finding(case: Case, tests: Sequence[Test], settings: Gate) -> Finding:
    """Return what a gate says about one benchmark."""
    base, run = case.baseline, case.run
    whole, parts = (tests[0], tests[1:]) if tests else (None, ())
    failing = [
        *(obstacle.text for obstacle in case.blocked),
        *lost(tests, settings.alpha),
        *(below_floors(run, settings) if run else ()),
        *(above_caps(base, run, settings) if run else ()),
    ]
    untested = run is not None and settings.unchanged == "pass" and unchanged(base, run)
    open_ = [] if untested else undecided(whole, settings)
    outcome: Outcome = "fail" if failing else "inconclusive" if open_ else "pass"
    return Finding(
        task=base.task,
        label=str((run or base).summary.get("label") or base.task),
        metric=base.metric,
        scale=base.scale,
        outcome=outcome,
        gates=case.gates,
        reasons=tuple(failing or open_),
        baseline=base.value,
        value=run.value if run else None,
        test=whole,
        subsets=tuple(parts),
        obstacles=case.blocked,
        allowed=case.allowed,
        notes=(*_notes(case), *[UNCHANGED] * untested),
        unknown=unchecked(base, run) if run else {},
        cause=cause(base, run) if run and outcome != "pass" else "",
    )


def _notes(case: Case) -> list[str]:
    """Return what else a reader must know of a benchmark."""
    base, run = case.baseline, case.run
    notes = [f"allowed: {obstacle.text}" for obstacle in case.allowed]
    if run is None:
        return notes
    if case.early:
        seed = run.summary["stopped"]["seed"]
        notes.append(f"may stop early: asked in an order of seed {seed}, subsets not tested")
    if not case.gates:
        notes.append("a judge scored it: reported, and no part of the verdict")
    if more := sum(name not in base.items for name in run.items):
        notes.append(f"{more} questions are not in the baseline")
    if abs(contributions(base, way_of(base)).remainder) > 1e-3:
        notes.append(f"{base.metric} weighs questions its own way; the test is of their mean")
    if unknown := unchecked(base, run):
        names = ", ".join(STAGES[stage] for stage in unknown)
        notes.append(f"not known on both sides, and so not checked: {names}")
    return notes
