"""Where a task's rows come from: the Hub at a commit, or a local file or folder in its schema.

Rows come one at a time and nothing is kept but the few that the package draws: 20,000 rows with
pictures need no more memory than 20.
Local JSONL and parquet files are read without ``datasets``, ``torch`` or ``pandas``, which keeps
scoring a few thousand predictions under a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.data.beside import Folder, Place, add_files, only_names
from evalkit.data.columns import check_columns, media_value
from evalkit.data.sources import Kind, Part, digest_files, from_disk, from_hub, local_path
from evalkit.data.tsv import verify_md5
from evalkit.errors import DataError, EvalkitError, UsageError

__all__ = ["BUILTIN", "Provenance", "Rows"]

BUILTIN = "builtin"
"""The value of ``Rows.file`` that stands for the set that the package draws."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where rows came from: what a manifest records to find them again."""

    kind: Kind
    """What they were read from."""
    path: str
    """The Hub dataset's id, an absolute path, a URL, or the built-in set's name."""
    config: tuple[str, ...] = ()
    """The Hub configs, in order; empty for the only one or the default."""
    split: str = ""
    """The split's name."""
    revision: str | None = None
    """The commit that the Hub reported; ``None`` for what is not on the Hub."""
    digest: str | None = None
    """The SHA-256 of a local file, or of several files' names and digests; ``None`` on the Hub,
    where the commit fixes the content, and for the built-in set, which the package's version fixes.
    """
    rows: int | None = None
    """How many rows there are; ``None`` where only reading them would tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of one split."""

    path: str | None
    """The Hub dataset's id, such as ``lmms-lab/DocVQA``."""
    config: str | Sequence[str] | None
    """The Hub config's name. A list of names gives the rows of one after another, each with its
    config's name in a column ``config``; ``None`` is the only config or the default."""
    split: str
    """The split's name."""
    revision: str | None
    """A commit, branch or tag; ``None`` for the default branch, whose commit is recorded."""
    file: str | None
    """Instead of the Hub: a file (``.jsonl``, ``.json``, ``.parquet``, ``.tsv``), a folder (parquet
    files, a copy of the Hub's repository, or ``save_to_disk``'s), the URL of a TSV, or ``builtin``
    for the set that the package draws."""
    md5: str | None = None
    """The md5 that a TSV must have; ``None`` takes any."""
    media: str | None = None
    """The folder with the videos of a dataset that keeps these beside its rows, laid out as the
    dataset has them; ``None`` for the Hub's own files and archives, or the folder of ``file``."""
    archives: str = "keep"
    """Whether the Hub's archives are kept in its cache once they are unpacked: keep or remove."""
    name: str = ""
    """The task's name, for messages and for the built-in set."""

    def read(
        self,
        *,
        media: Sequence[str] = (),
        with_media: bool = True,
        required: Sequence[str] = (),
        files: Callable[[Mapping[str, Any]], Mapping[str, Sequence[str]]] | None = None,
        fetch: bool = False,
        search: bool = True,
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows, in the dataset's order, by its column names.

        Args:
            media: the columns that hold media; their values become ``{"bytes", "path"}``, a list
                of such, or ``None``. In JSON files one is a path relative to the file, a ``data:``
                URL, or ``{"bytes": base64 text}``. A TSV's is ``image``.
            with_media: whether they are read; without, rows lack these columns, as they lack
                others of bytes in parquet files and saved folders either way.
            required: columns that each row must have; media among them only with media.
            files: where media beside the rows lie (``Task.files``); without media, their names.
            fetch: whether these are fetched or unpacked, or only found if they were before.
            search: whether any of the Hub's archives may hold them, as ``Task.searched`` says.

        Raises:
            UsageError, DataError, SourceError: data is not there, broken, empty, or not given.
        """
        needed = [column for column in required if with_media or column not in media]
        read, number = media if with_media or not files else (), -1
        with self._named():
            place = self._beside(fetch, search) if with_media and files else None
            for number, (file, row) in enumerate(self._rows(read, with_media)):
                check_columns(row, needed, f"row {number} of {file or BUILTIN}")
                done = add_files(row, files(row), media, place) if files and place else set()
                for column in [c for c in media if with_media and c in row and c not in done]:
                    row[column] = _picture(row[column], column, number, file)
                if files and not with_media:
                    only_names(row, media)
                yield row
            if number < 0:
                raise DataError(f"there are no rows in {self.file or self.path}")

    def provenance(self) -> Provenance:
        """Return where the rows come from; a Hub dataset that is not cached is fetched.

        Raises:
            UsageError, DataError, SourceError: as for ``read``.
        """
        if self.file == BUILTIN:
            return Provenance(kind="builtin", path=self.name, split=self.split)
        with self._named():
            parts = self._parts()
            counts = [part.count() for part in parts]
            local = parts[0].sha is None
            return Provenance(
                kind=parts[0].kind,
                path=self._place,
                config=self._configs,
                split=self.split,
                revision=parts[0].sha,
                digest=digest_files([file for part in parts for file in part.files])
                if local
                else None,
                rows=None if None in counts else sum(count or 0 for count in counts),
            )

    def _rows(
        self, media: Sequence[str], with_media: bool
    ) -> Iterator[tuple[Path | None, dict[str, Any]]]:
        """Yield rows with the file that each came from; the built-in set has none."""
        if self.file == BUILTIN:
            from evalkit.canary.sets import drawn

            for row in drawn(self.name):
                yield None, {k: v for k, v in row.items() if with_media or k not in media}
            return
        parts = self._parts()
        if self.md5 is not None and parts[0].kind == "tsv":
            verify_md5(parts[0].files[0], self.md5)
        for part in parts:
            yield from part.rows(media, with_media)

    def _parts(self) -> list[Part]:
        several = self.config is not None and not isinstance(self.config, str)
        if self.file is None:
            if self.path is None:
                raise UsageError("no rows: set rows=FILE, or rows.path to a Hub dataset")
            return from_hub(self.path, self._configs, self.split, self.revision, several)
        if _is_url(self.file):
            # Imported here: the HTTP modules cost every other command a tenth of its start.
            from evalkit.data.download import fetch

            return from_disk(fetch(self.file, self.md5), (), self.split, several)
        return from_disk(local_path(self.file), self._configs, self.split, several)

    def _beside(self, fetch: bool, search: bool) -> Place | None:
        """Return where media beside the rows are looked for; the built-in set has none."""
        if self.file == BUILTIN:
            return None
        if self.media is not None:
            if not local_path(self.media).is_dir():
                raise UsageError(f"rows.media: no such folder: {local_path(self.media)}")
            return Folder(root=local_path(self.media), sure=True, fetch=fetch)
        if self.file is None:
            # Imported here, like the Hub's client with it.
            from evalkit.data.archives import HubFiles

            return HubFiles(
                path=str(self.path),
                revision=self.revision,
                sha=str(self._parts()[0].sha),
                fetch=fetch,
                search=search,
                archives=self.archives,
            )
        if _is_url(self.file):
            return None
        file = local_path(self.file)
        return Folder(root=file if file.is_dir() else file.parent, sure=False, fetch=fetch)

    @property
    def _configs(self) -> tuple[str, ...]:
        if self.config is None:
            return ()
        return (self.config,) if isinstance(self.config, str) else tuple(self.config)

    @property
    def _place(self) -> str:
        if self.file is None:
            return str(self.path)
        return self.file if _is_url(self.file) else str(local_path(self.file))

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Put the task's name before every message."""
        try:
            yield
        except EvalkitError as error:
            if not self.name:
                raise
            raise type(error)(f"{self.name}: {error}") from error.__cause__


def _is_url(file: str) -> bool:
    return file.startswith(("http://", "https://"))


def _picture(value: Any, column: str, number: int, file: Path | None) -> Any:
    try:
        return media_value(value, file.parent if file else None)
    except DataError as error:
        raise DataError(f"row {number} of {file or BUILTIN}: column {column} {error}") from None
