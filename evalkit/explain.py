"""Why a number moved: the first stage at which two results part, question by question.

Each question is counted once, at the first of the nine stages of `evalkit.items` that differs. Its
points are what it adds to the second result's primary metric less what it adds to the first's, so
that the points of all stages, with those of questions that only one side has, sum to the
difference of the two scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.contributions import contributions, way_of
from evalkit.errors import UsageError
from evalkit.items import (
    STAGES,
    Item,
    Parting,
    TaskResult,
    close_calls,
    parting,
    rescored,
    unknown_stages,
)
from evalkit.results import pairs
from evalkit.settings import differing

__all__ = ["Example", "Explanation", "Part", "explain", "explain_runs"]

REST: Mapping[str, str] = {
    "unknown": "unknown stage",
    "only_a": "questions only in A",
    "only_b": "questions only in B",
    "weights": "questions counted",
}
"""What else can move a score; ``weights``: the same answers, over another number of questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One question on which two results part; every pair is the first result's, the second's."""

    id: str
    """The question."""
    points: float
    """What it moved the score by."""
    answers: tuple[str | None, str | None]
    """The replies; ``None`` where there is none or it is not kept."""
    parsed: tuple[str | None, str | None]
    """What the scorers read."""
    scores: tuple[float | None, float | None]
    """Credit from 0 to 1."""
    statuses: tuple[str, str]
    """How the scores came about."""
    unknown: tuple[str, ...]
    """Earlier stages that are not known on both sides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The questions that part first at one stage."""

    stage: str
    """The stage, or what else it is."""
    differ: int
    """Questions."""
    rescored: int
    """Those of them that are counted differently."""
    unsure: int
    """Those of the rescored ones that may part earlier, at a stage that is not known."""
    close: int | None
    """Of replies that differ, those that had a token whose logit led over the next likely one's
    by less than `evalkit.items.NARROW`, on all sides that tell; ``None`` at other stages, and where
    no side does."""
    gained: float
    """Points won, on the metric's scale."""
    lost: float
    """Points lost, 0 or below."""
    examples: tuple[Example, ...]
    """The most telling questions."""

    @property
    def points(self) -> float:
        """What the stage moved the score by."""
        return self.gained + self.lost

    @property
    def name(self) -> str:
        """What reports call it."""
        return STAGES.get(self.stage) or REST[self.stage]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why two results of one task differ."""

    task: str
    """The benchmark."""
    places: tuple[str, str]
    """Where the two results are."""
    metric: str
    """The primary metric of the first."""
    scale: str
    """``percent`` or ``points``."""
    values: tuple[float | None, float | None]
    """The primary metric in both."""
    n: int
    """Questions in both."""
    same: int
    """Those of them on which nothing is known to differ."""
    parts: tuple[Part, ...]
    """What moved the score, in the order of the stages."""
    unknown: Mapping[str, int]
    """By stage, the questions for which it is not known on both sides."""
    settings: tuple[tuple[str, str | None, str | None], ...]
    """Settings that differ: key, first, second; ``None`` where one side has no such key."""
    silent: tuple[str, ...]
    """The places that do not say what they were made with."""

    @property
    def difference(self) -> float | None:
        """The second score less the first."""
        first, second = self.values
        return None if first is None or second is None else second - first

    @property
    def chief(self) -> Part | None:
        """The stage that moved the most points in the direction of the difference, if any did."""
        sign = 1 if (self.difference or 0.0) > 0 else -1
        stages = [part for part in self.parts if part.stage in STAGES or part.stage == "unknown"]
        moved = [part for part in stages if sign * part.points > 0]
        return max(moved, key=lambda part: sign * part.points, default=None)


def explain_runs(first: Path, second: Path, examples: int = 3) -> list[Explanation]:
    """Return why two runs differ, for every task that both have.

    Raises:
        UsageError: a place holds no results, or they have no task in common.
    """
    return [explain(a, b, examples) for a, b in pairs(first, second)]


def explain(a: TaskResult, b: TaskResult, examples: int = 3) -> Explanation:
    """Return why the second result differs from the first.

    Args:
        a: a task's result.
        b: another result of the same task.
        examples: how many questions to show of each stage.

    Raises:
        UsageError: the two scores are on different scales.
    """
    if a.scale != b.scale:
        raise UsageError(f"{a.task}: one score is in {a.scale}, the other in {b.scale}")
    moved, remainder = _moves(a, b)
    found = _members(a, b)
    parts = [
        _part(stage, found[stage], a, b, moved, examples)
        for stage in (*STAGES, *REST)
        if found.get(stage)
    ]
    if abs(weights := remainder + _reweighed(a, b, moved)) > 1e-9:
        parts.append(_weights(weights))
    common = [(item, b.items[name]) for name, item in a.items.items() if name in b.items]
    return Explanation(
        task=a.task,
        places=(a.place, b.place),
        metric=a.metric,
        scale=a.scale,
        values=(a.value, b.value),
        n=len(common),
        same=len(found.get("", ())),
        parts=tuple(parts),
        unknown=unknown_stages(common),
        settings=(*differing(_said(a), _said(b)), *differing(a.settings, b.settings)),
        silent=tuple(result.place for result in (a, b) if not result.settings),
    )


def _members(a: TaskResult, b: TaskResult) -> dict[str, list[tuple[str, Parting]]]:
    """Return by stage the questions that part there; under no name those that do not."""
    found: dict[str, list[tuple[str, Parting]]] = {}
    for name, item in a.items.items():
        if name in b.items:
            at = parting(item, b.items[name])
            found.setdefault(at.stage or "", []).append((name, at))
    for stage, here, there in (("only_a", a, b), ("only_b", b, a)):
        alone = [name for name in here.items if name not in there.items]
        found[stage] = [(name, Parting(stage=stage, unknown=())) for name in alone]
    return found


def _moves(a: TaskResult, b: TaskResult) -> tuple[dict[str, float], float]:
    """Return what every question moved the score by, and what no question did."""
    way = way_of(a, b)
    before, after = contributions(a, way), contributions(b, way)
    names = {**a.items, **b.items}
    moved = {n: after.points.get(n, 0.0) - before.points.get(n, 0.0) for n in names}
    return moved, after.remainder - before.remainder


def _changed(name: str, a: TaskResult, b: TaskResult) -> bool:
    """Whether a question is counted differently, or on one side alone."""
    if name not in a.items or name not in b.items:
        return True
    return rescored(a.items[name].record, b.items[name].record)


def _reweighed(a: TaskResult, b: TaskResult, moved: Mapping[str, float]) -> float:
    """Return what questions with the same score moved: they are parts of another number of them."""
    return sum(points for name, points in moved.items() if not _changed(name, a, b))


def _part(
    stage: str,
    members: Sequence[tuple[str, Parting]],
    a: TaskResult,
    b: TaskResult,
    moved: Mapping[str, float],
    examples: int,
) -> Part:
    """Return what the questions that part at one stage come to."""
    changed = [(name, at) for name, at in members if _changed(name, a, b)]
    points = [moved[name] for name, _ in changed]
    telling = sorted(changed, key=lambda pair: (-abs(moved[pair[0]]), bool(pair[1].unknown)))
    return Part(
        stage=stage,
        differ=len(members),
        rescored=len(changed),
        unsure=sum(bool(at.unknown) for _, at in changed),
        close=close_calls([(a.items[n].lead, b.items[n].lead) for n, _ in members])
        if stage == "output"
        else None,
        gained=sum(value for value in points if value > 0),
        lost=sum(value for value in points if value < 0),
        examples=tuple(
            _example(name, at, a.items.get(name), b.items.get(name), moved[name])
            for name, at in telling[:examples]
        ),
    )


def _weights(points: float) -> Part:
    return Part(
        stage="weights",
        differ=0,
        rescored=0,
        unsure=0,
        close=None,
        gained=max(points, 0.0),
        lost=min(points, 0.0),
        examples=(),
    )


def _example(name: str, at: Parting, a: Item | None, b: Item | None, points: float) -> Example:
    first, second = (item.record if item else None for item in (a, b))
    return Example(
        id=name,
        points=points,
        answers=(a.text if a else None, b.text if b else None),
        parsed=(first.parsed if first else None, second.parsed if second else None),
        scores=(first.score if first else None, second.score if second else None),
        statuses=(first.status if first else "absent", second.status if second else "absent"),
        unknown=at.unknown,
    )


def _said(result: TaskResult) -> dict[str, object]:
    """Return what a result's summary says of how it was made."""
    names = ("version", "protocol", "scorer", "split", "judge", "data", "partial")
    return {f"summary.{name}": result.summary.get(name) for name in names}
