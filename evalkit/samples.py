"""Rows read through a task: the samples of a benchmark, in row order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from evalkit.data.rows import Rows
from evalkit.errors import DataError, UsageError
from evalkit.task import Task
from evalkit.types import Row, Sample

__all__ = ["Census", "census", "samples"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What one reading of the rows' text found, before anything is asked."""

    rows: int
    """How many rows there are, after the limit."""
    partial: bool
    """Whether the limit left some out."""


def samples(
    task: Task, rows: Rows, limit: int | None, *, with_media: bool, fetch: bool = False
) -> Iterator[tuple[Row, Sample]]:
    """Yield rows with the samples they become, in row order.

    Args:
        task: the benchmark.
        rows: its rows.
        limit: only so many, or ``None``.
        with_media: whether the rows' media are read.
        fetch: whether media that the dataset keeps beside its rows are fetched.

    Raises:
        UsageError: the limit is not a positive number.
        DataError: a row does not fit its task; the message names the row.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"limit={limit}: write a number of rows from 1")
    stream = rows.read(
        media=task.media_columns,
        with_media=with_media,
        required=task.columns,
        files=task.files if task.beside else None,
        fetch=fetch,
        search=task.searched,
    )
    for number, row in enumerate(islice(stream, limit)):
        try:
            sample = task.sample(row, number)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise DataError(
                f"{task.name}: row {number} does not fit the task ({reason})"
            ) from error
        yield row, sample


def census(task: Task, rows: Rows, limit: int | None) -> Census:
    """Read every row's text once, so that a broken file stops a run before the model is loaded.

    Raises:
        DataError: there is no row, or two rows have the same id.
    """
    seen: dict[str, int] = {}
    count = 0
    for _, sample in samples(task, rows, limit + 1 if limit else limit, with_media=False):
        count += 1
        first = seen.setdefault(sample.id, count - 1)
        if first != count - 1:
            raise DataError(
                f"{task.name}: rows {first} and {count - 1} have the same id {sample.id}"
            )
    if not count:
        raise DataError(f"{task.name}: there are no rows")
    partial = limit is not None and count > limit
    return Census(rows=limit if partial and limit else count, partial=partial)
