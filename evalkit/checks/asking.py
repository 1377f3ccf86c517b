"""Asking a backend for a check: one question at a time, or all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from evalkit.backends.base import Backend
from evalkit.errors import BackendError
from evalkit.types import Request, Response

__all__ = ["Replies", "alone", "parting", "same", "together"]

Replies = dict[str, Response]
"""Responses by the question's id."""


def alone(backend: Backend, requests: Iterable[Request]) -> Replies:
    """Ask one question after the other, so that none has company.

    Raises:
        BackendError: the backend is dead, or left a question unanswered.
    """
    found: Replies = {}
    for request in requests:
        found.update(together(backend, [request]))
    return found


def together(backend: Backend, requests: Sequence[Request]) -> Replies:
    """Ask all questions at once, those on the same media in one group.

    Raises:
        BackendError: the backend is dead, or left a question unanswered.
    """
    groups = [list(run) for _, run in groupby(requests, key=lambda request: request.media)]
    found = {response.id: response for response in backend.generate(groups)}
    for request in requests:
        if request.id not in found:
            raise BackendError(f"the backend left {request.id} unanswered")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Answers to the same questions, side by side."""

    same: int
    """Questions with identical answers."""
    differing: tuple[str, ...]
    """The others, by id."""

    @property
    def asked(self) -> int:
        """All questions."""
        return self.same + len(self.differing)

    @property
    def share(self) -> float:
        """The share of identical answers; 1 where nothing was asked."""
        return self.same / self.asked if self.asked else 1.0


def same(a: Replies, b: Replies, names: Iterable[tuple[str, str]]) -> Pairs:
    """Compare answers; a failed request is identical to none.

    Args:
        a: one side.
        b: the other.
        names: pairs of ids, one of each side.
    """
    differing, equal = [], 0
    for one, other in names:
        if a[one].text is not None and a[one].text == b[other].text:
            equal += 1
        else:
            differing.append(one)
    return Pairs(same=equal, differing=tuple(differing))


def parting(a: Sequence[int], b: Sequence[int]) -> int:
    """Return the place, from 0, at which two sequences of tokens part."""
    for place, (one, other) in enumerate(zip(a, b, strict=False)):
        if one != other:
            return place
    return min(len(a), len(b))
