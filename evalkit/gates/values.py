"""What a gate says: tests, findings and the verdict, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from evalkit.gates.settings import Gate

__all__ = ["EXIT_CODES", "Finding", "GateVerdict", "Obstacle", "Outcome", "Test"]

Outcome = Literal["pass", "fail", "inconclusive"]

EXIT_CODES: Mapping[str, int] = {"pass": 0, "fail": 1, "inconclusive": 4}
"""What a shell sees of a verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Something in which a run is unlike its baseline, so that a pass would mean nothing."""

    kind: str
    """The word that ``--allow`` takes for it; empty where nothing can allow it."""
    text: str
    """What it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One test of non-inferiority, in the metric's own scale."""

    metric: str
    """What is tested, subsets as ``metric/subset``."""
    n: int
    """Questions that both have a grade for."""
    n_clusters: int
    """The pictures, documents or videos that they share."""
    n_differ: int
    """Questions that are counted differently."""
    difference: float
    """The run less the baseline, over these questions."""
    low: float
    """The lower end of its interval at ``1 - 2 * alpha``; a pass lies above ``-margin``."""
    high: float
    """The upper end."""
    margin: float
    """The loss that does not matter."""
    effect: float
    """How far beyond the margin, either way, a true difference is told with the gate's power."""
    p_pass: float
    """The p-value against a loss of the margin or more."""
    p_fail: float
    """The p-value against a loss of less, by Holm's rule over all tests of the gate."""
    needed: int | None
    """Questions that would settle it; ``None`` where it is settled, or where no number would."""
    method: str
    """How the interval was made."""
    early: bool = False
    """Whether it is of a run that may stop early: its interval holds wherever that was, its effect
    is half the interval's width, and its p-values say no more than which side was shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a gate says about one benchmark."""

    task: str
    """The benchmark."""
    label: str
    """What it is called, the judge included."""
    metric: str
    """Its primary metric."""
    scale: str
    """``percent`` or ``points``."""
    outcome: Outcome
    """Its verdict."""
    gates: bool
    """Whether the verdict counts; ``False`` for what a judge scored, unless asked."""
    reasons: tuple[str, ...]
    """Why it fails or is inconclusive, a line each."""
    baseline: float | None
    """The baseline's score."""
    value: float | None
    """The run's score; ``None`` where it has none."""
    test: Test | None = None
    """The test of the whole benchmark; ``None`` where nothing could be paired."""
    subsets: tuple[Test, ...] = ()
    """The tests of its subsets."""
    obstacles: tuple[Obstacle, ...] = ()
    """What keeps it from passing."""
    allowed: tuple[Obstacle, ...] = ()
    """What would have kept it from passing and was allowed."""
    notes: tuple[str, ...] = ()
    """What else a reader must know."""
    unknown: Mapping[str, int] = field(default_factory=dict)
    """By stage, the questions whose fingerprint one side does not know."""
    cause: str = ""
    """The stage that moved most of the score, in words; empty where nothing moved it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """What a gate says."""

    outcome: Outcome
    """``fail`` where a benchmark fails, else ``inconclusive`` where one is, else ``pass``."""
    gate: Gate
    """What was asked for."""
    run: str
    """The candidate."""
    baseline: str
    """What it was held against."""
    allow: tuple[str, ...]
    """What was allowed on the command line."""
    findings: tuple[Finding, ...]
    """One a benchmark."""
    notes: tuple[str, ...] = ()
    """What else a reader must know."""

    @property
    def exit_code(self) -> int:
        """0, 1 or 4."""
        return EXIT_CODES[self.outcome]

    @property
    def line(self) -> str:
        """The verdict in one line."""
        gating = [f for f in self.findings if f.gates]
        counts = [
            f"{len(named)} {word} ({', '.join(named)})" if word != "pass" else f"{len(named)} pass"
            for word in EXIT_CODES
            if (named := [f.label for f in gating if f.outcome == word])
        ]
        allowed = f"; allowed: {', '.join(self.allow)}" if self.allow else ""
        return f"gate {self.gate.name}: {self.outcome.upper()}: {', '.join(counts)}{allowed}"
