"""Stored and foreign predictions: a file of ids and replies, read into responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import DataError, UsageError
from evalkit.store import response_from
from evalkit.types import Response

if TYPE_CHECKING:
    from evalkit.data.rows import Rows
    from evalkit.task import Task

__all__ = ["read_lines", "read_predictions"]

FOREIGN = (".json", ".xlsx", ".xls", ".csv", ".tsv", ".eval", ".pkl", ".pickle")
"""Endings of files that other harnesses write."""


def read_predictions(
    path: Path, task: Task | None = None, rows: Rows | None = None
) -> dict[str, Response]:
    """Return predictions by id, of lines of ours or of a file of another harness.

    Args:
        path: the file.
        task: the benchmark that another harness's file is about.
        rows: its rows, with which answers are matched; without, only our lines are read.

    Raises:
        UsageError: the file is not there, or is a pickle.
        DataError: it cannot be read, an id has two predictions, or an answer matches no row.
    """
    if not path.is_file():
        raise UsageError(f"no such predictions file: {path}")
    if task is None or rows is None or not is_foreign(path):
        return read_lines(path)
    # Imported here: lines of ours are read without the readers of everybody else's.
    from evalkit.interop.importing import read_foreign

    return read_foreign(path, task, rows)


def is_foreign(path: Path) -> bool:
    """Whether a file is another harness's, by its ending or the keys of its first line."""
    if path.suffix.lower() in FOREIGN:
        return True
    with path.open("rb") as file:
        line = next((line for line in file if line.strip()), b"")
    try:
        first = json.loads(line)
    except ValueError:
        return False
    return isinstance(first, Mapping) and (
        "doc_id" in first or {"index", "prediction"} <= set(first)
    )


def read_lines(path: Path) -> dict[str, Response]:
    """Return predictions by id.

    A line is ``{"id", "prediction"}`` with ``extraction`` and ``judge`` optional, or a line of a
    run's ``responses.jsonl``, of which the last one of an id counts, and where the torn last line
    that a killed run leaves is none.

    Raises:
        DataError: a line cannot be read, or an id has two predictions.
    """
    found: dict[str, Response] = {}
    stored = False
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip() or (stored and _torn(line)):
                continue
            response, stored = prediction(path, number, line)
            if response.id in found and not stored:
                raise DataError(f"{path}: line {number}: a second prediction for id {response.id}")
            found[response.id] = response
    if not found:
        raise DataError(f"{path} holds no predictions")
    return found


def _torn(line: bytes) -> bool:
    """Whether a line was cut off while it was written; only the last of a file can be."""
    if line.endswith(b"\n"):
        return False
    try:
        json.loads(line)
    except ValueError:
        return True
    return False


def prediction(path: Path, number: int, line: bytes) -> tuple[Response, bool]:
    """Return a line's response, and whether it is a line of a run."""
    try:
        value = json.loads(line)
    except ValueError as error:
        raise DataError(f"{path}: line {number} is not JSON ({error})") from error
    if not isinstance(value, Mapping) or "id" not in value:
        raise DataError(
            f'{path}: line {number} has no "id": write {{"id": ..., "prediction": ...}}'
        )
    if "prediction" in value:
        text = value["prediction"]
        return Response(
            id=str(value["id"]),
            text=None if text is None else str(text),
            error="no prediction" if text is None else None,
            extraction=optional_text(value, "extraction"),
            judge=optional_text(value, "judge"),
        ), False
    if isinstance(value.get("text"), str) or value.get("error"):
        try:
            return replace(response_from(value), id=str(value["id"]), key=""), True
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}: line {number} is no response ({error})") from error
    raise DataError(f'{path}: line {number} has no "prediction"')


def optional_text(value: Mapping[str, Any], key: str) -> str | None:
    """Return a column as text, or ``None`` where it is absent or null."""
    return None if value.get(key) is None else str(value[key])
