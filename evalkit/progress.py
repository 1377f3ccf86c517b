"""How far a run is: bars on a terminal, a line now and then in a log file."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from evalkit.types import Record

__all__ = ["Progress", "shown"]

EVERY = 30.0
"""Seconds between two lines in a log file."""


@dataclass(slots=True)
class Progress:
    """Counts one task's answers and shows them: done, rate, time left and the score so far."""

    name: str
    """The task."""
    total: int
    """How many rows there are."""
    quiet: bool = False
    """Whether to show nothing."""
    board: Any = None
    """The bars of all tasks that are asked together, on a terminal."""
    row: Any = None
    """Which of the bars is this task's."""
    done: int = 0
    """How many rows are answered."""
    scores: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """The sum of scores so far, and their number."""
    failed: int = 0
    """Requests that failed."""
    started: float = field(default_factory=time.monotonic)
    """When the first was asked."""
    printed: float = field(default_factory=time.monotonic)
    """When the last line was printed to a log file."""
    lock: Any = field(default_factory=threading.Lock)
    """Held while an answer is counted: stored ones are counted in the thread that reads rows."""

    def __post_init__(self) -> None:
        """Draw the bar where there is a terminal."""
        if self.board is not None:
            about = {"total": self.total, "rate": "", "score": ""}
            self.row = self.board.add_task(self.name, **about)

    def close(self) -> None:
        """Print the last line, where there is no bar."""
        if self.board is None and not self.quiet and self.done:
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
        if self.board is not None:
            facts = {"rate": self.rate(), "score": self.score()}
            self.board.update(self.row, completed=self.done, **facts)
        elif not self.quiet and time.monotonic() - self.printed >= EVERY:
            self.line()

    def rate(self) -> str:
        """Return answers a second since this process started."""
        seconds = time.monotonic() - self.started
        return f"{self.done / seconds:.1f}/s" if seconds > 0 else ""

    def score(self) -> str:
        """Return the mean score so far in percent, and how many requests failed."""
        text = f"score {100 * self.scores[0] / self.scores[1]:.1f}" if self.scores[1] else ""
        return f"{text}, {self.failed} failed" if self.failed else text

    def line(self) -> None:
        """Print one line that a log file can keep."""
        self.printed = time.monotonic()
        seconds = self.printed - self.started
        speed = self.done / seconds if seconds > 0 else 0.0
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


@contextmanager
def shown(totals: Mapping[str, int], *, quiet: bool) -> Iterator[dict[str, Progress]]:
    """Give the progress of tasks that are asked together, by name.

    Args:
        totals: each task's number of rows.
        quiet: whether to show nothing.
    """
    board = None if quiet or not sys.stderr.isatty() else bars()
    found = {name: Progress(name, total, quiet, board) for name, total in totals.items()}
    try:
        if board is not None:
            board.start()
        yield found
    finally:
        if board is not None:
            board.stop()
        for each in found.values():
            each.close()


def bars() -> Any:
    """Return bars that are not shown yet, on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    return Bars(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[score]}"),
        console=Console(stderr=True),
    )
