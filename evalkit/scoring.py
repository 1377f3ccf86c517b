"""From stored responses to records and a summary; no model, no media."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalkit.data.rows import Rows
from evalkit.metrics.summary import counted
from evalkit.samples import samples
from evalkit.task import Task
from evalkit.types import Record, Response, Sample, Status

__all__ = ["Scored", "label", "score_rows", "summarise"]

UNRESOLVED = ("unparsed", "judge_failed")
"""Statuses of answers that nobody could judge: wrong or right, we do not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A task's rows, scored."""

    records: list[Record]
    """One a row, in row order."""
    entries: list[dict[str, Any]]
    """A private split's submission entries, in row order; empty where answers are public."""


def score_rows(
    task: Task, rows: Rows, limit: int | None, find: Callable[[Sample, int], Response | None]
) -> Scored:
    """Score every row.

    Args:
        task: the benchmark, whose scorer applies.
        rows: its rows; their media are not read.
        limit: only so many rows, or ``None``.
        find: gives the response to a sample, by its place in the rows, or ``None`` if it has none.
    """
    records, entries = [], []
    for number, (_, sample) in enumerate(samples(task, rows, limit, with_media=False)):
        response = find(sample, number)
        if task.scored:
            records.append(task.record(sample, response))
        else:
            entries.append(task.submission(sample, response))
            records.append(unscored(task, sample, response))
    return Scored(records=records, entries=entries)


def unscored(task: Task, sample: Sample, response: Response | None) -> Record:
    """Return the record of a sample whose answer is private: answered or not, never graded."""
    reply = None if response is None or response.text is None else task.reply(response.text)
    status: Status = "missing" if response is None else "failed" if reply is None else "ok"
    return Record(
        id=sample.id,
        score=None,
        status=status,
        parsed=reply,
        subsets=sample.subsets,
        cluster=sample.cluster,
        truncated=bool(response and response.finish_reason == "length"),
    )


def label(task: Task, judge: str | None) -> str:
    """Return what a score is called: the task, with the judge where one had a say."""
    return f"{task.name}[judge={judge}]" if judge else task.name


def summarise(
    task: Task, records: Sequence[Record], *, partial: bool, judge: str | None = None
) -> dict[str, Any]:
    """Return a task's summary: metrics, counts, and how sure they are.

    ``interval`` is the 95 percent confidence interval of the primary metric over new questions of
    the same kind, clustered by picture, document or video. ``bounds`` are the primary metric with
    every unresolved answer taken as wrong and as right, where there is one.
    """
    counts = Counter(record.status for record in records)
    metrics = task.summarise(records) if task.scored else {}
    return {
        "task": task.name,
        "version": task.version,
        "protocol": task.protocol.name,
        "scorer": task.scorer,
        "label": label(task, judge),
        "split": task.split,
        "n": len(records),
        "n_missing": counts["missing"],
        "n_unparsed": counts["unparsed"],
        "n_failed": counts["failed"],
        "n_judge_failed": counts["judge_failed"],
        "n_truncated": sum(record.truncated for record in records),
        "metrics": metrics,
        "primary": task.metric,
        "scale": task.scale,
        "interval": interval(task, records) if task.scored else None,
        "bounds": bounds(task, records) if task.scored else None,
        "partial": partial,
        "judge": judge,
    }


def interval(task: Task, records: Sequence[Record]) -> list[float] | None:
    """Return the 95 percent confidence interval of the primary metric, in its own scale."""
    from evalkit.stats import cluster_bootstrap, mean_interval

    judged = [(value, r) for r in records if (value := counted(r)) is not None]
    if len(judged) < 2:
        return None
    values = [value for value, _ in judged]
    clusters = [record.cluster or record.id for _, record in judged]
    if task.macro:
        found = cluster_bootstrap(values, [record.subsets for _, record in judged], clusters)
    else:
        found = mean_interval(values, clusters=clusters)
    factor = len(judged) if task.scale == "points" else 100.0
    return [factor * found.low, factor * found.high]


def bounds(task: Task, records: Sequence[Record]) -> list[float] | None:
    """Return the primary metric with unresolved answers as wrong and as right, or ``None``."""
    if not any(record.status in UNRESOLVED for record in records):
        return None

    def taken(value: float) -> float:
        settled = [
            replace(r, score=value, status="ok") if r.status in UNRESOLVED else r for r in records
        ]
        return task.summarise(settled)[task.metric]

    return [taken(0.0), taken(1.0)]
