"""A gate that may stop a run before all is asked: at a pass or a fail, at no cost in error.

The questions are asked picture by picture in an order drawn once from a recorded seed, since
datasets are sorted. Answers may come in any order; they are looked at in the drawn one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from evalkit.errors import UsageError
from evalkit.items import TaskResult
from evalkit.metrics.summary import counted
from evalkit.stats.sequential import Look, confidence_sequence

__all__ = ["Asked", "SequentialGate", "asked_of"]

State = Literal["pass", "fail", "continue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question of the baseline."""

    score: float
    """What it was credited with, from 0 to 1."""
    cluster: str = ""
    """The picture, document or video that it shares; empty where it shares none."""


def asked_of(baseline: TaskResult) -> dict[str, Asked]:
    """Return the questions of a baseline that have a grade."""
    return {
        name: Asked(score=credit, cluster=item.record.cluster)
        for name, item in baseline.items.items()
        if (credit := counted(item.record)) is not None
    }


class SequentialGate:
    """Non-inferiority by a confidence sequence (`evalkit.stats.sequential`), one look a cluster.

    With probability ``1 - alpha`` it never passes a run that loses ``margin`` or more, and never
    fails one that loses less, wherever it stops.
    """

    def __init__(
        self, baseline: Mapping[str, Asked], margin: float, alpha: float = 0.05, seed: int = 0
    ) -> None:
        """Draw the order.

        Args:
            baseline: the questions with their scores, by id.
            margin: the loss that does not matter, as a share of full marks: 0.01 is a point.
            alpha: the error rate of either outcome; of several benchmarks each gets its share.
            seed: of the order.

        Raises:
            UsageError: there is no question, or the margin is not above 0.
        """
        if not baseline or not margin > 0:
            raise UsageError(f"a sequential gate needs questions and a margin, not {margin}")
        clusters: dict[object, list[str]] = {}
        for name, asked in baseline.items():
            clusters.setdefault(asked.cluster or (name,), []).append(name)
        self.order = list(clusters.values())
        random.Random(seed).shuffle(self.order)
        self.baseline, self.margin = baseline, margin
        self.state: State = "continue"
        self.look: Look | None = None
        self._scores: dict[str, float | None] = {}
        self._seen = 0
        self._differences: list[float] = []
        largest = max(map(len, self.order))
        self._looks = confidence_sequence(
            self._feed(), len(self.order), largest, confidence=1 - 2 * alpha
        )

    def waves(self, count: int = 8) -> Iterator[list[str]]:
        """Yield the questions in order, in about ``count`` parts of as many clusters.

        Rows that can only be read in their own order are read once a wave.
        """
        size = -(-len(self.order) // count)
        for start in range(0, len(self.order), size):
            yield [name for names in self.order[start : start + size] for name in names]

    def add(self, name: str, score: float | None) -> State:
        """Take one answer and return what is known by now.

        Args:
            name: the question; one that the baseline lacks is passed over.
            score: its credit from 0 to 1; ``None`` where it has no grade.
        """
        if name in self.baseline:
            self._scores[name] = score
        while self.state == "continue" and self._seen < len(self.order):
            names = self.order[self._seen]
            if not all(member in self._scores for member in names):
                break
            self._seen += 1
            self._differences = [
                now - self.baseline[member].score
                for member in names
                if (now := self._scores[member]) is not None
            ]
            if self._differences:
                self._see(next(self._looks))
        return self.state

    def _see(self, look: Look) -> None:
        """Take a look and decide, if it decides."""
        self.look = look
        if look.low > -self.margin:
            self.state = "pass"
        elif look.high < -self.margin:
            self.state = "fail"

    def _feed(self) -> Iterator[list[float]]:
        """Yield the cluster that is looked at, once a look."""
        while True:
            yield self._differences
