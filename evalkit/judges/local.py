"""A judge that is one of our own backends, such as a language model in this process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from evalkit.backends.base import Backend
from evalkit.types import Attempt, Pixels, Request

__all__ = ["BackendJudge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendJudge:
    """Asks a backend with text alone.

    Backends decode greedily, so a further try at another temperature would repeat the first: only
    tries whose prompt is new are made.
    """

    name: str
    """What a score's label calls it."""
    backend: Backend
    """The model."""
    concurrency: int = 1
    """One prompt at a time: the model is one."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """The model's own identity."""
        return {"judge": "backend", **self.backend.identity}

    def __enter__(self) -> BackendJudge:
        """Load the model."""
        self.backend.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the model back."""
        self.backend.__exit__(kind, error, trace)

    def ask(self, attempt: Attempt) -> str | None:
        """Return the answer to one prompt, or ``None`` when the request failed."""
        if attempt.temperature > 0:
            return None
        request = Request(
            id="judge",
            parts=(attempt.prompt,),
            pixels=Pixels(min_pixels=3136, max_pixels=12845056),
            max_new_tokens=attempt.max_tokens,
        )
        (response,) = self.backend.generate([[request]])
        return response.text
