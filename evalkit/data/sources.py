"""The files behind a split, wherever it is kept, and how each kind of them is read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evalkit.data.hub import locate
from evalkit.data.layout import card_configs, select
from evalkit.data.local import count_rows, hash_file, is_saved, read_file, read_saved, saved_split
from evalkit.data.tsv import read_tsv
from evalkit.errors import DataError, UsageError

__all__ = ["Kind", "Part", "digest_files", "from_disk", "from_hub", "local_path"]

Kind = Literal["hub", "jsonl", "parquet", "saved", "tsv", "builtin"]
"""What rows were read from; JSON arrays count as ``jsonl``."""

_KINDS: dict[str, Kind] = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".tsv": "tsv",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The files of one split of one config."""

    kind: Kind
    """Where they are, and how they are read."""
    files: tuple[Path, ...]
    """The files in order, or the one folder of a saved dataset."""
    config: str | None = None
    """The config's name where several are read one after another."""
    sha: str | None = None
    """The Hub's commit."""

    def rows(
        self, media: Collection[str], with_media: bool
    ) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Yield rows with the file that each came from."""
        for file in self.files:
            if self.kind == "saved":
                rows = read_saved(file, media, with_media)
            elif self.kind == "tsv":
                rows = read_tsv(file, with_media)
            else:
                rows = read_file(file, media, with_media)
            for row in rows:
                yield file, row if self.config is None else {**row, "config": self.config}

    def count(self) -> int | None:
        """Return the number of rows, where the files say it."""
        counts = [count_rows(file) for file in self.files]
        return None if None in counts else sum(count or 0 for count in counts)


def from_hub(
    path: str, configs: Sequence[str], split: str, revision: str | None, several: bool
) -> list[Part]:
    """Return a Hub dataset's parts, one for each config.

    Args:
        path: the dataset's id.
        configs: the configs' names; none for the only one or the default.
        split: the split's name.
        revision: a commit, branch or tag; ``None`` for the default branch.
        several: whether rows bear their config's name.

    Raises:
        UsageError, DataError, SourceError: as ``locate`` does.
    """
    parts = []
    for config in configs or (None,):
        found = locate(path, config, split, revision)
        name = config if several else None
        parts.append(Part(kind="hub", files=found.files, config=name, sha=found.sha))
    return parts


def from_disk(path: Path, configs: Sequence[str], split: str, several: bool) -> list[Part]:
    """Return a local file's or folder's parts; arguments as for ``from_hub``.

    A folder without a place for each config, like a single file, is one part as it stands.

    Raises:
        UsageError: there is no such file, kind of file, config or split.
        DataError: shards are missing.
    """
    if not path.exists():
        raise UsageError(f"no such file or folder: {path}")
    if path.is_file():
        kind = _KINDS.get(path.suffix.lower())
        if kind is None:
            raise UsageError(f"{path}: not a kind of file with rows: {', '.join(_KINDS)}")
        return [Part(kind=kind, files=(path,))]
    if is_saved(path):
        return [Part(kind="saved", files=(saved_split(path, split),))]
    parts = []
    for config in configs or (None,):
        files = _folder_files(path, config, split)
        kind = _KINDS[files[0].suffix]
        parts.append(Part(kind=kind, files=files, config=config if several else None))
    if len({part.files for part in parts}) == 1 and len(parts) > 1:
        return [Part(kind=parts[0].kind, files=parts[0].files)]
    return parts


def _folder_files(folder: Path, config: str | None, split: str) -> tuple[Path, ...]:
    names = [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]
    card = folder / "README.md"
    configs = card_configs(card.read_text("utf-8", "replace"), str(card)) if card.is_file() else {}
    chosen = select(names, configs, config, split, str(folder))
    if not chosen:
        raise DataError(f"{folder}: none of the files that its README.md names for {split}")
    return tuple(folder / name for name in chosen)


def local_path(file: str) -> Path:
    """Return an absolute path, with ``~`` for the home folder."""
    return Path(os.path.abspath(os.path.expanduser(file)))


def digest_files(files: Sequence[Path]) -> str:
    """Return the SHA-256 of a file, or of several files' names and digests.

    Folders stand for the files in them.
    """
    flat = [
        entry
        for file in files
        for entry in (sorted(file.iterdir()) if file.is_dir() else (file,))
        if entry.is_file()
    ]
    if len(flat) == 1:
        return hash_file(flat[0])
    state = hashlib.sha256()
    for entry in flat:
        state.update(f"{entry.name}\0{hash_file(entry)}\n".encode())
    return state.hexdigest()
