"""Media that a dataset keeps in files of their own, beside its rows: where they are looked for.

A task knows what the dataset calls a row's files; a place knows where these are: a folder on this
machine, or a Hub repository with its archives.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

from evalkit.data.subtitles import read_srt
from evalkit.errors import DataError, one_line

if TYPE_CHECKING:
    from evalkit.data.packed import Packed

__all__ = ["Folder", "Place", "add_files", "is_inside", "only_names"]


class Place(Protocol):
    """Where files are looked for."""

    @property
    def sure(self) -> bool:
        """Whether what is not here is missing, and not only unknown."""

    def find(self, names: Sequence[str]) -> Path | None:
        """Return the first file or folder of frames that is here, by its relative name."""

    def holds(self, folder: str) -> bool:
        """Whether a folder is here, all of it."""

    def label(self, name: str) -> str:
        """Return what messages call a file that is not here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder on this machine."""

    root: Path
    """The folder."""
    sure: bool
    """Whether what is not in it is missing."""
    fetch: bool = False
    """Whether what is in a zip is unpacked, and not only found if it was before."""

    def find(self, names: Sequence[str]) -> Path | None:
        """Return the first of the names that exists, in the folder or in a zip that lies there.

        Raises:
            DataError: there is none, and a zip that could hold it is broken.
        """
        for name in filter(is_inside, names):
            if (self.root / name).exists():
                return self.root / name
            if found := self._packed.find(name, unpack=self.fetch):
                return found
        if self.sure and self._packed.broken:
            raise DataError(self._packed.broken[0])
        return None

    def holds(self, folder: str) -> bool:
        """Whether a folder of this name exists, in a zip perhaps."""
        return (self.root / folder).is_dir() or folder in self._packed.places

    def label(self, name: str) -> str:
        """Return the path that a file should have."""
        return str(self.root / name)

    @property
    def _packed(self) -> Packed:
        # Imported here: few folders have zips to look into, and all rows come through this module.
        from evalkit.data.packed import packed

        return packed(self.root)


def is_inside(name: str) -> bool:
    """Return whether a relative name stays in the folder that it is meant for."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and bool(path.parts)


def add_files(
    row: dict[str, Any],
    files: Mapping[str, Sequence[str]],
    media: Collection[str],
    place: Place,
) -> set[str]:
    """Put what a place holds of a row's files into the row's columns.

    A medium's column becomes ``{"bytes": None, "path": ...}``, if the row has not the medium
    itself; of a medium that is missing the path is where it should be. Any other column becomes
    the file's text, or ``None`` where it is known that there is no such file; where nothing is
    known, the row goes without.

    Args:
        row: the row, changed in place.
        files: relative names by column, as ``Task.files`` gives them.
        media: the columns that hold media.
        place: where to look.

    Returns:
        The columns of media that have their final value.

    Raises:
        DataError: a text file that cannot be read, or that the row names and that is not there.
    """
    settled = set()
    for column, names in files.items():
        if column in media:
            found = _medium(row.get(column), names, place)
            if found is not None:
                row[column] = {"bytes": None, "path": found}
                settled.add(column)
        elif column in row:
            row[column] = _given(row[column], place)
        elif (path := place.find(names)) is not None:
            row[column] = _text(path)
        elif place.holds(str(PurePosixPath(names[0]).parent)):
            row[column] = None
    return settled


def only_names(row: dict[str, Any], media: Collection[str]) -> None:
    """Leave of a row's media what the dataset calls them, or nothing."""
    for column in media:
        value = row.pop(column, None)
        name = value.get("path") if isinstance(value, Mapping) else value
        if isinstance(name, str):
            row[column] = name


def _medium(value: Any, names: Sequence[str], place: Place) -> str | None:
    """Return a medium's path, or nothing where the row's own value says all there is to say."""
    if not (value is None or isinstance(value, str)) or Path(value or ".").is_absolute():
        return None
    path = place.find(names)
    if path is not None:
        return str(path)
    return place.label(names[0]) if place.sure else None


def _given(value: Any, place: Place) -> Any:
    """Return a text that the row holds, or that of the file which it names."""
    if not isinstance(value, str) or not value or "\n" in value:
        return value
    path = Path(value) if Path(value).is_absolute() else place.find([value])
    if path is None:
        raise DataError(f"no such file: {place.label(value)}")
    return _text(path)


def _text(path: Path) -> str:
    try:
        return read_srt(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot read it: {one_line(error)}") from None
