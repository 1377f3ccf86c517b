"""One replica of a backend, in a process that Ray starts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.backends.base import Backend
from evalkit.config import build
from evalkit.data.cache import use
from evalkit.errors import EvalkitError, one_line
from evalkit.types import Request, Response

__all__ = ["Replica"]


class Replica:
    """Answers the groups that it is handed, one hand after the other."""

    def __init__(self, model: Mapping[str, Any], data: Any = None) -> None:
        """Load the model; what is wrong with it is told when it is asked.

        Args:
            model: the model's config.
            data: the run's ``data``, which says where decoded videos are kept.
        """
        self._free = time.monotonic()
        self._failed: EvalkitError | None = None
        self._backend: Backend | None = None
        try:
            use(data)
            backend: Backend = build(model)
            self._backend = backend.__enter__()
        except EvalkitError as error:
            self._failed = type(error)(one_line(error))
        self._free = time.monotonic()

    def introduce(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the backend's identity and facts.

        Raises:
            EvalkitError: the backend did not open.
        """
        backend = self._opened()
        return dict(backend.identity), dict(backend.facts)

    def answer(self, groups: Sequence[Sequence[Request]]) -> tuple[list[Response], float]:
        """Return the responses to groups, and the seconds that were waited for them.

        Raises:
            EvalkitError: the backend did not open, or is dead.
        """
        waited = time.monotonic() - self._free
        try:
            return list(self._opened().generate(groups)), waited
        finally:
            self._free = time.monotonic()

    def _opened(self) -> Backend:
        if self._backend is None:
            assert self._failed is not None, "it is open or has failed"
            raise self._failed
        return self._backend
