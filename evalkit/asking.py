"""Asking tasks' questions: what is answered already is not asked again."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from evalkit.backends.base import Backend
from evalkit.config import Bench
from evalkit.engines.base import Crew, Keep, Mark
from evalkit.engines.plan import Ask, asks
from evalkit.errors import BackendError
from evalkit.gates.early import EarlyStop
from evalkit.joint import in_turns, jointly, labelled, labels, rounds
from evalkit.progress import Progress, shown
from evalkit.store import RESPONSES, Responses
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
    label: str
    """The task's name, where others are asked with it."""
    note: Callable[[Record], None]
    """Told of every answer of an earlier sitting."""
    only: Container[str] | None = None
    """The samples that this wave asks; ``None`` for all."""
    keys: dict[str, str] = field(default_factory=dict)
    """By sample id, every row's key, as far as rows have been read."""
    refused: list[Ask] = field(default_factory=list)
    """Rows that cannot be asked."""
    done: frozenset[str] = field(init=False)
    """Keys that earlier sittings answered. Others' answers come while rows are still read, and a
    plan that depended on them would be another one in each process: groups would go unasked."""

    def __post_init__(self) -> None:
        """Remember what is answered before the asking begins."""
        again = self.stored.failed if self.config["retry_failed"] else ()
        self.done = frozenset(self.stored.offsets).difference(again)

    def turns(self) -> Iterator[Ask | None]:
        """Yield what each row asks, in row order; ``None`` for one that is not asked now."""
        task, stored = self.bench.task, self.stored
        for ask in asks(task, self.bench.rows, self.config["limit"], self.identity, self.only):
            self.keys[ask.sample.id] = ask.key
            if ask.key in self.done:
                self.note(task.record(ask.sample, stored.get(ask.key)))
                yield None
            elif ask.error is not None:
                self.refused.append(labelled(ask, self.label))
                yield None
            else:
                yield labelled(ask, self.label)

    def settle(self, rows: int) -> None:
        """Make sure that every row that was to be asked now has an answer.

        Args:
            rows: how many rows there must be, read now or before.

        Raises:
            BackendError: rows were neither answered nor refused.
        """
        before, offsets = self.stored.end, self.stored.offsets
        new = {name: key for name, key in self.keys.items() if key not in self.done}
        lost = [name for name, key in new.items() if offsets.get(key, -1) < before]
        if count := len(lost) + max(0, rows - len(self.keys)):
            which = f", {lost[0]} among them" if lost else ""
            raise BackendError(
                f"{self.bench.task.name}: {count} rows were neither answered nor refused{which};"
                " the answers so far are kept, and the same command asks the rest"
            )


def answer(
    folder: Path,
    config: Mapping[str, Any],
    joint: Sequence[Bench],
    rows: Mapping[str, int],
    backend: Backend,
    crew: Crew,
    quiet: bool,
    plans: Mapping[str, EarlyStop],
) -> dict[str, Answered]:
    """Ask what is not answered yet, and write each answer as it comes.

    Args:
        folder: the run's.
        config: the run's.
        joint: tasks that are asked together.
        rows: by task, how many there are.
        backend: an open backend.
        crew: the processes.
        quiet: whether to show no progress.
        plans: by task, when it may stop; it is asked in waves, until its plan knows enough.

    Returns:
        By task what came of it.
    """
    started, waited, mark = time.monotonic(), 0.0, marker(joint)
    with tallied(folder, joint, rows, plans, quiet) as tallies:
        crew.meet()  # the files are whole: the others may read them now
        crew.meet()  # they have read them: they may grow
        for wave in rounds({label: tally.plan for label, tally in tallies.items()}):
            pending = [tallies[label].pending(config, backend, wave[label]) for label in wave]
            waited += crew.evaluate(in_turns(pending), backend, mark, keeper(tallies))
            for each in pending:
                tallies[each.label].refuse(each.refused, mark)
                each.settle(0 if each.only is not None else rows[each.bench.task.name])
    seconds = time.monotonic() - started
    return told(tallies.values(), seconds, waited, quiet)


@contextmanager
def tallied(
    folder: Path,
    joint: Sequence[Bench],
    rows: Mapping[str, int],
    plans: Mapping[str, EarlyStop],
    quiet: bool,
) -> Iterator[dict[str, Tally]]:
    """Open the answers of tasks that are asked together, and show their progress; by label."""
    with ExitStack() as stack:
        names = [bench.task.name for bench in joint]
        bars = stack.enter_context(shown({name: rows[name] for name in names}, quiet=quiet))
        tallies = {}
        for bench, name, label in zip(joint, names, labels(joint), strict=True):
            stored = Responses.open(folder / name / RESPONSES)
            stack.callback(stored.close)
            tallies[label] = Tally(
                bench=bench, label=label, stored=stored, bar=bars[name], plan=plans.get(name)
            )
        yield tallies


def told(
    tallies: Iterable[Tally], seconds: float, waited: float, quiet: bool
) -> dict[str, Answered]:
    """Return what came of tasks that were asked together, and say how long the model waited."""
    found = {tally.bench.task.name: tally for tally in tallies}
    if not quiet and any(tally.asked for tally in found.values()):
        print(
            f"{', '.join(found)}: the model waited {waited:.1f} of {seconds:.1f} s",
            file=sys.stderr,
        )
    times = {"seconds": round(seconds, 3), "waited_seconds": round(waited, 3)}
    return {
        name: Answered(
            keys=tally.keys,
            timing={"asked": tally.asked, **times}
            | ({"with": [other for other in found if other != name]} if len(found) > 1 else {}),
        )
        for name, tally in found.items()
    }


@dataclass(slots=True, kw_only=True)
class Tally:
    """Stores a task's answers and counts them: those that come, and those of earlier sittings."""

    bench: Bench
    """The task and its rows."""
    label: str
    """The task's name, where others are asked with it."""
    stored: Responses
    """Where answers are written."""
    bar: Progress
    """What shows them."""
    plan: EarlyStop | None
    """What may stop the asking."""
    keys: dict[str, str] = field(default_factory=dict)
    """By sample id, the key of every row that was read."""
    asked: int = 0
    """How many came in this sitting."""
    lock: Any = field(default_factory=Lock)
    """Earlier answers are found in the thread that reads rows, new ones kept in another."""

    def pending(
        self, config: Mapping[str, Any], backend: Backend, wave: Container[str] | None
    ) -> Pending:
        """Return the rows of a wave that are still to be asked."""
        return Pending(
            bench=self.bench,
            config=config,
            stored=self.stored,
            identity=backend.identity,
            label=self.label,
            note=self.note,
            only=wave,
            keys=self.keys,
        )

    def keep(self, response: Response, record: Record) -> None:
        """Write an answer that came, under the sample's own id, and count it."""
        self.asked += 1
        self.stored.append(replace(response, id=record.id))
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


def marker(joint: Sequence[Bench]) -> Mark:
    """Return what scores the answers of tasks that are asked together."""
    tasks = {label: bench.task for label, bench in zip(labels(joint), joint, strict=True)}
    return lambda ask, response: tasks[ask.request.task].record(ask.sample, response)


def keeper(tallies: Mapping[str, Tally]) -> Keep:
    """Return what gives each answer to its own task, told from the request's id."""

    def keep(response: Response, record: Record) -> None:
        tallies[response.id.removesuffix(record.id).removesuffix("/")].keep(response, record)

    return keep


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
        for joint in jointly(chosen):
            crew.meet()
            stored = [Responses.read(folder / bench.task.name / RESPONSES) for bench in joint]
            crew.meet()
            pending = [
                Pending(
                    bench=bench,
                    config=config,
                    stored=answers,
                    identity=backend.identity,
                    label=label,
                    note=lambda record: None,
                )
                for bench, label, answers in zip(joint, labels(joint), stored, strict=True)
            ]
            crew.evaluate(in_turns(pending), backend, marker(joint), keep)
