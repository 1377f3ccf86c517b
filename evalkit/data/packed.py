"""Zips that lie in a folder of videos: what they hold, and single files out of them.

Nothing is unpacked into the user's folder. What a row needs goes under ``archives/local`` in the
cache folder, a file or a folder of frames at a time, and is found there again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from evalkit.data.digest import digest_json
from evalkit.data.download import cache_dir
from evalkit.data.zips import contents, take
from evalkit.errors import DataError

__all__ = ["Packed", "packed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What the zips of a folder hold."""

    places: dict[str, tuple[Path, str]]
    """By the name that a file or folder would have below the folder, its zip and its name there."""
    broken: tuple[str, ...]
    """Why zips cannot be read, a line each."""

    def find(self, name: str, *, unpack: bool) -> Path | None:
        """Return where a file or a folder of frames lies unpacked, or ``None``.

        Args:
            name: its name below the folder.
            unpack: whether it is unpacked where it is not yet.

        Raises:
            DataError: the zip is broken, or the disk is full.
        """
        if name not in self.places:
            return None
        archive, inner = self.places[name]
        state = archive.stat()
        key = digest_json([str(archive), state.st_size, state.st_mtime_ns])
        home = cache_dir() / "archives" / "local" / key
        if unpack:
            return take(archive, inner, home)
        return home / inner if (home / inner).exists() else None


@lru_cache(maxsize=8)
def packed(root: Path) -> Packed:
    """Return what the zips of a folder and of the folders in it hold; a broken one holds nothing.

    What is in a zip belongs beside it, or into the folder itself.
    """
    places: dict[str, tuple[Path, str]] = {}
    broken = []
    for archive in sorted([*root.glob("*.zip"), *root.glob("*/*.zip")]):
        try:
            names = contents(archive)
        except DataError as error:
            broken.append(str(error))
            continue
        beside = PurePosixPath(archive.parent.relative_to(root).as_posix())
        for inner in with_folders(names):
            for name in (str(beside / inner), inner):
                places.setdefault(name, (archive, inner))
    return Packed(places=places, broken=tuple(broken))


def with_folders(names: list[str]) -> Iterator[str]:
    """Yield files and all folders above them, each once."""
    seen: set[PurePosixPath] = set()
    for name in names:
        path = PurePosixPath(name)
        for each in (path, *path.parents[:-1]):
            if each in seen:
                break
            seen.add(each)
            yield str(each)
