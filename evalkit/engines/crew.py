"""Several processes that share one run: one leads and writes, the others send it their answers.

Every process reads all rows and makes the same plan; of its groups each takes every n-th. So who
asks what depends on the rows and the number of processes only, and as what is answered already is
left out of the plan, a run may go on with another number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from threading import Event
from typing import Any

from evalkit.ahead import Behind
from evalkit.backends.base import Backend
from evalkit.engines.base import Keep, Mark
from evalkit.engines.channel import Line, answer_from, answer_line
from evalkit.engines.grouping import groups
from evalkit.engines.local import ask_all
from evalkit.engines.plan import Ask
from evalkit.errors import EvalkitError, one_line
from evalkit.types import Response

__all__ = ["Follower", "Leader"]

GLANCE = 0.5
"""Seconds after which a thread that waits for an answer looks whether it is still wanted."""


def share(pending: Iterable[Ask], place: int, processes: int) -> Iterator[list[Ask]]:
    """Yield the groups of one process; all of them are planned."""
    yield from islice(groups(pending), place, None, processes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """The process that writes the run, and asks the first share itself."""

    lines: Sequence[Line]
    """One to each process that follows."""

    @property
    def leads(self) -> bool:
        """Whether this process writes the run: it does."""
        return True

    @property
    def facts(self) -> Mapping[str, Any]:
        """The engine's name, and how many processes there are."""
        return {"name": "accelerate", "processes": len(self.lines) + 1}

    def meet(self) -> None:
        """Wait until all others are here, and let them go on."""
        for line in self.lines:
            line.receive()
        for line in self.lines:
            line.send(met=True)

    def backend(self, own: Backend) -> Backend:
        """Return the run's backend: this process asks it itself."""
        return own

    def evaluate(self, pending: Iterable[Ask], backend: Backend, mark: Mark, keep: Keep) -> float:
        """Ask the first share and keep the answers of all; see ``Crew.evaluate``."""
        enough = Event()
        with Behind() as behind, ThreadPoolExecutor(len(self.lines)) as pool:
            others = [pool.submit(collect, line, behind, keep, enough) for line in self.lines]

            def answered(ask: Ask, response: Response) -> None:
                behind.call(lambda: keep(response, mark(ask, response)))
                failed(others)

            try:
                own = ask_all(share(pending, 0, len(self.lines) + 1), backend, answered)
                return max(own, *(other.result() for other in others))
            finally:
                enough.set()


def failed(others: Iterable[Future[float]]) -> None:
    """Raise what went wrong in a process that has ended too early."""
    for other in others:
        if other.done():
            other.result()


def collect(line: Line, behind: Behind, keep: Keep, enough: Event) -> float:
    """Keep one process's answers until its share is done; return how long its model waited."""
    while not enough.is_set():
        if not line.ready(GLANCE):
            continue
        message = line.receive()
        if "waited" in message:
            return float(message["waited"])
        behind.call(keep, *answer_from(message))
    return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """A process that asks its share and sends the answers to the one that leads."""

    line: Line
    """To the process that leads."""
    place: int
    """Its number, from 1."""
    processes: int
    """How many there are."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Nothing: it writes no manifest."""

    @property
    def leads(self) -> bool:
        """Whether this process writes the run: it does not."""
        return False

    def meet(self) -> None:
        """Say that it is here, and wait for the others."""
        self.line.send(here=self.place)
        self.line.receive()

    def backend(self, own: Backend) -> Backend:
        """Return the run's backend: this process asks it itself."""
        return own

    def evaluate(self, pending: Iterable[Ask], backend: Backend, mark: Mark, keep: Keep) -> float:
        """Ask its share and send each answer as it comes; see ``Crew.evaluate``."""
        del keep

        def send(ask: Ask, response: Response) -> None:
            self.line.send(**answer_line(response, mark(ask, response)))

        try:
            with Behind() as behind:
                planned = share(pending, self.place, self.processes)
                waited = ask_all(planned, backend, lambda *given: behind.call(send, *given))
        except EvalkitError as error:
            self.line.send(failed=one_line(error))
            raise
        self.line.send(waited=waited)
        return waited
