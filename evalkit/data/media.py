"""What messages say of a medium: its name, and what it is when it cannot be shown."""

from __future__ import annotations

from pathlib import Path

from evalkit.errors import DataError
from evalkit.types import Media

__all__ = ["first_bytes", "media_name", "require"]


def media_name(media: Media) -> str:
    """Return what messages call a medium: its name, its file's name, or its kind."""
    return media.name or (Path(media.path).name if media.path else media.kind)


def require(media: Media) -> None:
    """Check that a medium is there.

    Raises:
        DataError: the row came without it, or its file does not exist.
    """
    if media.absent:
        raise DataError(f"{media_name(media)}: the row came without this {media.kind}")
    if media.data is None and not Path(str(media.path)).exists():
        raise DataError(f"{media_name(media)}: no such file: {media.path}")


def first_bytes(media: Media) -> str:
    """Return in words what an unreadable medium is, told from its size and first bytes."""
    if media.data is not None:
        size, head = len(media.data), media.data[:64]
    else:
        path = Path(str(media.path))
        if path.is_dir():
            return "it is a folder"
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(64)
    if not size:
        return "the file is empty"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return f"{size} bytes of markup: a page was saved in its place"
    return f"{size} bytes that start with {head[:8].hex(' ')}"
