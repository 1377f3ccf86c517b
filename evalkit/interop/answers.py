"""What every reader of another harness's file gives: its answers, and what else the file says."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.data.digest import digest_bytes
from evalkit.errors import DataError
from evalkit.types import Response

__all__ = [
    "Answer",
    "Log",
    "listed",
    "mapping",
    "number_from",
    "score_from",
    "text_from",
    "texts_from",
]

LITERAL = 1 << 16
"""The longest list of reference answers that is parsed, in characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer as another harness stored it."""

    at: str
    """Where it stands in its file, such as ``line 7``."""
    ids: Mapping[str, str] = field(default_factory=dict)
    """What the file calls the question, by the name of the column or key."""
    number: int | None = None
    """The place in the rows that the file claims for it."""
    question: str = ""
    """The question, or the whole prompt it stands in; empty where the file has neither."""
    golds: tuple[str, ...] = ()
    """The reference answers that the file has."""
    text: str | None = None
    """The reply; ``None`` where there is none."""
    error: str | None = None
    """Why there is no reply."""
    finish_reason: str | None = None
    """``stop``, ``length``, or what a server reported."""
    extraction: str | None = None
    """What a judge read in the reply."""
    judge: str | None = None
    """A judge's grade."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Fingerprints of stages, where the file has them."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """The harness's own scores of this answer, by its names."""
    record: Mapping[str, Any] | None = None
    """Evalkit's own score of it, in a file that ``evalkit export`` wrote."""

    def response(self, name: str, harness: str) -> Response:
        """Return it as the response to the sample of an id."""
        asked = "\0".join((harness, name, self.text or "")).encode("utf-8", "surrogatepass")
        return Response(
            id=name,
            text=self.text,
            error=self.error or ("no prediction" if self.text is None else None),
            finish_reason=self.finish_reason,
            key=digest_bytes(asked),
            digests=self.digests,
            extraction=self.extraction,
            judge=self.judge,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One benchmark's answers of one model in a file of another harness."""

    harness: str
    """Who wrote the file."""
    path: Path
    """The file."""
    name: str = ""
    """What the harness calls the benchmark; empty where the file does not say."""
    model: str = ""
    """What the harness calls the model; empty where the file does not say."""
    answers: tuple[Answer, ...] = ()
    """The answers, in the file's order; empty where it holds totals only."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """The harness's totals, by its names and on its scales."""
    n: int | None = None
    """How many questions the totals are of, where the file says so."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of software that the file names."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else the file says about how it was made."""
    warnings: tuple[str, ...] = ()
    """What the reader must know of it, one line each."""
    summary: Mapping[str, Any] | None = None
    """Evalkit's own summary, in a file that ``evalkit export`` wrote."""

    def refuse(self, answer: Answer, why: str) -> DataError:
        """Return the error about one answer, which names its place."""
        return DataError(f"{self.path}: {answer.at}: {why}")


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a value of a strange file if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def listed(value: Any) -> Sequence[Any]:
    """Return a value of a strange file if it is a list, else an empty one."""
    return value if isinstance(value, list | tuple) else ()


def text_from(value: Any) -> str | None:
    """Return a value of a strange file as text, ``None`` where there is none."""
    return None if value is None or value == "" else str(value)


def number_from(value: Any) -> int | None:
    """Return a whole number that is written as one, or ``None``."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    text = str(value).removesuffix(".0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def score_from(value: Any) -> float | None:
    """Return a score as a finite number, or ``None`` where it is none."""
    if isinstance(value, bool | int | float):
        number = float(value)
        return number if abs(number) != float("inf") and number == number else None
    return None


def texts_from(value: Any) -> tuple[str, ...]:
    """Return reference answers of a cell: a list, a list's literal, or one text."""
    if isinstance(value, list | tuple):
        return tuple(str(item) for item in value if item is not None)
    if value is None or value == "":
        return ()
    text = str(value)
    parsed = literal(text) if text[:1] in "[(" and len(text) <= LITERAL else None
    return tuple(str(item) for item in parsed) if isinstance(parsed, list | tuple) else (text,)


def literal(text: str) -> Any:
    """Return the value that a Python literal writes, or ``None`` where it is none."""
    if '"' not in text and "\\" not in text:
        # Then quotes only enclose, and the list is JSON but for their kind: ten times as fast.
        try:
            return json.loads(text.replace("'", '"'))
        except (ValueError, RecursionError):
            pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
