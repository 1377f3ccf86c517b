"""Unpacking zips that came over a network: nothing in one is trusted.

A folder appears under its name only when it is whole. A killed process leaves a folder of whole
files under another name, and the next one goes on from there.
"""

from __future__ import annotations

import errno
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from evalkit.errors import DataError, one_line

__all__ = ["contents", "take", "unpack"]

_ENTRIES = 500_000
"""The most entries of one archive; the largest known has some 60,000."""

_RATIO = 50
"""How many times an archive's size its content may have; videos stay as they are, text shrinks to a
tenth."""

_SMALL = 64 << 20
"""What any archive's content may have, in bytes."""

_CHUNK = 1 << 20

_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
"""What ``zipfile`` raises on corrupt archives and on methods that it does not know."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip into a folder, unless that is there already.

    Of two processes one unpacks and the other waits for it.

    Args:
        archive: the zip.
        folder: where its entries go; its parent is made.

    Raises:
        DataError: it is no zip or cut off, an entry would leave the folder or is a link, or the
            content is larger than an archive of this size can honestly have, or than the disk.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.with_name(f"{folder.name}.lock")):
        if folder.is_dir():
            return
        part = folder.with_name(f"{folder.name}.part")
        with _opened(archive) as opened:
            entries = [entry for entry in _checked(opened, archive) if not entry.is_dir()]
            _check_room(entries, folder.parent, archive)
            for entry in entries:
                _write(opened, entry, part)
        part.mkdir(exist_ok=True)
        part.replace(folder)


def contents(archive: Path) -> list[str]:
    """Return the names of the files in a zip.

    Raises:
        DataError: as for ``unpack``.
    """
    with _opened(archive) as opened:
        entries = _checked(opened, archive)
        return [str(PurePosixPath(entry.filename)) for entry in entries if not entry.is_dir()]


def take(archive: Path, name: str, folder: Path) -> Path:
    """Unpack one file of a zip, or all below one of its folders, unless that is there already.

    Args:
        archive: the zip.
        name: the file's or folder's name in it.
        folder: where the zip's content goes; its parent is made.

    Returns:
        Where it is.

    Raises:
        DataError: as for ``unpack``.
    """
    target = folder / name
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.with_name(f"{folder.name}.lock")):
        if target.exists():
            return target
        part = folder.with_name(f"{folder.name}.part")
        with _opened(archive) as opened:
            entries = [
                entry
                for entry in _checked(opened, archive)
                if not entry.is_dir() and PurePosixPath(entry.filename).is_relative_to(name)
            ]
            _check_room(entries, folder.parent, archive)
            for entry in entries:
                _write(opened, entry, part)
        (part / name).replace(target)
    return target


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    import fcntl

    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip, and turn whatever its bytes make ``zipfile`` raise into one line."""
    try:
        with zipfile.ZipFile(archive) as opened:
            yield opened
    except (*_BROKEN, OSError) as error:
        # Where its first half is lost, zipfile seeks before the start of the file.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise DataError(f"{archive.name}: cannot unpack it: {one_line(error)}") from None
        raise DataError(
            f"{archive.name}: not a whole zip ({one_line(error)}): fetch it again"
        ) from None


def _checked(opened: zipfile.ZipFile, archive: Path) -> list[zipfile.ZipInfo]:
    """Return a zip's entries, all of them harmless."""
    entries = opened.infolist()
    if len(entries) > _ENTRIES:
        raise DataError(f"{archive.name}: refused: {len(entries)} entries")
    seen: set[PurePosixPath] = set()
    for entry in entries:
        path = PurePosixPath(entry.filename)
        if reason := _harm(entry, path, seen):
            raise DataError(f"{archive.name}: refused: entry {entry.filename!r:.120} {reason}")
        seen.add(path)
    size, limit = sum(entry.file_size for entry in entries), _limit(archive)
    if size > limit:
        raise DataError(
            f"{archive.name}: refused as a zip bomb: it would unpack to {size} bytes, more than "
            f"{limit}"
        )
    return entries


def _limit(archive: Path) -> int:
    return max(_SMALL, _RATIO * archive.stat().st_size)


def _harm(entry: zipfile.ZipInfo, path: PurePosixPath, seen: set[PurePosixPath]) -> str:
    """Return why an entry must not be unpacked, or nothing."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or "\\" in entry.filename or not path.parts:
        return "would leave the folder"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if entry.flag_bits & 1:
        return "is encrypted"
    return "is there twice" if path in seen else ""


def _check_room(entries: list[zipfile.ZipInfo], place: Path, archive: Path) -> None:
    wanted, free = sum(entry.file_size for entry in entries), shutil.disk_usage(place).free
    if wanted > free:
        raise DataError(
            f"{archive.name}: {place} has {free >> 20} MB free and its content needs "
            f"{wanted >> 20} MB"
        )


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, part: Path) -> None:
    """Write an entry that is not there yet; it appears under its name only when it is whole."""
    target = part / entry.filename
    if target.is_file() and target.stat().st_size == entry.file_size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the folder: left in it by a killed process, it would be taken for a frame.
    begun = part.with_name(f"{part.name}.file")
    with opened.open(entry) as source, begun.open("wb") as out:
        shutil.copyfileobj(source, out, _CHUNK)
    begun.replace(target)
