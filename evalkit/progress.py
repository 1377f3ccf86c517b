"""How far a run is: bars on a terminal, a line now and then in a log file."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from evalkit.types import Record

__all__ = ["Progress"]

EVERY = 30.0
"""Seconds between two lines in a log file."""


@dataclass(slots=True)
class Progress:
    """Shows one task's progress: done, rate, time left and the score so far."""

    name: str
    """The task."""
    total: int
    """How many rows there are."""
    done: int = 0
    """How many of them are answered."""
    quiet: bool = False
    """Whether to show nothing."""
    scores: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """The sum of scores so far, and their number."""
    failed: int = 0
    """Requests that failed."""
    started: float = field(default_factory=time.monotonic)
    """When the first was asked."""
    resumed: int = 0
    """How many were answered before this process started."""
    printed: float = field(default_factory=time.monotonic)
    """When the last line was printed to a log file."""
    bar: Any = None
    """The bar, on a terminal."""
    lock: Any = field(default_factory=threading.Lock)
    """Held while an answer is counted: stored ones are counted in the thread that reads rows."""

    def __enter__(self) -> Progress:
        """Start the bar where there is a terminal."""
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self.bar = Bar(
                TextColumn("{task.description:<12}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[score]}"),
                console=Console(stderr=True),
            )
            self.bar.start()
            self.bar.add_task(self.name, total=self.total, rate="", score="", completed=self.done)
        self.resumed = self.done
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the bar, or print the last line."""
        if self.bar is not None:
            self.bar.stop()
        elif not self.quiet and self.done > self.resumed:
            self.line()

    def add(self, record: Record, *, failed: bool) -> None:
        """Count one more answer, from any thread."""
        with self.lock:
            self.count(record, failed)

    def count(self, record: Record, failed: bool) -> None:
        """Count one more answer, the lock being held."""
        self.done += 1
        self.failed += failed
        if record.score is not None or record.status in ("unparsed", "failed"):
            self.scores[0] += record.score or 0.0
            self.scores[1] += 1
        if self.bar is not None:
            self.bar.update(0, completed=self.done, rate=self.rate(), score=self.score())
        elif not self.quiet and time.monotonic() - self.printed >= EVERY:
            self.line()

    def rate(self) -> str:
        """Return answers a second since this process started."""
        seconds = time.monotonic() - self.started
        return f"{(self.done - self.resumed) / seconds:.1f}/s" if seconds > 0 else ""

    def score(self) -> str:
        """Return the mean score so far in percent, and how many requests failed."""
        text = f"score {100 * self.scores[0] / self.scores[1]:.1f}" if self.scores[1] else ""
        return f"{text}, {self.failed} failed" if self.failed else text

    def line(self) -> None:
        """Print one line that a log file can keep."""
        self.printed = time.monotonic()
        seconds = self.printed - self.started
        speed = (self.done - self.resumed) / seconds if seconds > 0 else 0.0
        left = (
            f", {(self.total - self.done) / speed:.0f} s left"
            if speed > 0 and self.done < self.total
            else ""
        )
        score = f", {self.score()}" if self.score() else ""
        print(
            f"{self.name}: {self.done} of {self.total}, {self.rate()}{left}{score}",
            file=sys.stderr,
            flush=True,
        )
