"""Benchmarks that ask about the same media are asked together, so that each is prepared once.

Video-MME without and with subtitles are two benchmarks and six questions on each video. Asked one
after the other, every video would be decoded and encoded twice; asked in turns, row by row, all six
questions fall into one group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any, Protocol

from evalkit.config import Bench
from evalkit.engines.plan import Ask
from evalkit.gates.early import EarlyStop, waves

__all__ = ["Turns", "in_turns", "jointly", "labelled", "labels", "rounds"]


class Turns(Protocol):
    """A task's rows, one after the other."""

    def turns(self) -> Iterator[Ask | None]:
        """Yield what each row asks; ``None`` for one that is not asked now."""


def jointly(chosen: Sequence[Bench]) -> list[list[Bench]]:
    """Return a run's benchmarks in sets that are asked together, in the order of each set's first.

    They are those on the same rows, whose protocols show the same media the same way.
    """
    sets: list[list[Bench]] = []
    for bench in chosen:
        kin = next((each for each in sets if shows(each[0]) == shows(bench)), None)
        if kin is None:
            sets.append([bench])
        else:
            kin.append(bench)
    return sets


def shows(bench: Bench) -> tuple[Any, ...]:
    """Return what a benchmark shows: the rows, and how it samples and sizes their media."""
    protocol = bench.task.protocol
    return replace(bench.rows, name=""), protocol.pixels, protocol.frames


def labels(joint: Sequence[Bench]) -> list[str]:
    """Return what tells benchmarks that are asked together apart: nothing where there is one."""
    return [bench.task.name if len(joint) > 1 else "" for bench in joint]


def labelled(ask: Ask, label: str) -> Ask:
    """Return an ask whose request has an id of its own: rows of both benchmarks have the same."""
    if not label:
        return ask
    name = f"{label}/{ask.sample.id}"
    return replace(ask, request=replace(ask.request, id=name, task=label))


def in_turns(pending: Sequence[Turns]) -> Iterator[Ask]:
    """Yield what several tasks ask, row by row, so that questions on one medium stand together."""
    for row in zip_longest(*(each.turns() for each in pending)):
        yield from (ask for ask in row if ask is not None)


def rounds(
    plans: Mapping[str, EarlyStop | None],
) -> Iterator[dict[str, frozenset[str] | None]]:
    """Yield which questions each task asks next; a task that knows enough is left out.

    Args:
        plans: by label when a task may stop; ``None`` asks all its questions, in one round.
    """
    for row in zip_longest(*map(waves, plans.values()), fillvalue=frozenset()):
        now = zip(plans, row, strict=True)
        yield {label: wave for label, wave in now if wave is None or wave}
