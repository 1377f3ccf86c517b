"""What a check found: lines that pass, warn or fail, each with what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Findings", "Line", "fail", "ok", "warn"]

Verdict = Literal["pass", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that was checked."""

    name: str
    """What, in a word or two."""
    verdict: Verdict
    """``warn`` where it could not be told, or where the finding may be harmless."""
    said: str
    """What was found."""
    cure: str = ""
    """What to do; nothing where all is well."""
    items: tuple[str, ...] = ()
    """The questions that show it, by id."""


def ok(name: str, said: str) -> Line:
    """Return a line that passes."""
    return Line(name=name, verdict="pass", said=said)


def warn(name: str, said: str, cure: str, items: Sequence[str] = ()) -> Line:
    """Return a line that warns."""
    return Line(name=name, verdict="warn", said=said, cure=cure, items=tuple(items))


def fail(name: str, said: str, cure: str, items: Sequence[str] = ()) -> Line:
    """Return a line that fails."""
    return Line(name=name, verdict="fail", said=said, cure=cure, items=tuple(items))


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All lines of one check."""

    model: str
    """The model's name in the config."""
    lines: tuple[Line, ...]
    """In the order in which they were checked."""

    @property
    def exit_code(self) -> int:
        """1 when a line fails, 4 when one only warns, 0 when all pass."""
        verdicts = {line.verdict for line in self.lines}
        return 1 if "fail" in verdicts else 4 if "warn" in verdicts else 0

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        verdict = {0: "pass", 1: "fail", 4: "inconclusive"}[self.exit_code]
        lines = [asdict(line) for line in self.lines]
        return {"model": self.model, "verdict": verdict, "lines": lines}

    def text(self) -> str:
        """Return the lines for a terminal or a log file."""
        width = max(len(line.name) for line in self.lines)
        out = []
        for line in self.lines:
            out.append(f"{line.verdict:<4}  {line.name:<{width}}  {line.said}")
            if line.cure:
                out.append(f"{'':<{width + 8}}-> {line.cure}")
            if line.items:
                shown = ", ".join(line.items[:5])
                more = f" and {len(line.items) - 5} more" if len(line.items) > 5 else ""
                out.append(f"{'':<{width + 8}}   {shown}{more}")
        counts = [sum(line.verdict == v for line in self.lines) for v in ("pass", "warn", "fail")]
        out.append(f"{self.model}: {counts[0]} pass, {counts[1]} warn, {counts[2]} fail")
        return "\n".join(out)
