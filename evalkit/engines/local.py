"""One backend in this process: rows are read ahead of it, answers are scored and written behind."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from evalkit.ahead import Ahead, Behind
from evalkit.backends.base import Backend, Waits
from evalkit.engines.base import Crew, Keep, Mark
from evalkit.engines.grouping import groups
from evalkit.engines.plan import Ask
from evalkit.errors import BackendError
from evalkit.types import Request, Response

__all__ = ["LocalEngine", "ask_all", "swift"]

READ = 16 << 20
"""Bytes of media that planned groups may hold while they wait for the backend."""

TURN = 0.001
"""Seconds after which a thread that reads or scores must let another one go on. With the 5 ms that
Python gives it, an answer, or the model's next kernel, waits as long for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEngine:
    """Asks one backend, a group after the other."""

    name: str = "local"
    """What the manifest calls it."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Its name, and that there is one process."""
        return {"name": self.name, "processes": 1}

    @property
    def leads(self) -> bool:
        """Whether this process writes the run: it is the only one."""
        return True

    @contextmanager
    def open(self, config: Mapping[str, Any]) -> Iterator[Crew]:
        """Give itself: nothing has to be started."""
        del config
        yield self

    def meet(self) -> None:
        """Do nothing: nobody else is to be waited for."""

    def backend(self, own: Backend) -> Backend:
        """Return the run's backend: this process asks it itself."""
        return own

    def evaluate(self, pending: Iterable[Ask], backend: Backend, mark: Mark, keep: Keep) -> float:
        """Ask everything pending; see ``Crew.evaluate``."""
        with Behind() as behind:
            return ask_all(
                groups(pending),
                backend,
                lambda ask, response: behind.call(lambda: keep(response, mark(ask, response))),
            )


def ask_all(
    planned: Iterable[list[Ask]], backend: Backend, answered: Callable[[Ask, Response], None]
) -> float:
    """Ask a backend all planned groups, reading ahead; return how long its model waited.

    Args:
        planned: groups of asks, read in a thread of its own.
        backend: an open backend.
        answered: called once a response, stamped with its key and fingerprints.

    Raises:
        BackendError: the backend is dead, or left requests unanswered.
    """
    taken: dict[str, Ask] = {}

    def take(kin: list[Ask]) -> list[Request]:
        taken.update((item.request.id, item) for item in kin)
        return [item.request for item in kin]

    before = backend.waited if isinstance(backend, Waits) else 0.0
    with swift(), Ahead(planned, take, size=weight, budget=READ, workers=0) as ready:
        replies = backend.generate(ready)
        try:
            for response in replies:
                item = taken.pop(response.id)
                answered(item, item.stamp(response))
        finally:
            if close := getattr(replies, "close", None):
                close()
    if taken:
        raise BackendError(
            f"the backend left {len(taken)} requests unanswered, {next(iter(taken))} among them"
        )
    return backend.waited - before if isinstance(backend, Waits) else ready.waited


@contextmanager
def swift() -> Iterator[None]:
    """Keep this process from pausing for a while.

    Threads take turns at least every ``TURN`` seconds, and what exists is no garbage: to look
    through all that the libraries hold takes 70 ms, in which no request is sent.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, TURN))
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        sys.setswitchinterval(before)


def weight(group: Sequence[Request]) -> int:
    """Return the bytes of media that a group of requests holds."""
    return sum(len(medium.data or b"") for medium in group[0].media)
