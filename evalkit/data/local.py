"""Rows from files on disk, a row at a time: JSONL, JSON arrays, parquet, ``save_to_disk`` folders.

Nothing here holds more than a few rows: a parquet file is read in small batches through buffered
column streams, a JSONL file line by line. Scoring needs no pictures and reads none: of parquet
files and saved folders, columns that hold bytes are read only where a caller names and wants them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.data.quiet import quiet
from evalkit.errors import DataError, UsageError, nearest, one_line

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["count_rows", "hash_file", "is_saved", "read_file", "read_saved", "saved_split"]

_MEDIA_BATCH = 8
_TEXT_BATCH = 1024
_BUFFER = 1 << 20


def read_file(path: Path, media: Collection[str], with_media: bool) -> Iterator[dict[str, Any]]:
    """Yield a file's rows.

    Args:
        path: a ``.jsonl``, ``.json`` (an array of objects) or ``.parquet`` file.
        media: the columns that hold media.
        with_media: whether to read them. Other columns of bytes are never read.

    Raises:
        DataError: the file cannot be read, or is not what its suffix says.
    """
    readers = {".parquet": _parquet, ".json": _json, ".jsonl": _jsonl, ".ndjson": _jsonl}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: not a kind of file that rows come in: {', '.join(readers)}, .tsv")
    try:
        yield from reader(path, media, with_media)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot read it: {error.strerror or one_line(error)}") from None


def _jsonl(path: Path, media: Collection[str], with_media: bool) -> Iterator[dict[str, Any]]:
    # A binary file is split at newlines alone. str.splitlines would also cut at U+2028 and others,
    # which JSON strings may hold as they are.
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            if number == 1:
                _refuse_pointer(text, path)
            if text:
                where = f"line {number} of {path}"
                yield _object(_loads(text, where), () if with_media else media, where)


def _json(path: Path, media: Collection[str], with_media: bool) -> Iterator[dict[str, Any]]:
    text = path.read_text("utf-8-sig")
    if not text.lstrip().startswith("["):
        # Objects one a line are often kept under this suffix too.
        yield from _jsonl(path, media, with_media)
        return
    for number, value in enumerate(_loads(text, str(path)), 1):
        yield _object(value, () if with_media else media, f"item {number} of {path}")


def _loads(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON in {where}: {one_line(error)}") from None


def _object(value: Any, drop: Collection[str], where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{where} is a {type(value).__name__}, not an object with named columns")
    return {name: held for name, held in value.items() if name not in drop}


def _parquet(path: Path, media: Collection[str], with_media: bool) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    try:
        with _open_parquet(path) as file:
            columns = _columns(file.schema_arrow, media, with_media)
            size = _MEDIA_BATCH if set(columns) & set(media) else _TEXT_BATCH
            for batch in file.iter_batches(batch_size=size, columns=columns, use_threads=False):
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise DataError(f"{path}: broken parquet file: {one_line(error)}") from None


def _open_parquet(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # With a buffer, column chunks are streamed; without, a row group's pictures are read whole.
        return parquet.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
    except pa.ArrowInvalid as error:
        with path.open("rb") as file:
            _refuse_pointer(file.read(64).decode("ascii", "replace"), path)
        raise DataError(f"{path}: not a parquet file: {one_line(error)}") from None


def _refuse_pointer(text: str, path: Path) -> None:
    if text.startswith("version https://git-lfs"):
        raise DataError(f"{path}: a Git LFS pointer, not the file itself: run git lfs pull there")


def _columns(schema: pa.Schema, media: Collection[str], with_media: bool) -> list[str]:
    """Return the columns to read."""
    return [
        field.name
        for field in schema
        if (with_media if field.name in media else not _holds_bytes(field.type))
    ]


def _holds_bytes(kind: pa.DataType) -> bool:
    """Return whether a column's values are bytes or, like the Hub's pictures, hold them."""
    import pyarrow.types as types

    if types.is_struct(kind):
        return any(_holds_bytes(kind.field(i).type) for i in range(kind.num_fields))
    if types.is_list(kind) or types.is_large_list(kind):
        return _holds_bytes(kind.value_type)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def count_rows(path: Path) -> int | None:
    """Return how many rows a file holds where its footer says so, as a parquet file's does."""
    if path.suffix.lower() != ".parquet":
        return None
    with _open_parquet(path) as file:
        return int(file.metadata.num_rows)


def is_saved(folder: Path) -> bool:
    """Return whether a folder was written by ``datasets``' ``save_to_disk``."""
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def saved_split(folder: Path, split: str) -> Path:
    """Return the folder of one split of a saved dataset; a dataset without splits is itself.

    Raises:
        UsageError: no such split; the message lists those that exist.
    """
    listing = folder / "dataset_dict.json"
    if not listing.is_file():
        return folder
    splits = _loads(listing.read_text("utf-8"), str(listing))["splits"]
    if split not in splits:
        raise UsageError(f"{folder}: {nearest('split', split, splits)}")
    return folder / split


def read_saved(folder: Path, media: Collection[str], with_media: bool) -> Iterator[dict[str, Any]]:
    """Yield the rows of a saved dataset in their Arrow form, in which pictures stay undecoded.

    Args:
        folder: one split's folder, from ``saved_split``.
        media: as for ``read_file``.
        with_media: as for ``read_file``.

    Raises:
        DataError: the folder cannot be read.
    """
    import datasets
    import pyarrow as pa

    try:
        with quiet():
            dataset = datasets.load_from_disk(str(folder))
        columns = _columns(dataset.features.arrow_schema, media, with_media)
        size = _MEDIA_BATCH if set(columns) & set(media) else _TEXT_BATCH
        for batch in dataset.select_columns(columns).with_format("arrow").iter(size):
            yield from batch.to_pylist()
    except (OSError, pa.ArrowException, ValueError, KeyError) as error:
        raise DataError(f"{folder}: broken save_to_disk folder: {one_line(error)}") from None


def hash_file(path: Path, algorithm: str = "sha256") -> str:
    """Return a file's digest in hexadecimal.

    Raises:
        DataError: the file cannot be read.
    """
    state = hashlib.new(algorithm, usedforsecurity=False)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_BUFFER):
                state.update(chunk)
    except OSError as error:
        raise DataError(f"{path}: cannot read it: {error.strerror or one_line(error)}") from None
    return state.hexdigest()
