"""Writing and reading files so that a kill, a full disk or an odd character loses nothing."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from evalkit.errors import RunError

__all__ = ["append_line", "cannot_write", "dump_json", "lines_of", "write_atomically"]


def dump_json(value: Any) -> str:
    """Return one line of JSON, characters beyond ASCII as they are, lone surrogates escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a reply can hold half a surrogate pair, and must still be kept
        return json.dumps(value)
    return text


def write_atomically(path: Path, text: str) -> None:
    """Write a file whole or not at all, so that a reader never sees half of it.

    Raises:
        RunError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, "utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> RunError:
    """Return the error for a file that cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return RunError(
            f"no space left to write {path}: what was written before is whole; "
            "free some space and run the same command again"
        )
    return RunError(f"cannot write {path}: {error.strerror or error}")


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the offset and the bytes of every whole line; a torn last line is left out."""
    if not path.exists():
        return
    offset = 0
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            yield offset, line
            offset += len(line)


def append_line(file: IO[bytes], path: Path, value: Any) -> int:
    """Append one JSON line to an unbuffered file and return the offset where it starts.

    Raises:
        RunError: it could not be written whole; the part that was is taken back.
    """
    end = file.seek(0, os.SEEK_END)
    line = memoryview((dump_json(value) + "\n").encode("utf-8"))
    try:
        while line:
            line = line[file.write(line) :]
    except OSError as error:
        file.truncate(end)
        raise cannot_write(path, error) from error
    return end
