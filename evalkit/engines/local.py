"""One backend in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from evalkit.backends.base import Backend
from evalkit.engines.plan import Ask, InFlight, groups
from evalkit.errors import BackendError
from evalkit.types import Response

__all__ = ["LocalEngine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEngine:
    """Asks one backend, a group after the other."""

    name: str = "local"
    """What the manifest calls it."""

    def evaluate(
        self,
        pending: Iterable[Ask],
        backend: Backend,
        keep: Callable[[Ask, Response], None],
    ) -> None:
        """Ask everything pending and hand on each response as it comes.

        Args:
            pending: what is to be asked; read lazily.
            backend: an open backend.
            keep: called once a response, stamped with its key and fingerprints.

        Raises:
            BackendError: the backend is dead, or left requests unanswered.
        """
        taken = InFlight()
        for response in backend.generate(groups(pending, taken)):
            ask = taken.by_id.pop(response.id)
            keep(ask, ask.stamp(response))
        if taken.by_id:
            raise BackendError(
                f"the backend left {len(taken.by_id)} requests unanswered, "
                f"{next(iter(taken.by_id))} among them"
            )
