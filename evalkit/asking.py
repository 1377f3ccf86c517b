"""Asking a task's questions: what is answered already is not asked again."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from evalkit.backends.base import Backend
from evalkit.config import Bench
from evalkit.engines.base import Crew, Mark
from evalkit.engines.plan import Ask, asks
from evalkit.gates.early import EarlyStop, waves
from evalkit.progress import Progress
from evalkit.store import RESPONSES, Responses
from evalkit.task import Task
from evalkit.types import Record, Response

__all__ = ["Answered", "answer", "follow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came of asking a task's questions."""

    keys: Mapping[str, str]
    """By sample id, the key of every row that was asked in this sitting or an earlier one."""
    timing: Mapping[str, Any]
    """What the manifest records: how many were asked, in what time, and how long the model waited
    for its inputs."""


@dataclass(slots=True, kw_only=True)
class Pending:
    """A task's rows that are still to be asked, as one process of a run reads them."""

    bench: Bench
    """The task and its rows."""
    config: Mapping[str, Any]
    """The run's config."""
    stored: Responses
    """What is answered already."""
    identity: Mapping[str, Any]
    """The backend's identity."""
    note: Callable[[Record], None]
    """Told of every answer of an earlier sitting."""
    only: Container[str] | None = None
    """The samples that this wave asks; ``None`` for all."""
    keys: dict[str, str] = field(default_factory=dict)
    """By sample id, every row's key, as far as rows have been read."""
    refused: list[Ask] = field(default_factory=list)
    """Rows that cannot be asked."""

    def __iter__(self) -> Iterator[Ask]:
        """Yield what is to be asked, in row order."""
        task, stored = self.bench.task, self.stored
        for ask in asks(task, self.bench.rows, self.config["limit"], self.identity, self.only):
            self.keys[ask.sample.id] = ask.key
            again = ask.key in stored.failed and self.config["retry_failed"]
            if ask.key in stored.offsets and not again:
                self.note(task.record(ask.sample, stored.get(ask.key)))
            elif ask.error is not None:
                self.refused.append(ask)
            else:
                yield ask


def answer(
    folder: Path,
    config: Mapping[str, Any],
    bench: Bench,
    rows: int,
    backend: Backend,
    crew: Crew,
    quiet: bool,
    plan: EarlyStop | None = None,
) -> Answered:
    """Ask what is not answered yet, and write each answer as it comes.

    With a plan questions are asked in waves, until the plan knows enough.
    """
    task, keys, started, waited = bench.task, dict[str, str](), time.monotonic(), 0.0
    stored = Responses.open(folder / task.name / RESPONSES)
    try:
        with Progress(task.name, rows, quiet=quiet) as bar:
            tally = Tally(stored=stored, bar=bar, plan=plan)
            crew.meet()  # the file is whole: the others may read it now
            crew.meet()  # they have read it: it may grow
            for wave in waves(plan):
                pending = Pending(
                    bench=bench,
                    config=config,
                    stored=stored,
                    identity=backend.identity,
                    note=tally.note,
                    only=wave,
                    keys=keys,
                )
                waited += crew.evaluate(pending, backend, mark := marker(task), tally.keep)
                tally.refuse(pending.refused, mark)
    finally:
        stored.close()
    seconds = time.monotonic() - started
    if tally.asked and not quiet:
        print(f"{task.name}: the model waited {waited:.1f} of {seconds:.1f} s", file=sys.stderr)
    timing = {"asked": tally.asked, "seconds": round(seconds, 3)}
    return Answered(keys=keys, timing=timing | {"waited_seconds": round(waited, 3)})


@dataclass(slots=True, kw_only=True)
class Tally:
    """Stores answers and counts them: those that come, and those of earlier sittings."""

    stored: Responses
    """Where answers are written."""
    bar: Progress
    """What shows them."""
    plan: EarlyStop | None
    """What may stop the asking."""
    asked: int = 0
    """How many came in this sitting."""
    lock: Any = field(default_factory=Lock)
    """Earlier answers are found in the thread that reads rows, new ones kept in another."""

    def keep(self, response: Response, record: Record) -> None:
        """Write an answer that came and count it."""
        self.asked += 1
        self.stored.append(response)
        self.note(record, failed=response.error is not None)

    def refuse(self, refused: Iterable[Ask], mark: Mark) -> None:
        """Write what could not be asked, each as a failed answer with its reason."""
        for ask in refused:
            response = ask.stamp(Response(id=ask.sample.id, error=ask.error))
            self.keep(response, mark(ask, response))

    def note(self, record: Record, *, failed: bool = False) -> None:
        """Count an answer."""
        with self.lock:
            self.bar.add(record, failed=failed)
            if self.plan is not None:
                self.plan.add(record)


def marker(task: Task) -> Mark:
    """Return what scores a task's answers."""
    return lambda ask, response: task.record(ask.sample, response)


def follow(
    folder: Path, config: Mapping[str, Any], chosen: list[Bench], backend: Backend, crew: Crew
) -> None:
    """Ask this process's share of every task and send the answers to the one that leads.

    Raises:
        BackendError: the model died, or the process that leads is gone.
    """

    def keep(response: Response, record: Record) -> None:
        raise AssertionError("only the process that leads keeps answers")

    with backend:
        for bench in chosen:
            task = bench.task
            crew.meet()
            stored = Responses.read(folder / task.name / RESPONSES)
            crew.meet()
            pending = Pending(
                bench=bench,
                config=config,
                stored=stored,
                identity=backend.identity,
                note=lambda record: None,
            )
            crew.evaluate(pending, backend, marker(task), keep)
