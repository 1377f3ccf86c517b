"""Videos and subtitles that a Hub dataset keeps beside its rows, as files or in zips.

They are fetched when a row asks for them: a file by itself, an archive when a file may be in it,
one at a time. An archive is checked against the digest that the Hub states and unpacked under
``archives`` in the cache folder, in a folder named after that digest: a commit that leaves it as
it is costs nothing, and a fetch that was killed goes on where it stopped. What a commit holds is
noted beside, so that what is unpacked is found without a network.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from evalkit.data.beside import is_inside
from evalkit.data.digest import digest_bytes
from evalkit.data.download import cache_dir
from evalkit.data.hub import explained, repository
from evalkit.data.local import hash_file
from evalkit.data.quiet import tell
from evalkit.data.zips import unpack
from evalkit.errors import SourceError, UsageError, nearest
from evalkit.files import write_atomically

__all__ = ["KEEPING", "Archive", "HubFiles"]

KEEPING = ("keep", "remove")
"""What can become of an archive once it is unpacked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A zip in a repository."""

    name: str
    """Its path in the repository; what it holds belongs beside it."""
    size: int
    """Its size in bytes."""
    etag: str
    """The Hub's digest of it: a SHA-256, or git's SHA-1 of a small file."""

    def inner(self, name: str) -> str | None:
        """Return a file's name inside, if it is one that could be."""
        top = PurePosixPath(self.name).parent
        path = PurePosixPath(name)
        return str(path.relative_to(top)) if path.is_relative_to(top) else None

    def promises(self, name: str) -> bool:
        """Whether the archive is named as the folder that a file is in."""
        return PurePosixPath(name).is_relative_to(PurePosixPath(self.name).with_suffix(""))


@dataclass(frozen=True, kw_only=True)
class HubFiles:
    """The files of a dataset's repository at one commit."""

    path: str
    """The dataset's id."""
    revision: str | None
    """The branch, tag or commit that was asked for."""
    sha: str
    """The commit."""
    fetch: bool
    """Whether what is not here yet is fetched."""
    archives: str
    """One of ``KEEPING``."""
    search: bool = True
    """Whether an archive that is not named as a file's folder may hold it."""

    def __post_init__(self) -> None:
        """Refuse a word that means nothing."""
        if self.archives not in KEEPING:
            raise UsageError(nearest("rows.archives", self.archives, list(KEEPING)))

    @property
    def sure(self) -> bool:
        """Whether what is not here is missing: not before it was fetched."""
        return self.fetch

    def find(self, names: Sequence[str]) -> Path | None:
        """Return the first of the names that the repository or one of its archives holds.

        An archive named as a file's folder is fetched before any other name is tried. Others
        follow in order until one holds the file, unless there are archives so named, or the
        dataset has no others: then these would hold it.

        Raises:
            SourceError: the Hub does not give the file.
            DataError: an archive is broken, or not safe to unpack.
        """
        names = [name for name in names if is_inside(name)]
        for name in names:
            if name in self._files and (path := self._loose(name)):
                return path
        promised = False
        for name in names:
            promising = [archive for archive in self._zips if archive.promises(name)]
            promised |= bool(promising)
            for archive in [*promising, *self._zips]:
                if archive in promising:
                    self._unpack(archive)
                if path := self._inside(archive, name):
                    return path
        return None if promised or not self.search else self._search(names)

    def holds(self, folder: str) -> bool:
        """Whether an archive holds a folder; one named as it is fetched."""
        for archive in self._zips:
            if archive.promises(folder):
                self._unpack(archive)
        return any(self._inside(archive, folder) for archive in self._zips)

    def label(self, name: str) -> str:
        """Return a file's address."""
        return f"hf://datasets/{self.path}/{name}"

    def _search(self, names: Sequence[str]) -> Path | None:
        """Return a file that is in one of the archives, which are fetched until it is found."""
        for archive in self._zips:
            if not self._folder(archive).is_dir() and self._unpack(archive):
                for name in names:
                    if path := self._inside(archive, name):
                        return path
        return None

    def _inside(self, archive: Archive, name: str) -> Path | None:
        inner = archive.inner(name)
        path = self._folder(archive) / (inner or "")
        return path if inner and path.exists() else None

    def _folder(self, archive: Archive) -> Path:
        return self._home / digest_bytes(archive.etag.encode())

    @property
    def _home(self) -> Path:
        return cache_dir() / "archives" / self.path.replace("/", "--")

    def _loose(self, name: str) -> Path | None:
        """Return a file of the repository itself."""
        from huggingface_hub import hf_hub_download, try_to_load_from_cache

        found: Any = try_to_load_from_cache(self.path, name, repo_type="dataset", revision=self.sha)
        if isinstance(found, str):
            return Path(found)
        if not self.fetch:
            return None
        with explained(self.path, self.revision):
            return Path(hf_hub_download(self.path, name, repo_type="dataset", revision=self.sha))

    def _unpack(self, archive: Archive) -> bool:
        """Fetch, check and unpack an archive that is not unpacked; return whether it is there."""
        from huggingface_hub import hf_hub_download

        folder = self._folder(archive)
        if folder.is_dir() or not self.fetch:
            return folder.is_dir()
        tell(f"fetching {archive.name} ({archive.size >> 20} MB)")
        with explained(self.path, self.revision):
            file = Path(
                hf_hub_download(self.path, archive.name, repo_type="dataset", revision=self.sha)
            )
        verify(file, archive)
        unpack(file, folder)
        if self.archives == "remove":
            discard(file)
        return True

    @property
    def _files(self) -> frozenset[str]:
        return self._listing[0]

    @property
    def _zips(self) -> tuple[Archive, ...]:
        return self._listing[1]

    @cached_property
    def _listing(self) -> tuple[frozenset[str], tuple[Archive, ...]]:
        """The commit's files and archives; none where they are not known and nothing is fetched."""
        note = self._home / f"{self.sha}.json"
        if not note.is_file():
            if not self.fetch:
                return frozenset(), ()
            note.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(note, json.dumps(dict(self._asked())))
        noted = json.loads(note.read_text("utf-8"))
        return frozenset(noted["files"]), tuple(Archive(**entry) for entry in noted["archives"])

    def _asked(self) -> Iterator[tuple[str, list[Any]]]:
        """Ask the Hub what the commit holds."""
        from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url

        if constants.HF_HUB_OFFLINE:
            raise SourceError(
                f"the videos of {self.path} are not here: HF_HUB_OFFLINE is set; unset it once to "
                "fetch them, or give a folder with rows.media=FOLDER"
            )
        with explained(self.path, self.revision):
            _, names, _ = repository(self.path, self.sha)
            zips = sorted(name for name in names if name.lower().endswith(".zip"))
            yield "files", sorted(set(names) - set(zips))
            found = []
            for name in zips:
                url = hf_hub_url(self.path, name, repo_type="dataset", revision=self.sha)
                facts = get_hf_file_metadata(url)
                found.append(
                    Archive(name=name, size=facts.size or 0, etag=facts.etag or f"{self.sha}{name}")
                )
            yield "archives", [asdict(archive) for archive in found]


def verify(file: Path, archive: Archive) -> None:
    """Refuse a file that is not the one that the Hub states, and take it away.

    Raises:
        SourceError: its size or its digest is another.
    """
    size = file.stat().st_size
    if archive.size and size != archive.size:
        discard(file)
        raise SourceError(f"{archive.name}: {size} bytes came of {archive.size}: try again")
    digits = len(archive.etag) if re.fullmatch("[0-9a-f]+", archive.etag) else 0
    if digits == hashlib.sha256().digest_size * 2:
        found = hash_file(file)
    elif digits == hashlib.sha1().digest_size * 2:
        found = hashlib.sha1(b"blob %d\0" % size + file.read_bytes()).hexdigest()
    else:
        return
    if found != archive.etag:
        discard(file)
        raise SourceError(
            f"{archive.name}: its digest is {found} and the Hub states {archive.etag}: try again"
        )


def discard(file: Path) -> None:
    """Take a file out of the Hub's cache: the name in its snapshot and the content behind it."""
    content = file.resolve()
    file.unlink(missing_ok=True)
    content.unlink(missing_ok=True)
