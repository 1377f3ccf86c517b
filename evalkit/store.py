"""A run on disk: append responses, resume after anything, read results back.

``responses.jsonl`` is the truth: one line a response, flushed as it comes. Everything else in a
task's folder is derived from it and can be rebuilt. Nothing is pickled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, Any

from evalkit.errors import RunError, UsageError
from evalkit.files import append_line, cannot_write, dump_json, lines_of, write_atomically
from evalkit.types import Record, Response

__all__ = [
    "Lock",
    "Responses",
    "find_results",
    "read_records",
    "read_summary",
    "response_from",
    "write_results",
]

RESPONSES, SCORES, SUMMARY = "responses.jsonl", "scores.jsonl", "summary.json"
LOCK = ".lock"


class Lock:
    """Holds a run's folder for one writer."""

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises:
            RunError: another process holds it, or the folder cannot be made.
        """
        import fcntl

        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.file: IO[str] = (folder / LOCK).open("a+", encoding="utf-8")
        except OSError as error:
            raise cannot_write(folder, error) from error
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.file.seek(0)
            holder = self.file.read().strip() or "unknown"
            self.file.close()
            raise RunError(
                f"{folder} is in use by process {holder}: wait for it, or choose another name=..."
            ) from error
        self.file.truncate(0)
        self.file.write(str(os.getpid()))
        self.file.flush()

    def __enter__(self) -> Lock:
        """Return the lock itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the folder free; one that holds nothing else is taken away again."""
        if [entry.name for entry in self.folder.iterdir()] == [LOCK]:
            (self.folder / LOCK).unlink()
            self.folder.rmdir()
        self.file.close()


@dataclass(slots=True)
class Responses:
    """The append-only file of a task's responses."""

    path: Path
    """Where it is."""
    offsets: dict[str, int] = field(default_factory=dict)
    """By key, where the last line that answers it starts."""
    failed: set[str] = field(default_factory=set)
    """Keys whose last line is an error."""
    end: int = 0
    """Where the last whole line ended when the file was read."""
    file: IO[bytes] | None = None
    """The open file, while a run writes."""

    @classmethod
    def read(cls, path: Path) -> Responses:
        """Read what is there and leave it as it is; a torn last line does not count.

        Raises:
            RunError: a whole line is not a response.
        """
        responses = cls(path)
        for offset, line in lines_of(path):
            responses.note(parse(path, offset, line), offset)
            responses.end = offset + len(line)
        return responses

    @classmethod
    def open(cls, path: Path) -> Responses:
        """Read what is there, drop a torn last line, and open the file to append.

        Raises:
            RunError: a whole line is not a response, or the file cannot be written.
        """
        responses = cls.read(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            responses.file = path.open("ab", buffering=0)
            responses.file.truncate(responses.end)
        except OSError as error:
            raise cannot_write(path, error) from error
        return responses

    def note(self, line: Mapping[str, Any], offset: int) -> None:
        """Remember where a key's last answer is."""
        key = line["key"]
        self.offsets[key] = offset
        if line.get("error") is None:
            self.failed.discard(key)
        else:
            self.failed.add(key)

    def append(self, response: Response) -> None:
        """Write one response and hand it to the operating system.

        Raises:
            RunError: it could not be written whole; what came before stays readable.
        """
        assert self.file is not None, "opened by Responses.open"
        line = response_line(response)
        self.note(line, append_line(self.file, self.path, line))

    def get(self, key: str) -> Response | None:
        """Return the last response to a key, or ``None``."""
        offset = self.offsets.get(key)
        if offset is None:
            return None
        with self.path.open("rb") as file:
            file.seek(offset)
            return response_from(parse(self.path, offset, file.readline()))

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()
            self.file = None


def parse(path: Path, offset: int, line: bytes) -> dict[str, Any]:
    """Return the object of a line of a run's file."""
    try:
        value = json.loads(line)
    except ValueError as error:
        raise RunError(f"{path}: the line at byte {offset} is not JSON; was it edited?") from error
    if not isinstance(value, dict) or "key" not in value:
        raise RunError(f"{path}: the line at byte {offset} is not a response")
    return value


def response_line(response: Response) -> dict[str, Any]:
    """Return a response as its line holds it: fields that say nothing are left out."""
    held = {name: getattr(response, name) for name in RESPONSE_FIELDS}
    return {k: v for k, v in held.items() if v not in (None, (), {}) and v is not False}


RESPONSE_FIELDS = tuple(item.name for item in fields(Response))


def response_from(line: Mapping[str, Any]) -> Response:
    """Return the response that a line holds; keys of later versions are passed over."""
    known = {k: v for k, v in line.items() if k in RESPONSE_FIELDS}
    known["grid"] = tuple(tuple(size) for size in known.get("grid", ()))
    return Response(**known)


def record_line(record: Record) -> dict[str, Any]:
    """Return a record as ``scores.jsonl`` holds it."""
    return {
        "id": record.id,
        "score": record.score,
        "status": record.status,
        "parsed": record.parsed,
        "subsets": list(record.subsets),
        "cluster": record.cluster,
        "truncated": record.truncated,
    }


def write_results(folder: Path, records: Iterable[Record], summary: Mapping[str, Any]) -> None:
    """Write ``scores.jsonl`` and ``summary.json``, each whole or not at all."""
    text = "".join(dump_json(record_line(record)) + "\n" for record in records)
    write_atomically(folder / SCORES, text)
    write_atomically(folder / SUMMARY, json.dumps(summary, ensure_ascii=False, indent=2) + "\n")


def find_results(path: Path) -> list[Path]:
    """Return the folders below a run, or the folder itself, that hold a summary.

    Raises:
        UsageError: there is none.
    """
    found = (
        [path]
        if (path / SUMMARY).is_file()
        else sorted(p.parent for p in path.glob(f"*/{SUMMARY}"))
    )
    if not found:
        raise UsageError(f"no results in {path}: give the folder of a run or of evalkit score")
    return found


def read_summary(folder: Path) -> dict[str, Any]:
    """Return a task's summary."""
    try:
        value = json.loads((folder / SUMMARY).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {folder / SUMMARY}: {error}") from error
    return dict(value)


def read_records(folder: Path) -> list[Record]:
    """Return a task's scored samples, in row order."""
    records = []
    for _, line in lines_of(folder / SCORES):
        value = json.loads(line)
        value["subsets"] = tuple(value["subsets"])
        records.append(Record(**value))
    return records
