"""Whether a run may be held against a baseline at all: the same questions, asked and scored alike.

A pass where something is unlike would be luck. Each obstacle has a word with which it can be
allowed, and what was allowed is written into the verdict. Decoded pixels and token ids may differ:
whether a new library that makes them so still scores as well is what a gate is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evalkit.cells import BUILTIN
from evalkit.errors import UsageError, nearest
from evalkit.gates.values import Obstacle
from evalkit.items import STAGES, Item, TaskResult, unknown_stages
from evalkit.metrics.summary import counted

__all__ = ["ALLOW", "checked_allow", "obstacles", "unchecked"]

ALLOW = ("missing", "scorer", "protocol", "split", "judge", "fingerprint")
"""What can be allowed."""

FIXED = ("row", "prompt", "media", "generation")
"""The stages that must be the same on every question."""


def checked_allow(words: Sequence[str]) -> tuple[str, ...]:
    """Return what is allowed, of words that may hold several, separated by commas.

    Raises:
        UsageError: there is no such thing to allow.
    """
    found = [name for word in words for name in word.split(",") if name]
    for name in found:
        if name not in ALLOW:
            raise UsageError(nearest("thing to allow", name, list(ALLOW)))
    return tuple(name for name in ALLOW if name in found)


def obstacles(baseline: TaskResult, run: TaskResult) -> list[Obstacle]:
    """Return in what a run is unlike its baseline."""
    return [
        *_unlike(baseline, run),
        *_missing(baseline, run),
        *_fingerprints(baseline, run),
    ]


def unchecked(baseline: TaskResult, run: TaskResult) -> dict[str, int]:
    """Return by stage how many questions both have whose fingerprint one of them does not know."""
    found = unknown_stages(_common(baseline, run))
    return {stage: found[stage] for stage in FIXED if stage in found}


def _common(baseline: TaskResult, run: TaskResult) -> list[tuple[Item, Item]]:
    return [(item, run.items[name]) for name, item in baseline.items.items() if name in run.items]


def _unlike(baseline: TaskResult, run: TaskResult) -> Iterator[Obstacle]:
    for result, name in ((baseline, "baseline"), (run, "run")):
        if result.value is None:
            yield Obstacle(kind="", text=f"the {name} has no score: the answers are private")
    for name in ("metric", "scale"):
        first, second = getattr(baseline, name), getattr(run, name)
        if first != second:
            yield Obstacle(kind="", text=f"other {name}: {first} in the baseline, {second} now")
    names = {"scorer": "scorer", "version": "scorer"}
    for name, kind in (names | {k: k for k in ("protocol", "split", "judge")}).items():
        first, second = (result.summary.get(name) or "none" for result in (baseline, run))
        if first != second:
            what = "version of the task" if name == "version" else name
            yield Obstacle(kind=kind, text=f"other {what}: {first} in the baseline, {second} now")
    if (baseline.summary.get("data") == BUILTIN) != (run.summary.get("data") == BUILTIN):
        yield Obstacle(kind="split", text="one of the two is on the built-in set")


def _missing(baseline: TaskResult, run: TaskResult) -> Iterator[Obstacle]:
    if run.summary.get("stopped"):
        return  # on purpose, and it is tested by what allows that
    lacking = ungraded = 0
    for name, item in baseline.items.items():
        now = run.items.get(name)
        if now is None or (now.record.status, item.record.status) == ("missing", "ok"):
            lacking += 1
        elif counted(now.record) is None and counted(item.record) is not None:
            ungraded += 1
    total = len(baseline.items)
    if lacking:
        limit = " (the run is partial)" if run.summary.get("partial") else ""
        yield Obstacle(kind="missing", text=f"{lacking} of {total} questions are missing{limit}")
    elif run.summary.get("partial") or baseline.summary.get("partial"):
        which = "run" if run.summary.get("partial") else "baseline"
        yield Obstacle(kind="missing", text=f"the {which} is partial: {total} questions compared")
    if ungraded:
        text = f"{ungraded} of {total} questions have no grade now: the judge failed"
        yield Obstacle(kind="missing", text=text)


def _fingerprints(baseline: TaskResult, run: TaskResult) -> Iterator[Obstacle]:
    common = _common(baseline, run)
    for stage in FIXED:
        if differing := sum(one.differs(other, stage) for one, other in common):
            text = f"other {STAGES[stage]} on {differing} of {len(common)} questions"
            yield Obstacle(kind="fingerprint", text=text)
