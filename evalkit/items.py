"""What a result knows of each question: its score, and a fingerprint of every stage before it.

A question goes through nine stages from row to score. Where a result holds a stage's fingerprint,
two results can be told apart there; where either does not, the stage is unknown, and never taken
for equal.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evalkit.data.digest import DIGITS, digest_bytes
from evalkit.metrics.summary import counted
from evalkit.types import Record

__all__ = [
    "ASKED",
    "NARROW",
    "PRINTED",
    "STAGES",
    "Item",
    "Parting",
    "TaskResult",
    "close_calls",
    "fingerprint",
    "lead_of",
    "lengthened",
    "parting",
    "prints_of",
    "rescored",
    "shortened",
    "unknown_stages",
]

STAGES: Mapping[str, str] = {
    "row": "row",
    "prompt": "prompt text",
    "media": "media bytes",
    "pixels": "decoded pixels",
    "tokens": "token ids",
    "generation": "generation settings",
    "output": "output text",
    "parsing": "parsing",
    "scorer": "scorer",
}
"""The stages in order, with what reports call them."""

ASKED = ("row", "prompt", "media", "pixels", "tokens", "generation")
"""The stages before the model answers, as a response's digests name them."""

PRINTED = (*ASKED, "output", "parsing")
"""The stages that have fingerprints."""

NARROW = 0.5
"""A lead in logits that is called narrow: kernels and number formats that round otherwise turn it,
and the reply with it."""

SHORT = 8
"""Hexadecimal digits of a committed fingerprint: one change in four thousand million is missed."""

DIGEST = re.compile(f"[0-9a-f]{{{SHORT}}}|[0-9a-f]{{{DIGITS}}}")
"""What a fingerprint looks like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question in one result."""

    record: Record
    """Its score."""
    prints: Mapping[str, str]
    """Fingerprints by stage, up to parsing; a stage that is not known is absent."""
    text: str | None = None
    """The reply; ``None`` where there is none or it is not kept."""
    lead: float | None = None
    """By how much the likeliest token led over the next in logits, where it led by the least in the
    reply; below 0 where a token was drawn that was not the likeliest, infinite where there is no
    reply, ``None`` where that is not known."""

    def knows(self, other: Item, stage: str) -> bool:
        """Whether both know a stage's fingerprint."""
        return stage in self.prints and stage in other.prints

    def differs(self, other: Item, stage: str) -> bool:
        """Whether a stage is known on both sides and differs, as far as the shorter print goes."""
        if not self.knows(other, stage):
            return False
        first, second = self.prints[stage], other.prints[stage]
        digits = min(len(first), len(second))
        return first[:digits] != second[:digits]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """One task's result in a run, in a folder of ``evalkit score``, or in a baseline file."""

    place: str
    """Where it was read."""
    summary: Mapping[str, Any]
    """The content of its ``summary.json``."""
    items: Mapping[str, Item]
    """Its questions by id, in row order."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What it was made with, by dotted key; empty where that is not known."""

    @property
    def task(self) -> str:
        """The benchmark."""
        return str(self.summary["task"])

    @property
    def metric(self) -> str:
        """The primary metric's name."""
        return str(self.summary["primary"])

    @property
    def value(self) -> float | None:
        """The primary metric; ``None`` where the split's answers are private."""
        found = self.summary["metrics"].get(self.metric)
        return None if found is None else float(found)

    @property
    def scale(self) -> str:
        """``percent`` or ``points``."""
        return str(self.summary.get("scale", "percent"))

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from other results of one run: task, protocol, scorer and judge."""
        names = ("task", "protocol", "scorer", "judge")
        return tuple(str(self.summary.get(name) or "") for name in names)

    @property
    def records(self) -> list[Record]:
        """Its scored questions, in row order."""
        return [item.record for item in self.items.values()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """Where two results part on one question."""

    stage: str | None
    """The first stage that differs for sure; ``unknown`` where the scores differ and nothing says
    why; ``None`` where nothing is known to differ."""
    unknown: tuple[str, ...]
    """Earlier stages that one side or the other does not know: the cause may lie there."""


def fingerprint(value: str) -> str:
    """Return a stage's digest as it is, or the digest of what stands in a digest's place."""
    return value if DIGEST.fullmatch(value) else digest_text(value)


def digest_text(text: str) -> str:
    """Return the digest of a text, whatever characters are in it."""
    return digest_bytes(text.encode("utf-8", "surrogatepass"))


def prints_of(record: Record, digests: Mapping[str, str], text: str | None) -> dict[str, str]:
    """Return the fingerprints of a question.

    Args:
        record: its score.
        digests: what its response carries.
        text: the reply, where it is at hand.
    """
    found = {stage: fingerprint(digests[stage]) for stage in ASKED if digests.get(stage)}
    if record.status in ("failed", "missing"):
        # No reply is known as surely as a reply: it differs from every one.
        found["output"] = fingerprint(record.status)
    elif text is not None:
        found["output"] = digest_text(text)
    if record.status == "unparsed":
        found["parsing"] = fingerprint("unparsed")
    elif record.parsed is not None:
        found["parsing"] = digest_text(record.parsed)
    return found


def rescored(a: Record, b: Record) -> bool:
    """Whether two results count a question differently."""
    return counted(a) != counted(b)


def parting(a: Item, b: Item) -> Parting:
    """Return the first stage at which two results part on a question."""
    unknown: list[str] = []
    for stage in PRINTED:
        if not a.knows(b, stage):
            unknown.append(stage)
        elif a.differs(b, stage):
            return Parting(stage=stage, unknown=tuple(unknown))
    if not rescored(a.record, b.record):
        return Parting(stage=None, unknown=tuple(unknown))
    # The scorer is to blame only for an answer that is known to be the same.
    blamed = "unknown" if {"output", "parsing"} <= set(unknown) else "scorer"
    return Parting(stage=blamed, unknown=tuple(unknown))


def lead_of(text: str | None, details: Mapping[str, Any]) -> float | None:
    """Return the lead that a response keeps; a request that failed was no close call."""
    return math.inf if text is None else details.get("lead")


def close_calls(leads: Sequence[Sequence[float | None]]) -> int | None:
    """Return how many pairs of replies had a narrow lead, or ``None`` where no lead is known.

    Rounding turns a reply only where it was a close call on both sides: one side that is sure of
    what the other does not say has other inputs, weights or decoding. A token that was far from the
    likeliest, whose lead is below 0, was drawn, which is no close call.

    Args:
        leads: of each pair, what the two sides know.
    """
    known = [[lead for lead in pair if lead is not None] for pair in leads]
    told = any(math.isfinite(lead) for pair in known for lead in pair)
    return sum(max(map(abs, pair)) < NARROW for pair in known if pair) if told else None


def unknown_stages(pairs: Sequence[tuple[Item, Item]]) -> dict[str, int]:
    """Return by stage, in order, on how many questions it is not known on both sides."""
    known = Counter(frozenset(a.prints.keys() & b.prints.keys()) for a, b in pairs)
    counts = {
        stage: sum(count for stages, count in known.items() if stage not in stages)
        for stage in PRINTED
    }
    return {stage: count for stage, count in counts.items() if count}


def shortened(prints: Mapping[str, str], stages: Sequence[str]) -> str:
    """Return fingerprints as a baseline file has them: side by side, blanks for the unknown."""
    return "".join(prints.get(stage, "")[:SHORT].ljust(SHORT) for stage in stages)


def lengthened(text: str, stages: Sequence[str]) -> dict[str, str]:
    """Return what `shortened` wrote."""
    chunks = (text[at : at + SHORT] for at in range(0, SHORT * len(stages), SHORT))
    return {stage: chunk for stage, chunk in zip(stages, chunks, strict=True) if chunk.strip()}
