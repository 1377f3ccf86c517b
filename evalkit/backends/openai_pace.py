"""How many requests are under way at once, and how long a failed one waits.

The limit starts at its ceiling. Whenever as many answers have come as it allows at once, it is cut
in proportion to the share that said "too much", or else raised by one: additive increase and
multiplicative decrease, with the proportional cut of DCTCP (Alizadeh et al., SIGCOMM 2010), so that
a few stray refusals do not halve the speed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

__all__ = ["Pace", "backoff"]

NOISE = 0.1
"""The share of refusals that is not taken for overload: a busy service always has some."""

FIRST, FACTOR, LONGEST = 0.02, 4.0, 30.0
"""Seconds before the second retry, growth from one to the next, and the most."""


def backoff(tries: int, wanted: float | None) -> float:
    """Return the seconds before the next try.

    The first retry goes at once: a stray failure is over by then, and where there is too much to
    do, fewer requests are what helps.

    Args:
        tries: how many have failed, from 1.
        wanted: what the server's ``Retry-After`` says, which is never undercut.
    """
    own = min(LONGEST, FIRST * FACTOR ** min(tries - 2, 8)) if tries > 1 else 0.0
    return max(own, wanted or 0.0)


@dataclass(slots=True)
class Pace:
    """Lets requests through, as many at once as the server takes."""

    most: int
    """The ceiling."""
    limit: float = 0.0
    """How many may be under way now."""
    lowest: int = 0
    """The least that the limit ever was."""
    _running: int = 0
    _answers: int = 0
    _refusals: int = 0
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        """Start at the ceiling."""
        self.limit, self.lowest = float(self.most), self.most

    async def enter(self, *, again: bool = False) -> None:
        """Wait for a place; first come, first served.

        Args:
            again: whether the request has been sent before. Such a one goes first: at the end of
                a run nobody is left to share the time of the last retries.
        """
        if self._running < int(self.limit) and not self._waiting:
            self._running += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if again else self._waiting.append)(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._running -= 1
            raise

    def leave(self, *, refused: bool) -> None:
        """Give the place back, and learn from how the request ended.

        Args:
            refused: whether the server said that it has too much to do.
        """
        self._running -= 1
        self._answers += 1
        self._refusals += refused
        if self._answers >= int(self.limit):
            share = self._refusals / self._answers
            if share > NOISE:
                self.limit = max(1.0, self.limit * (1 - share / 2))
                self.lowest = min(self.lowest, int(self.limit))
            else:
                self.limit = min(float(self.most), self.limit + 1)
            self._answers = self._refusals = 0
        while self._waiting and self._running < int(self.limit):
            place = self._waiting.popleft()
            if not place.cancelled():
                place.set_result(None)
                self._running += 1
