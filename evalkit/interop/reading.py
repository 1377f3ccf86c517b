"""Which harness wrote a file, by what it holds rather than by its name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.errors import DataError, UsageError
from evalkit.interop.answers import Answer, Log
from evalkit.interop.harness import read_old_log, read_results, read_samples
from evalkit.interop.inspect_log import read_archive, read_log
from evalkit.interop.safety import load_json, parse_json, refuse_pickle
from evalkit.interop.sheets import SHEETS
from evalkit.interop.vlmevalkit import from_rows, read_table
from evalkit.predictions import read_lines

__all__ = ["FORMATS", "PLAIN", "RRC", "read_logs"]

PLAIN, RRC = "predictions", "RRC submission"

FORMATS = (
    "sample logs and results of lmms-eval and lm-evaluation-harness, VLMEvalKit's xlsx, TSV, CSV "
    "and JSON, inspect logs, RRC submissions, and lines of {id, prediction}"
)
"""What can be read, for messages."""


def read_logs(path: Path, task: str | None = None) -> list[Log]:
    """Return what a file of another harness holds: one log a benchmark.

    Args:
        path: the file.
        task: our name of the benchmark, where the user gave one.

    Raises:
        UsageError: there is no such file, or it is a pickle.
        DataError: it is damaged, or of no format that is known.
    """
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    refuse_pickle(path)
    suffix = path.suffix.lower()
    if suffix in SHEETS:
        return [read_table(path, task)]
    if suffix == ".eval":
        return [read_archive(path)]
    if suffix == ".xls":
        raise UsageError(f"{path}: save it as xlsx first")
    if suffix == ".json":
        return from_json(path, load_json(path), task)
    return [from_lines(path, task)]


def from_lines(path: Path, task: str | None) -> Log:
    """Read a file of JSON lines by the keys of its first line."""
    with path.open("rb") as file:
        line = next((line for line in file if line.strip()), b"")
    if not line:
        raise DataError(f"{path} is empty")
    first = parse_json(line, f"{path}: line 1") if line[:1] in b"{[" else None
    if not isinstance(first, Mapping):
        raise DataError(f"{path}: line 1 is no JSON object. Known are {FORMATS}")
    if "doc_id" in first:
        return read_samples(path)
    if "id" in first and ("prediction" in first or "key" in first):
        return plain(path)
    if "prediction" in first:
        with path.open("rb") as file:
            rows = [
                parse_json(line, f"{path}: line {n}")
                for n, line in enumerate(file, 1)
                if line.strip()
            ]
        return from_rows(path, [known_cells(row) for row in objects(path, rows)], task, first=1)
    raise unknown(path, first)


def from_json(path: Path, content: Any, task: str | None) -> list[Log]:
    """Read a JSON file by what it holds."""
    if isinstance(content, Mapping):
        if isinstance(content.get("eval"), Mapping):
            return [read_log(path, content)]
        if isinstance(content.get("results"), Mapping):
            return read_results(path, content)
        if isinstance(content.get("logs"), list):
            return [read_old_log(path, content)]
        if isinstance(content.get("prediction"), list | Mapping):
            content = columns_to_rows(path, content)
    if isinstance(content, list) and content:
        rows = objects(path, content)
        if "questionId" in rows[0] and "answer" in rows[0] and "prediction" not in rows[0]:
            return [from_rrc(path, rows)]
        if "prediction" in rows[0]:
            return [from_rows(path, [known_cells(row) for row in rows], task)]
    first = content[0] if isinstance(content, list) and content else content
    raise unknown(path, first)


def objects(path: Path, rows: list[Any]) -> list[dict[str, Any]]:
    """Return rows that are all objects.

    Raises:
        DataError: one is not.
    """
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise DataError(f"{path}: entry {number} is no JSON object")
    return rows


def columns_to_rows(path: Path, content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a table that was written column by column.

    Raises:
        DataError: the columns are not equally long.
    """
    columns = {k: list(v.values()) if isinstance(v, Mapping) else v for k, v in content.items()}
    if len({len(v) if isinstance(v, list) else -1 for v in columns.values()}) != 1:
        raise DataError(f"{path}: its columns are not equally long")
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def known_cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with ``None`` for ``NaN``, which pandas writes for a missing value."""
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}


def from_rrc(path: Path, rows: list[dict[str, Any]]) -> Log:
    """Return the log of a submission to the Robust Reading Competition."""
    answers = []
    for number, row in enumerate(rows):
        if "questionId" not in row or not isinstance(row.get("answer"), str):
            raise DataError(
                f"{path}: entry {number} has not a questionId and an answer that is text"
            )
        ids = {"questionId": str(row["questionId"])}
        answers.append(Answer(at=f"entry {number}", ids=ids, text=row["answer"]))
    return Log(harness=RRC, path=path, answers=tuple(answers))


def plain(path: Path) -> Log:
    """Return the log of lines of ``{"id", "prediction"}``, or of a run's responses."""
    answers = tuple(
        Answer(
            at=f"id {response.id}",
            ids={"id": response.id},
            number=None,
            text=response.text,
            error=response.error,
            finish_reason=response.finish_reason,
            extraction=response.extraction,
            judge=response.judge,
            digests=response.digests,
        )
        for response in read_lines(path).values()
    )
    return Log(harness=PLAIN, path=path, model=path.stem, answers=answers)


def unknown(path: Path, first: Any) -> DataError:
    """Return the error about a file of no known format."""
    keys = f" with {', '.join(list(first)[:6])}" if isinstance(first, Mapping) else ""
    return DataError(f"{path}: no format that is known{keys}. Known are {FORMATS}")
