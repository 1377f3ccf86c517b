"""VLMEvalKit's TSV files: pictures as base64 in a column, options in columns A, B, C, ….

The format is that of its ``ImageBaseDataset`` (VLMEvalKit 9a57ff1c, and unchanged since): a cell
``image`` holds one picture as base64, a Python list literal of several, or, at 64 characters or
less, the index of the row whose pictures these are too. VLMEvalKit reads the files with pandas,
which turns cells such as ``None`` or ``N/A`` into missing values and so loses options and answers
that read so; here every cell stays the text that it is.
"""

from __future__ import annotations

import ast
import csv
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from evalkit.data.columns import decode_base64
from evalkit.data.local import hash_file
from evalkit.errors import DataError, one_line

__all__ = ["read_tsv", "verify_md5"]

_REFERENCE = 64
"""The longest cell that is another row's index and not a picture."""

_WIDEST = 2**31 - 1
"""The greatest field limit that ``csv`` takes on every platform."""

_LITERAL = 1 << 16
"""The longest list of file names that is parsed, in characters."""


def verify_md5(path: Path, md5: str) -> None:
    """Refuse a file whose md5 is not the one that its source states.

    Raises:
        DataError: it is another.
    """
    found = hash_file(path, "md5")
    if found != md5.lower():
        raise DataError(
            f"{path}: its md5 is {found}, not {md5}: fetch it again, or set rows.md5 to the one "
            "you mean, or to null to take any"
        )


def read_tsv(path: Path, with_media: bool = True) -> Iterator[dict[str, Any]]:
    """Yield a TSV's rows: every column as text, but ``image`` as ``media_value`` gives it.

    A file with ``image_path`` and no ``image`` gets its pictures' paths in ``image``, relative
    ones from the file's folder. Nothing but the row at hand and the index of rows is held.

    Args:
        path: the file.
        with_media: whether pictures are decoded; without, there is no column ``image``.

    Raises:
        DataError: the file cannot be read, a row has not as many cells as the header, or its
            pictures are not base64 or refer to a row that does not exist.
    """
    table = _Table(path)
    number = 0
    for number, row in enumerate(table.rows()):
        cell = row.pop("image", "")
        if with_media and {"image", "image_path"} & set(table.header):
            try:
                row["image"] = _pictures(table, cell, row.get("image_path", ""))
            except DataError as error:
                raise DataError(f"row {number} of {path}: image {error}") from None
        yield row


def _pictures(table: _Table, cell: str, names: str) -> Any:
    """Return a row's pictures: one mapping, a list of several, or ``None``."""
    cell = cell.strip()
    if 0 < len(cell) <= _REFERENCE and not cell.startswith("["):
        cell = table.image(cell)
    labels = _names(names)
    if not cell:
        folder = table.path.absolute().parent
        found: list[Any] = [{"bytes": None, "path": str(folder / label)} for label in labels]
    else:
        texts = _texts(cell)
        if len(labels) != len(texts):
            labels = [None] * len(texts)
        found = [
            {"bytes": decode_base64(text), "path": label}
            for text, label in zip(texts, labels, strict=True)
        ]
    return found if len(found) > 1 else next(iter(found), None)


def _texts(cell: str) -> list[str]:
    # Base64 has neither quotes nor commas, so a list of it needs no parser, however long it is.
    if not (cell.startswith("[") and cell.endswith("]")):
        return [cell]
    return [text for item in cell[1:-1].split(",") if (text := item.strip().strip("'\""))]


def _names(cell: str) -> list[Any]:
    cell = cell.strip()
    if not cell.startswith("["):
        return [cell] if cell else []
    try:
        names = ast.literal_eval(cell) if len(cell) <= _LITERAL else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"has an image_path that is not a list of names: {one_line(cell, 60)}")
    return names


class _Table:
    """A TSV file, read from any of its rows on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header: list[str] = []

    def rows(self) -> Iterator[dict[str, str]]:
        """Yield every row by column name, and keep the header."""
        records = self._records(0)
        self.header = next(records, (0, []))[1]
        if not self.header:
            raise DataError(f"{self.path}: the file is empty")
        for number, (_, cells) in enumerate(records):
            if len(cells) != len(self.header):
                raise DataError(
                    f"row {number} of {self.path} has {len(cells)} cells where the header has "
                    f"{len(self.header)}: {', '.join(self.header)}"
                )
            yield dict(zip(self.header, cells, strict=True))

    def image(self, index: str) -> str:
        """Return the picture cell of the row with an index.

        Raises:
            DataError: there is no such row, or it holds no picture itself.
        """
        offset = self._offsets.get(index)
        if offset is None:
            raise DataError(f"refers to row {index}, which does not exist or has no picture")
        _, cells = next(self._records(offset))
        return cells[self.header.index("image")].strip()

    @cached_property
    def _offsets(self) -> dict[str, int]:
        """Where the rows that hold pictures start, in bytes, by index.

        Made only when a row first refers to another: pictures are then read again from the disk,
        since to keep them all would take the whole file's size in memory.
        """
        if not {"index", "image"} <= set(self.header):
            raise DataError("refers to another row, but the file has no column index")
        index, image = self.header.index("index"), self.header.index("image")
        width = len(self.header)
        return {
            cells[index]: offset
            for offset, cells in self._records(0)
            if len(cells) == width and len(cells[image].strip()) > _REFERENCE
        }

    def _records(self, start: int) -> Iterator[tuple[int, list[str]]]:
        """Yield records with the byte at which they start, from one such byte on."""
        position = start
        try:
            with self.path.open("rb") as file:
                file.seek(start)

                def lines() -> Iterator[str]:
                    nonlocal position
                    for line in file:
                        encoding = "utf-8" if position else "utf-8-sig"
                        position += len(line)
                        yield line.decode(encoding)

                reader = csv.reader(lines(), delimiter="\t")
                while True:
                    offset = position
                    with _wide_fields():
                        cells = next(reader, None)
                    if cells is None:
                        return
                    if cells:
                        yield offset, cells
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{self.path}: not a TSV near byte {position}: {error}") from None
        except OSError as error:
            raise DataError(f"{self.path}: cannot read it: {error.strerror or error}") from None


@contextmanager
def _wide_fields() -> Iterator[None]:
    """Let ``csv`` read a field of any length, and put its limit back: it is the process's."""
    before = csv.field_size_limit(_WIDEST)
    try:
        yield
    finally:
        csv.field_size_limit(before)
