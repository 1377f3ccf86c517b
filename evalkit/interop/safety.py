"""Reading strangers' files: nothing is run, nothing is unpacked to disk, and sizes have limits."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, ZipInfo

from evalkit.errors import DataError, UsageError, one_line

__all__ = ["Archive", "load_json", "parse_json", "refuse_pickle"]

MEMBER = 256 << 20
"""The largest member of a zip that is read, unpacked, in bytes."""

TOTAL = 4 << 30
"""The most that a zip may hold, unpacked, in bytes."""

MEMBERS = 500_000
"""The most members of a zip."""

DOCUMENT = 1 << 30
"""The largest JSON file that is read, in bytes: as objects it takes several times as much."""

PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".joblib", ".npy", ".npz")

ZSTANDARD = 93
"""The number that zip has for the method; Python knows it from 3.14 on, inspect logs use it."""


def refuse_pickle(path: Path) -> None:
    """Refuse a file that can only be read by running what it says.

    Raises:
        UsageError: it is a pickle, by its name or its first two bytes.
    """
    with path.open("rb") as file:
        head = file.read(2)
    pickled = len(head) == 2 and head[0] == 0x80 and 2 <= head[1] <= 5
    if pickled or path.suffix.lower() in PICKLES:
        raise UsageError(
            f"{path} is a pickle, and reading one runs whatever code it holds: where you trust it, "
            "load it yourself and save it as xlsx, TSV or JSON"
        )


def parse_json(text: str | bytes, where: str) -> Any:
    """Return what a JSON text holds; ``NaN`` is taken, since other harnesses write it.

    Raises:
        DataError: it is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON ({one_line(error, 120)})") from None


def load_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        DataError: it is not JSON, or larger than a gibibyte.
    """
    size = path.stat().st_size
    if size > DOCUMENT:
        raise DataError(f"{path} has {size >> 20} MiB: JSON files up to {DOCUMENT >> 20} are read")
    return parse_json(path.read_bytes(), str(path))


class Archive:
    """A zip whose members are read into memory one at a time, within limits."""

    def __init__(self, path: Path) -> None:
        """Open the file and look at its list of members.

        Raises:
            DataError: it is no zip, or unpacked it would pass a limit, or a name leaves the zip.
        """
        self.path = path
        try:
            self.zip = ZipFile(path)
        except (BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise DataError(f"{path} is not a whole zip file ({one_line(error, 120)})") from None
        try:
            self.members = check(path, self.zip.infolist())
        except DataError:
            self.zip.close()
            raise

    def __enter__(self) -> Archive:
        """Return the archive itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.zip.close()

    def read(self, name: str) -> bytes:
        """Return a member's bytes, never more than its entry in the list says.

        Raises:
            DataError: there is no such member, or it is damaged.
        """
        member = self.members.get(name)
        if member is None:
            raise DataError(f"{self.path} holds no {name}")
        try:
            if member.compress_type == ZSTANDARD:
                return self._zstandard(member)
            return self.zip.read(member)
        except (BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
            raise DataError(f"{self.path}: {name}: {one_line(error, 120)}") from None

    def _zstandard(self, member: ZipInfo) -> bytes:
        try:
            from zstandard import ZstdDecompressor, ZstdError
        except ImportError:
            raise UsageError(
                f"{self.path} is packed with Zstandard: pip install 'evalkit-vl[interop]'"
            ) from None
        with self.path.open("rb") as file:
            file.seek(member.header_offset)
            header = file.read(30)
            if header[:4] != b"PK\x03\x04":
                raise BadZipFile("its header is not where the list says")
            lengths = [int.from_bytes(header[at : at + 2], "little") for at in (26, 28)]
            file.seek(sum(lengths), 1)
            packed = file.read(member.compress_size)
        try:
            stream = ZstdDecompressor().stream_reader(BytesIO(packed), read_across_frames=True)
            data = stream.read(member.file_size + 1)
        except ZstdError as error:
            raise BadZipFile(str(error)) from None
        if len(data) != member.file_size:
            raise BadZipFile("it does not unpack to the size that the list says")
        return bytes(data)


def check(path: Path, members: list[ZipInfo]) -> dict[str, ZipInfo]:
    """Return members by name; of two with one name the later counts, as every reader has it.

    Raises:
        DataError: a limit is passed, or a name leads out of the archive.
    """
    if len(members) > MEMBERS:
        raise DataError(f"{path} holds {len(members)} files: up to {MEMBERS} are read")
    for member in members:
        name = member.filename.replace("\\", "/")
        if name.startswith("/") or ":" in name.split("/")[0] or ".." in name.split("/"):
            raise DataError(f"{path} names a file outside itself: {one_line(member.filename, 80)}")
        if member.file_size > MEMBER:
            raise DataError(
                f"{path}: {one_line(member.filename, 80)} unpacks to {member.file_size >> 20} MiB: "
                f"up to {MEMBER >> 20} are read"
            )
    total = sum(member.file_size for member in members)
    if total > TOTAL:
        raise DataError(f"{path} unpacks to {total >> 20} MiB: up to {TOTAL >> 20} are read")
    return {member.filename: member for member in members}
