"""Reading results: of a run, of a folder of ``evalkit score``, or of a baseline file, all alike."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.baseline import read as read_baseline
from evalkit.errors import DataError, UsageError
from evalkit.files import lines_of
from evalkit.items import Item, TaskResult, lead_of, prints_of
from evalkit.settings import settings_of
from evalkit.store import RESPONSES, SCORES, find_results, read_records, read_summary

__all__ = ["load", "only", "pairs"]


def load(path: Path) -> list[TaskResult]:
    """Return every task's result, in the order of the folders' names or of the file.

    Args:
        path: a run's folder, one task's folder in it, a folder of ``evalkit score``, or a file that
            ``evalkit baseline write`` made.

    Raises:
        UsageError: there is nothing of the kind.
        DataError: a file is not what it should be.
    """
    if path.is_file():
        return read_baseline(path)
    if not path.exists():
        raise UsageError(f"no such run or baseline: {path}")
    return [_from_folder(folder) for folder in find_results(path)]


def only(results: Sequence[TaskResult], path: Path) -> dict[str, TaskResult]:
    """Return results by task.

    Raises:
        UsageError: a task has several results, such as one a scorer.
    """
    found: dict[str, TaskResult] = {}
    for result in results:
        if result.task in found:
            raise UsageError(
                f"{path} holds several results of {result.task}: name the folder of one,"
                f" such as {found[result.task].place}"
            )
        found[result.task] = result
    return found


def pairs(first: Path, second: Path) -> Iterator[tuple[TaskResult, TaskResult]]:
    """Yield the results that two places have of the same task, in the first one's order.

    Raises:
        UsageError: they have no task in common.
    """
    before, after = (only(load(path), path) for path in (first, second))
    common = [task for task in before if task in after]
    if not common:
        raise UsageError(
            f"no task in common: {first} has {', '.join(before)}, {second} has {', '.join(after)}"
        )
    for task in common:
        yield before[task], after[task]


def _from_folder(folder: Path) -> TaskResult:
    """Return the result in one folder; what it was made with stands one level up in a run."""
    summary = read_summary(folder)
    try:
        records = read_records(folder)
        if not isinstance(summary["metrics"], Mapping):
            raise TypeError("metrics")
        task, _ = str(summary["task"]), str(summary["primary"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{folder}: {SCORES} or summary.json is not evalkit's ({error})") from error
    if not records:
        raise UsageError(f"{folder / SCORES} holds no scores: nothing to pair by question")
    answers = _answers(folder)
    items = {}
    for record in records:
        answer = answers.get(record.id, {})
        text = answer.get("text")
        prints = prints_of(record, answer.get("digests") or {}, text)
        lead = lead_of(text, answer.get("details") or {}) if answer else None
        items[record.id] = Item(record=record, prints=prints, text=text, lead=lead)
    run = folder if (folder / "manifest.json").is_file() else folder.parent
    return TaskResult(
        place=str(folder), summary=summary, items=items, settings=settings_of(run, task)
    )


def _answers(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Return the last response to every question; a folder of one scorer has them one level up."""
    places = [folder / RESPONSES, folder.parent / RESPONSES]
    path = next((place for place in places if place.is_file()), places[0])
    found: dict[str, Mapping[str, Any]] = {}
    for offset, line in lines_of(path):
        try:
            value = json.loads(line)
            found[str(value["id"])] = value
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: the line at byte {offset} is not a response") from error
    return found
