"""What a backend is: a context manager that answers groups of requests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

from evalkit.types import Request, Response

__all__ = ["Backend", "Waits", "lead_detail"]


class Backend(Protocol):
    """Answers requests, in any order.

    One request that fails is a ``Response`` with ``error`` set. A backend that is dead raises
    ``BackendError``. A setting that cannot work raises ``UsageError`` from ``__enter__``.
    """

    def __enter__(self) -> Backend:
        """Load the model or connect to the server."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give back what ``__enter__`` took."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What makes answers comparable: model, revision, dtype. Part of every response's key."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What else the manifest records: attention, device, processor class, versions."""

    def generate(self, groups: Iterable[Sequence[Request]]) -> Iterator[Response]:
        """Yield one response for every request.

        Args:
            groups: requests that share their media, a group at a time; read lazily.

        Raises:
            BackendError: the model or its server is dead.
        """


@runtime_checkable
class Waits(Protocol):
    """What a backend also is that reads requests ahead of its model, and so knows when it is idle.

    Of any other the engine takes the time that it waits for requests itself.
    """

    @property
    def waited(self) -> float:
        """Seconds that the model has waited for inputs since the backend was made."""


def lead_detail(lead: float | None) -> dict[str, float]:
    """Return the least lead of a reply's tokens as a response's details have it; none is left out.

    A model that overflows has no lead, and JSON no word for what it has.
    """
    return {} if lead is None or not math.isfinite(lead) else {"lead": round(lead, 3)}
