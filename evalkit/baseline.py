"""A baseline: what a run scored, question by question, as a small file that is committed.

One line a question keeps a change of the file readable in a review. A question's line is
``[id, score, cluster, subsets, fingerprints]``, with a list of what is unusual about it
(``unparsed``, ``truncated``, …) where there is something. Clusters and subsets are numbered; the
fingerprints are the first eight digits of each stage's digest. Neither question nor reply is in it,
and the same run gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from evalkit.errors import DataError, UsageError, nearest
from evalkit.files import cannot_write, write_atomically
from evalkit.items import PRINTED, Item, TaskResult, lengthened, shortened
from evalkit.settings import portable
from evalkit.types import Record, Status

__all__ = ["ALLOW", "check", "read", "text_of", "write"]

FORMAT = "evalkit baseline 1"

ALLOW = ("failed", "missing", "judge_failed")
"""Answers that a baseline should not lack, and may lack only where that is said."""


def check(results: Sequence[TaskResult], allow: Sequence[str] = ()) -> None:
    """Refuse results that would make a poor baseline.

    Args:
        results: one a task.
        allow: names in `ALLOW` of answers that may be lacking.

    Raises:
        UsageError: a result is partial, private, or lacks answers.
    """
    for name in allow:
        if name not in ALLOW:
            raise UsageError(nearest("thing to allow", name, list(ALLOW)))
    for result in results:
        if result.summary.get("partial"):
            raise UsageError(
                f"{result.place} is of a partial run: run it without limit= and write it then"
            )
        if result.value is None:
            raise UsageError(f"{result.place} has no score: the split's answers are private")
        for name in ALLOW:
            lacking = sum(record.status == name for record in result.records)
            if lacking and name not in allow:
                raise UsageError(
                    f"{result.place}: {lacking} of {len(result.items)} questions are {name};"
                    f" run again, or say --allow {name}"
                )


def write(path: Path, results: Sequence[TaskResult]) -> None:
    """Write results as a baseline file.

    Raises:
        RunError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    write_atomically(path, text_of(results))


def text_of(results: Sequence[TaskResult]) -> str:
    """Return the content of a baseline file."""
    body = ",\n".join(_task_text(result) for result in results)
    return f'{{"format": {json.dumps(FORMAT)},\n"tasks": [\n{body}\n]}}\n'


def read(path: Path) -> list[TaskResult]:
    """Return the results in a baseline file.

    Raises:
        DataError: it is no baseline file, or one of another version.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    found = value.get("format") if isinstance(value, Mapping) else None
    if found != FORMAT:
        raise DataError(
            f"{path} is no baseline that this version reads (its format is {found!r}, not"
            f" {FORMAT!r}): write it again with evalkit baseline write"
        )
    try:
        return [_task_from(entry, path) for entry in value["tasks"]]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(f"{path}: not as evalkit baseline write leaves it ({error!r})") from error


def _task_text(result: TaskResult) -> str:
    stages = [
        stage for stage in PRINTED if any(stage in item.prints for item in result.items.values())
    ]
    subsets = list(dict.fromkeys(name for r in result.records for name in r.subsets))
    head = {
        "summary": {key: portable(value) for key, value in result.summary.items()},
        "settings": dict(result.settings),
        "stages": stages,
        "subsets": subsets,
    }
    opening = json.dumps(head, ensure_ascii=False, indent=0, default=str).removesuffix("\n}")
    items = ",\n".join(
        json.dumps(line, separators=(",", ":")) for line in _lines(result, stages, subsets)
    )
    return f'{opening},\n"items": [\n{items}\n]}}'


def _lines(
    result: TaskResult, stages: Sequence[str], subsets: Sequence[str]
) -> Iterator[list[Any]]:
    numbers = {name: at for at, name in enumerate(subsets)}
    clusters: dict[str, int] = {}
    for item in result.items.values():
        record = item.record
        cluster = clusters.setdefault(record.cluster, len(clusters)) if record.cluster else None
        members = [numbers[name] for name in record.subsets]
        line = [record.id, record.score, cluster, members, shortened(item.prints, stages)]
        unusual = [record.status] * (record.status != "ok") + ["truncated"] * record.truncated
        yield [*line, unusual] if unusual else line


def _task_from(entry: Mapping[str, Any], path: Path) -> TaskResult:
    stages, subsets = entry["stages"], entry["subsets"]
    items = {}
    for line in entry["items"]:
        item = _item(line, stages, subsets)
        items[item.record.id] = item
    summary = entry["summary"]
    return TaskResult(
        place=f"{path}, {summary['task']}",
        summary=summary,
        items=items,
        settings=entry["settings"],
    )


def _item(line: list[Any], stages: Sequence[str], subsets: Sequence[str]) -> Item:
    name, score, cluster, members, prints = line[:5]
    record = Record(
        id=name,
        score=score,
        status="ok",
        subsets=tuple(subsets[at] for at in members),
        cluster="" if cluster is None else str(cluster),
    )
    for word in line[5] if len(line) > 5 else ():
        if word == "truncated":
            record = replace(record, truncated=True)
        elif word in get_args(Status):
            record = replace(record, status=word)
        else:
            raise ValueError(f"unknown word {word}")
    return Item(record=record, prints=lengthened(prints, stages))
