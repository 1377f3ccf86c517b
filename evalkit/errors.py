"""What can go wrong, by whose move it is.

::

    EvalkitError           exit code
    ├── UsageError         2  whoever typed the command can mend it
    │   ├── DataError      2  a row, a picture or a file of rows is not what its task needs
    │   └── RunError       2  a run directory is in use, torn, or of another configuration
    └── ServiceError       3  something outside this process failed
        ├── SourceError    3  a dataset could not be had
        ├── BackendError   3  a model or its server is dead; what was written stays
        └── JudgeError     3  a judge does not answer as it must

A failed *request* is none of these: it is a ``Response`` with its ``error`` set, and the run goes
on. Every message is one line that says what is wrong and what to type.
"""

from __future__ import annotations

__all__ = [
    "BackendError",
    "DataError",
    "EvalkitError",
    "JudgeError",
    "RunError",
    "ServiceError",
    "SourceError",
    "UsageError",
    "nearest",
    "one_line",
]


class EvalkitError(Exception):
    """Any failure that evalkit explains in one line."""

    exit_code = 3


class UsageError(EvalkitError):
    """A command, a setting or an input that whoever typed it can mend."""

    exit_code = 2


class DataError(UsageError):
    """A row, a picture or a file of rows that is not what its task needs."""


class RunError(UsageError):
    """A run directory that is in use, belongs to another configuration, or cannot be written."""


class ServiceError(EvalkitError):
    """Something outside this process failed."""


class SourceError(ServiceError):
    """A dataset that could not be had: gated, absent, unreachable or not cached."""


class BackendError(ServiceError):
    """A model or server that is dead, as opposed to one request that failed."""


class JudgeError(ServiceError):
    """A judge that does not answer as its prompt demands."""


def nearest(what: str, given: str, known: list[str]) -> str:
    """Return one line that names the nearest known name and then lists them all.

    Args:
        what: what the name is for, such as ``"task"``.
        given: the name that was typed.
        known: the names that exist.
    """
    import difflib

    close = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"unknown {what}: {given}.{hint} Known: {', '.join(sorted(known)) or 'none'}"


def one_line(error: BaseException | str, limit: int = 300) -> str:
    """Return a message folded to one line of at most ``limit`` characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"
