"""One run on several accelerators of one machine, or in several processes on a processor.

Two doors lead in. Under ``accelerate launch`` the processes are there, and accelerate tells each
its place and its device. Started alone, the engine starts the other processes itself. Either way
the first process leads: it alone writes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from evalkit.engines.base import Crew
from evalkit.engines.channel import Line
from evalkit.engines.crew import Follower, Leader
from evalkit.engines.local import LocalEngine
from evalkit.errors import UsageError

__all__ = ["AccelerateEngine", "take_device"]

GOODBYE = 30.0
"""Seconds that a process has to end after its share is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccelerateEngine:
    """Shares groups out over processes, each with a model of its own."""

    name: str = "accelerate"
    """What the manifest calls it."""
    processes: int | None = None
    """How many; ``None`` is one an accelerator, or what ``accelerate launch`` started."""

    @contextmanager
    def open(self, config: Mapping[str, Any]) -> Iterator[Crew]:
        """Give this process's part in the run, and end the processes that were started for it.

        Raises:
            UsageError: the number of processes does not fit.
        """
        if self.processes is not None and self.processes < 1:
            raise UsageError(f"engine.processes must be positive, not {self.processes}")
        several = int(os.environ.get("WORLD_SIZE", "1")) > 1 or self.processes != 1
        if several and config["model"].get("device_map"):
            raise UsageError(
                "model.device_map spreads one model over the devices, and engine=accelerate gives"
                " each a model of its own: leave one of them out"
            )
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            with launched(self.processes) as crew:
                yield crew
        elif (count := self.processes or accelerators()) == 1:
            yield LocalEngine(name=self.name)
        else:
            with started(config, count) as crew:
                yield crew


def accelerators() -> int:
    """Return how many accelerators there are, and 1 where there is none."""
    import torch

    return max(1, torch.accelerator.device_count())


@contextmanager
def started(config: Mapping[str, Any], count: int) -> Iterator[Crew]:
    """Start the processes that follow; end them afterwards, at once if the run is broken off."""
    with ExitStack() as stack:
        stack.callback(take_device(0, count))
        lines = []
        helpers = []
        for place in range(1, count):
            helper, line = start(place)
            stack.callback(finish, helper, line)
            line.send(config=dict(config), place=place, processes=count)
            helpers.append(helper)
            lines.append(line)
        try:
            yield Leader(lines=lines)
        except BaseException:
            for helper in helpers:
                helper.terminate()
            raise


def start(place: int) -> tuple[subprocess.Popen[bytes], Line]:
    """Start a process that follows; return it with the connection to it."""
    from multiprocessing import Pipe

    here, there = Pipe()
    with there:
        helper = subprocess.Popen(
            [sys.executable, "-m", "evalkit.engines.helper", str(there.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[there.fileno()],
        )
    return helper, Line(here, f"process {place} of the run")


def finish(helper: subprocess.Popen[bytes], line: Line) -> None:
    """Wait for a process that follows to end, or end it."""
    line.close()
    try:
        helper.wait(GOODBYE)
    except subprocess.TimeoutExpired:
        helper.kill()
        helper.wait()


def take_device(place: int, count: int) -> Callable[[], None]:
    """Make one of the accelerators this process's own, or a share of the processor's cores.

    Returns:
        What undoes it.
    """
    import torch

    if torch.accelerator.is_available():
        before = torch.accelerator.current_device_index()
        torch.accelerator.set_device_index(place % torch.accelerator.device_count())
        return lambda: torch.accelerator.set_device_index(before)
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // count))
    return lambda: torch.set_num_threads(threads)


@contextmanager
def launched(wanted: int | None) -> Iterator[Crew]:
    """Give the part that ``accelerate launch`` gave this process.

    The first process tells the others where it listens through accelerate; gloo carries it, which
    needs no accelerator's memory.

    Raises:
        UsageError: another number of processes was launched.
    """
    import secrets
    from multiprocessing.connection import Client, Listener

    import torch
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
    state = PartialState(cpu=not torch.accelerator.is_available(), backend="gloo")
    place, count = state.process_index, state.num_processes
    if wanted not in (None, count):
        raise UsageError(f"engine.processes={wanted}, but {count} were launched: leave it out")
    with ExitStack() as stack:
        stack.callback(state.destroy_process_group)
        key = secrets.token_bytes(32)
        if place == 0:
            listener = stack.enter_context(Listener(authkey=key, backlog=count))
            broadcast_object_list([str(listener.address), key.hex()])
            lines = [Line(listener.accept(), "a process of the run") for _ in range(1, count)]
            for line in lines:
                stack.callback(line.close)
            yield Leader(lines=lines)
        else:
            address, secret = broadcast_object_list(["", ""])
            leader = Client(address, authkey=bytes.fromhex(secret))
            line = Line(leader, "the process that leads the run")
            stack.callback(line.close)
            yield Follower(line=line, place=place, processes=count)
