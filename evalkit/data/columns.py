"""What a row must have, and the one form that its pictures come in."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from evalkit.errors import DataError, one_line

__all__ = ["check_columns", "decode_base64", "media_value"]


def check_columns(row: Mapping[str, Any], required: Collection[str], where: str) -> None:
    """Refuse a row that lacks a column.

    Raises:
        DataError: names the place, the columns that are missing, and those that exist.
    """
    missing = [name for name in required if name not in row]
    if missing:
        raise DataError(
            f"{where} has no column {', '.join(missing)}; its columns: {', '.join(row) or 'none'}"
        )


def media_value(value: Any, folder: Path | None) -> Any:
    """Return a media column's value as ``{"bytes", "path"}``, a list of such, or ``None``.

    Args:
        value: bytes; a path, relative to ``folder``; a ``data:`` URL with base64; or a mapping
            whose ``bytes`` are bytes or base64 text and whose ``path`` is a path, or, where there
            are bytes, only a name; or a list of these.
        folder: the folder of the file that the row stands in; ``None`` leaves paths as they are.

    Raises:
        DataError: the value is none of these.
    """
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return [media_value(item, folder) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": bytes(value), "path": None}
    if isinstance(value, str):
        return _text(value, folder)
    if isinstance(value, Mapping) and {"bytes", "path"} & set(value):
        return _mapping(value, folder)
    raise DataError(f"holds {type(value).__name__}, not a picture's bytes or path")


def _text(value: str, folder: Path | None) -> dict[str, Any] | None:
    if not value:
        return None
    if value.startswith("data:"):
        head, comma, body = value.partition(",")
        if not comma or not head.endswith(";base64"):
            raise DataError("holds a data: URL that is not base64")
        return {"bytes": decode_base64(body), "path": None}
    return {"bytes": None, "path": _absolute(value, folder)}


def _mapping(value: Mapping[str, Any], folder: Path | None) -> dict[str, Any] | None:
    data, path = value.get("bytes"), value.get("path")
    if isinstance(data, str):
        data = decode_base64(data)
    if data is not None:
        return {"bytes": bytes(data), "path": path}
    return None if path is None else {"bytes": None, "path": _absolute(str(path), folder)}


def _absolute(path: str, folder: Path | None) -> str:
    return path if folder is None else str(folder / path)


def decode_base64(text: str) -> bytes:
    """Return the bytes that base64 text stands for; line breaks in it are allowed.

    Raises:
        DataError: it is not base64, or stands for nothing.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        try:
            data = base64.b64decode("".join(text.split()), validate=True)
        except ValueError:
            raise DataError(f"holds text that is not base64: {one_line(text, 24)}") from None
    if not data:
        raise DataError("holds no bytes")
    return data
