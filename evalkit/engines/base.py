"""What an engine is: it shares a run's questions out over processes and hands on the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from evalkit.backends.base import Backend
from evalkit.engines.plan import Ask
from evalkit.types import Record, Response

__all__ = ["Crew", "Engine", "Keep", "Mark"]

Mark = Callable[[Ask, Response], Record]
"""Scores a response, in any thread."""

Keep = Callable[[Response, Record], None]
"""Stores a response with its score, one at a time."""


class Crew(Protocol):
    """The processes of a run, seen from one of them."""

    @property
    def leads(self) -> bool:
        """Whether this process writes the run; the others send it their answers."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the manifest records: the engine's name, and how many processes there are."""

    def meet(self) -> None:
        """Wait until every process is here.

        Raises:
            BackendError: one of them is gone.
        """

    def backend(self, own: Backend) -> Backend:
        """Return what this process is to open and hand to ``evaluate``.

        Args:
            own: the run's backend, not open: what it is where this process asks it itself.

        Raises:
            UsageError: a setting of a model that is opened elsewhere cannot work.
            BackendError: no such model opens.
        """

    def evaluate(self, pending: Iterable[Ask], backend: Backend, mark: Mark, keep: Keep) -> float:
        """Ask this process's share of what is pending; where it leads, wait for all shares.

        Args:
            pending: everything that is to be asked, the same in all processes; read to its end.
            backend: an open backend.
            mark: scores each answer where it was given.
            keep: called in the leading process once for each answer of any process, stamped with
                its key and fingerprints.

        Returns:
            Seconds that the model waited for its inputs; of several the one that waited longest.

        Raises:
            BackendError: a backend is dead, or left requests unanswered.
        """


class Engine(Protocol):
    """A way of running."""

    def open(self, config: Mapping[str, Any]) -> AbstractContextManager[Crew]:
        """Start the processes that a run of this composed config needs, and end them after it."""
