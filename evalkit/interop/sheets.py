"""Tables of other harnesses: xlsx, CSV and TSV, every cell as it was written.

A spreadsheet read through pandas loses replies such as ``None`` and ``N/A``, which become missing
values; here a cell of text stays the text that it is, and a cell that is empty stays known as such.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import DataError, UsageError, one_line
from evalkit.interop.safety import Archive

__all__ = ["SHEETS", "Sheet", "read_sheet"]

SHEETS = (".xlsx", ".csv", ".tsv")
"""Endings of files that are read as tables."""

COLUMNS = 512
"""The most columns of a spreadsheet that are read: a sheet may claim 16,384 cells in every row."""

WIDEST = 2**31 - 1
"""The greatest field limit that ``csv`` takes on every platform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table with a header."""

    header: tuple[str, ...]
    """The columns' names."""
    rows: list[dict[str, Any]]
    """The rows: text, numbers or ``None`` by column; in CSV and TSV an empty cell is ``None``."""


def read_sheet(path: Path) -> Sheet:
    """Return a table.

    Raises:
        DataError: it is not what its name says, or a row has more cells than the header.
        UsageError: the library that reads xlsx is not installed.
    """
    rows = read_xlsx(path) if path.suffix.lower() == ".xlsx" else read_text(path)
    if not rows:
        raise DataError(f"{path} is empty")
    header = tuple("" if name is None else str(name).strip() for name in rows[0])
    while header and not header[-1]:
        header = header[:-1]
    named = [name for name in header if name]
    if not named or len(set(named)) != len(named):
        raise DataError(f"{path}: the first row does not name the columns once each")
    width, table = len(header), []
    for number, cells in enumerate(rows[1:], start=2):
        if any(cell is not None for cell in cells[width:]):
            raise DataError(f"{path}: row {number} has more cells than the header names")
        row = dict(zip(header, [*cells, *[None] * (width - len(cells))], strict=False))
        if any(cell is not None for cell in row.values()):
            table.append(row)
    return Sheet(header=header, rows=table)


def read_xlsx(path: Path) -> list[tuple[Any, ...]]:
    """Return the cells of the first sheet, row by row.

    Formulas are not evaluated: a reply that begins with an equals sign may be stored as one, and
    its text is the reply. ``_x000D_`` and the like stand for characters that XML has not.
    """
    with Archive(path):
        pass  # its sizes are looked at before the library unpacks anything
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.escape import unescape
    except ImportError:
        raise UsageError(f"to read {path}: pip install 'evalkit-vl[interop]'") from None
    try:
        book = load_workbook(path, read_only=True, data_only=False, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what a writer claims of its size may be wrong
        rows = [
            tuple(
                unescape(cell) if isinstance(cell, str) and "_x" in cell else cell
                for cell in (cells if len(cells) <= COLUMNS else cells[:COLUMNS])
            )
            for cells in sheet.iter_rows(values_only=True)
        ]
        book.close()
    except Exception as error:  # noqa: BLE001  whatever a damaged file makes the library raise
        raise DataError(
            f"{path} is not a spreadsheet: {type(error).__name__} {one_line(error, 120)}"
        ) from None
    return rows


def read_text(path: Path) -> list[tuple[Any, ...]]:
    """Return the cells of a CSV or TSV; an empty one is ``None``."""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    before = csv.field_size_limit(WIDEST)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [
                tuple(cell or None for cell in cells)
                for cells in csv.reader(file, delimiter=delimiter, strict=True)
            ]
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a table of text: {one_line(error, 120)}") from None
    finally:
        csv.field_size_limit(before)
