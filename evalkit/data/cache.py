"""Decoded and resized frames kept on disk between runs, where a run asks for it.

An entry is one file, named after the digest of all that its frames follow from, and appears under
that name only when it is whole. What was used longest ago goes when the folder is full. Entries
hold arrays and JSON, nothing that could run; one that is damaged is as good as absent.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
import uuid
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.data.quiet import tell
from evalkit.data.sources import local_path
from evalkit.errors import UsageError, one_line

if TYPE_CHECKING:
    from evalkit.data.decode import Array

__all__ = ["Store", "caching", "current", "use"]

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
"""What a size may end with, and how many bytes that is."""

ENTRY = re.compile(r"[0-9a-f]{32}\.npz")
"""What an entry is called; nothing else in the folder is ever taken away but parts of entries."""

STALE = 3600.0
"""Seconds after which the part of an entry is that of a process which was killed."""

BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
"""What reading a damaged entry raises."""

IN_USE: list[Store] = []
"""The store of this process's run; empty where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A folder of frames."""

    folder: Path
    """Where entries are."""
    limit: int
    """The most bytes that they may have together."""
    told: list[str] = field(default_factory=list)
    """What was said of a folder that cannot be written."""

    def get(self, key: str) -> tuple[Array, dict[str, Any]] | None:
        """Return an entry's frames with what is known of them, or ``None`` where there is none."""
        import numpy as np

        path = self._path(key)
        if not path.is_file():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
                frames, about = held["frames"], json.loads(held["about"].tobytes())
            os.utime(path)
        except BROKEN:
            path.unlink(missing_ok=True)
            return None
        return frames, about

    def put(self, key: str, frames: Array, about: Mapping[str, Any]) -> None:
        """Keep frames; where that fails, say so once and go on."""
        import numpy as np

        if frames.nbytes > self.limit:
            return
        text = np.frombuffer(json.dumps(about).encode(), np.uint8)
        part = self.folder / f"{key}.{uuid.uuid4().hex}.part"
        try:
            with part.open("wb") as file:
                np.savez(file, frames=frames, about=text)
            with self._alone():
                self._make_room(part.stat().st_size)
                part.replace(self._path(key))
        except OSError as error:
            part.unlink(missing_ok=True)
            self._tell(f"data.cache: cannot keep frames in {self.folder} ({one_line(error)})")

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npz"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _make_room(self, size: int) -> None:
        """Take away what was used longest ago, until so many bytes fit."""
        entries = []
        for entry in os.scandir(self.folder):
            state = entry.stat()
            if ENTRY.fullmatch(entry.name):
                entries.append((state.st_mtime_ns, state.st_size, entry.path))
            elif entry.name.endswith(".part") and time.time() - state.st_mtime > STALE:
                Path(entry.path).unlink(missing_ok=True)
        left = sum(held for _, held, _ in entries) + size
        for _, held, path in sorted(entries):
            if left <= self.limit:
                return
            Path(path).unlink(missing_ok=True)
            left -= held

    def _tell(self, line: str) -> None:
        if not self.told:
            self.told.append(line)
            tell(f"{line}: going on without")


def current() -> Store | None:
    """Return the store of this process's run, or ``None``."""
    return IN_USE[-1] if IN_USE else None


@contextmanager
def caching(data: Any) -> Iterator[None]:
    """Keep frames for a while as a run's config says, and stop afterwards.

    Args:
        data: ``cache`` and ``cache_size`` of the config; without them nothing is kept.

    Raises:
        UsageError: the folder cannot be written, or the size is none.
    """
    before = list(IN_USE)
    try:
        use(data)
        yield
    finally:
        IN_USE[:] = before


def use(data: Any) -> None:
    """Keep frames from now on as a run's config says; see ``caching``."""
    folder = data.get("cache") if isinstance(data, Mapping) else None
    if folder is None:
        IN_USE.clear()
        return
    place = local_path(str(folder)) / "clips"
    limit = size_of(data.get("cache_size"))
    try:
        place.mkdir(parents=True, exist_ok=True)
        if not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError("no permission to write there")
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise UsageError(f"data.cache={folder}: {reason}: give a folder of your own") from None
    IN_USE[:] = [Store(folder=place, limit=limit)]


def size_of(given: Any) -> int:
    """Return a size in bytes.

    >>> size_of("1.5 GB"), size_of(4096)
    (1500000000, 4096)

    Raises:
        UsageError: it is no size, or nothing at all.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", str(given).strip())
    if found and found[2].upper() in UNITS and float(found[1]) > 0:
        return int(float(found[1]) * UNITS[found[2].upper()])
    raise UsageError(f"data.cache_size={given}: write a size such as 20GB or 500MB")
