"""What a judge is: a context manager that answers one prompt at a time, from any thread."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol

from evalkit.types import Attempt

__all__ = ["Judge"]


class Judge(Protocol):
    """Answers prompts about replies."""

    @property
    def name(self) -> str:
        """What a score's label calls it."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What its answers depend on: part of every stored answer's key."""

    @property
    def concurrency(self) -> int:
        """How many prompts may be under way at once."""

    def __enter__(self) -> Judge:
        """Load or connect."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give back what ``__enter__`` took."""

    def ask(self, attempt: Attempt) -> str | None:
        """Return the answer to one prompt, or ``None`` when this request failed.

        Raises:
            JudgeError: no request can succeed: the key, the address or the model is wrong.
        """
