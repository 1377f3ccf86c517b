"""VLMEvalKit's predictions: xlsx, TSV, CSV or JSON with ``index``, ``question``, ``prediction``.

Layout after VLMEvalKit e8e78f05 and 9a57ff1c: a row a question, the dataset's columns beside
``prediction``; judged files add ``hit`` or ``score``, and for MathVista ``res``, the extraction.
Rows are numbered by ``index``, the row number for most datasets and no id of the Hub's.

An empty cell of ``prediction`` is read as an empty reply, which is how those are stored; but where
the file went through pandas again, a ``None`` or ``N/A`` became an empty cell too. How many there
are is said, and nothing is put in their place.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.errors import DataError
from evalkit.interop.answers import Answer, Log, number_from, score_from, texts_from
from evalkit.interop.names import VLMEVALKIT, dataset_in
from evalkit.interop.sheets import read_sheet

__all__ = ["from_rows", "read_table"]

IDS = ("question_id", "questionId", "id", "pid")
"""Columns that hold the dataset's own ids, where a dataset has them."""

SCORES = ("hit", "score", "eval_score")
"""Columns that hold VLMEvalKit's score of a row; ``-1`` stands for none."""

FAILED = "Failed to obtain answer"
"""How VLMEvalKit begins a reply that is none."""


def read_table(path: Path, task: str | None = None) -> Log:
    """Read an xlsx, CSV or TSV file.

    Args:
        path: the file.
        task: our name of the benchmark, where the user gave one.

    Raises:
        DataError: it is damaged, or has no column ``prediction``.
    """
    sheet = read_sheet(path)
    if "prediction" not in sheet.header:
        columns = ", ".join(name for name in sheet.header if name)
        raise DataError(f"{path} has no column prediction; its columns are {columns}")
    return from_rows(path, sheet.rows, task, first=2)


def from_rows(
    path: Path, rows: list[dict[str, Any]], task: str | None = None, first: int = 0
) -> Log:
    """Return the log that rows of VLMEvalKit's make.

    Args:
        path: the file that they come from.
        rows: the rows, by column.
        task: our name of the benchmark, where the user gave one.
        first: what the file's own count of rows begins with, for messages.
    """
    model, dataset = dataset_in(path.stem)
    graded = task == "mmvet" or dataset == "MMVet"
    rows = scored_split(rows)
    answers = [
        answer(row, f"row {number}", place, graded)
        for place, (number, row) in enumerate(enumerate(rows, start=first))
    ]
    empty = sum(row.get("prediction") is None for row in rows)
    numbers = sum(isinstance(row.get("prediction"), int | float) for row in rows)
    warnings = []
    if empty:
        warnings.append(
            f"{empty} predictions are empty cells and read as empty replies, though pandas leaves "
            "None and N/A empty too when it writes a file again"
        )
    if numbers:
        warnings.append(
            f"{numbers} predictions are stored as numbers: how they were written (7.0 or 7) is lost"
        )
    return Log(
        harness=VLMEVALKIT,
        path=path,
        name=dataset,
        model=model,
        answers=tuple(answers),
        warnings=tuple(warnings),
    )


def scored_split(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out MMMU's development rows, which VLMEvalKit asks along and reports apart."""
    if {str(row.get("split")) for row in rows} == {"dev", "validation"}:
        return [row for row in rows if row["split"] == "validation"]
    return rows


def answer(row: Mapping[str, Any], at: str, place: int, graded: bool) -> Answer:
    """Return one row's answer."""
    index = number_from(row.get("index"))
    ids = {name: plain(row[name]) for name in IDS if row.get(name) is not None}
    if row.get("index") is not None:
        ids["index"] = str(index) if index is not None else plain(row["index"])
    extraction = row.get("res")
    text = plain(row.get("prediction"))
    failed = text.startswith(FAILED)
    graded_by = {name: score_from(number(row.get(name))) for name in SCORES}
    scores = {name: value for name, value in graded_by.items() if value is not None and value >= 0}
    return Answer(
        at=at,
        ids=ids,
        number=place if row.get("index") is None else index,
        question=plain(row.get("question")),
        golds=texts_from(row.get("answer")),
        text=None if failed else text,
        error=text if failed else None,
        extraction=None if extraction is None else plain(extraction),
        judge=str(scores["score"]) if graded and "score" in scores else None,
        scores=scores,
    )


def plain(cell: Any) -> str:
    """Return a cell as text."""
    return "" if cell is None else str(cell)


def number(cell: Any) -> Any:
    """Return a number that CSV and TSV hold as text, or the cell as it is."""
    try:
        return float(cell) if isinstance(cell, str) else cell
    except ValueError:
        return None
