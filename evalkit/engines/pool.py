"""Replicas that are handed groups as they become free, and replaced when they are lost."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from evalkit.engines.plan import Ask
from evalkit.errors import BackendError, EvalkitError, UsageError, one_line
from evalkit.types import Response

__all__ = ["Hand", "Pool"]


@dataclass(slots=True, kw_only=True)
class Hand:
    """Groups that are asked together."""

    groups: list[list[Ask]]
    """Asks that share their media, a group at a time."""
    lost: int = 0
    """How many replicas were lost with it."""

    @property
    def asks(self) -> list[Ask]:
        """All asks."""
        return [item for group in self.groups for item in group]


class Given(NamedTuple):
    """A hand that is at a replica, or waits there."""

    hand: Hand
    """What was handed."""
    place: int
    """The replica's number."""
    replica: Any
    """The replica, which may have been replaced by now."""


@dataclass(slots=True, kw_only=True)
class Pool:
    """Replicas of one backend."""

    ray: Any
    """Ray, connected."""
    make: Callable[[], Any]
    """Starts a replica."""
    count: int
    """How many there are."""
    ahead: int
    """Hands that wait at each."""
    retries: int
    """How often a hand may lose its replica."""
    _replicas: list[Any] = field(default_factory=list)
    _waited: Counter[int] = field(default_factory=Counter)
    _fallen: int = 0

    def __post_init__(self) -> None:
        """Start the replicas; they load beside each other."""
        self._replicas = [self.make() for _ in range(self.count)]

    @property
    def waited(self) -> float:
        """Seconds that the replica which waited longest has waited for questions."""
        return float(max(self._waited.values(), default=0.0))

    def close(self) -> None:
        """End the replicas."""
        for replica in self._replicas:
            with suppress(Exception):
                self.ray.kill(replica)

    def introduce(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a replica's identity and facts.

        Raises:
            UsageError: a setting of the model cannot work.
            BackendError: it does not start.
        """
        try:
            identity, facts = self.ray.get(self._replicas[0].introduce.remote())
        except Exception as error:
            raise told(error) from error
        return dict(identity), dict(facts)

    def run(self, hands: Iterable[Hand]) -> Iterator[tuple[list[Ask], list[Response]]]:
        """Yield hands with their answers as they come; hands are taken as replicas become free.

        Raises:
            UsageError: a setting of the model cannot work.
            BackendError: the model is dead wherever it is asked.
        """
        source, again = iter(hands), deque[Hand]()
        free = deque(place for _ in range(self.ahead) for place in range(self.count))
        running: dict[Any, Given] = {}  # in the order in which they were given
        while True:
            while free and (hand := again.popleft() if again else next(source, None)):
                place = free.popleft()
                replica = self._replicas[place]
                groups = [[item.request for item in group] for group in hand.groups]
                running[replica.answer.remote(groups)] = Given(hand, place, replica)
            if not running:
                return
            (done, *_), _ = self.ray.wait(list(running), num_returns=1)
            given = running[done]
            free.append(given.place)
            try:
                responses, waited = self.ray.get(done)
            except Exception as error:  # noqa: BLE001 - whatever ended it, it is told or tried again
                if self._replicas[given.place] is given.replica:
                    at_it = next(g for g in running.values() if g.replica is given.replica)
                    self._replace(at_it, error)
                del running[done]
                if given.hand.lost > self.retries:
                    yield given.hand.asks, given_up(given.hand, told(error))
                else:
                    again.append(given.hand)
                continue
            del running[done]
            self._waited[given.place] += waited
            self._fallen = 0
            yield given.hand.asks, responses

    def _replace(self, given: Given, error: Exception) -> None:
        """Start a replica in a lost one's place, and note which hand it was at.

        Raises:
            UsageError: a setting of the model cannot work.
            BackendError: the model is dead wherever it is asked.
        """
        cause = told(error)
        if isinstance(cause, UsageError):
            raise cause from error
        given.hand.lost += 1
        self._fallen += 1
        if self._fallen > self.retries * self.count:
            raise BackendError(
                f"{self._fallen} replicas in a row were lost, the last with: {cause}"
            ) from error
        with suppress(Exception):
            self.ray.kill(given.replica)
        self._replicas[given.place] = self.make()


def given_up(hand: Hand, cause: EvalkitError) -> list[Response]:
    """Return failed responses to all of a hand that has cost too many replicas."""
    why = f"{hand.lost} replicas were lost over this request or its neighbours: {cause}"
    return [Response(id=item.request.id, error=why) for item in hand.asks]


def told(error: Exception) -> EvalkitError:
    """Return what a replica's failure is: its own error, or that it is gone."""
    cause = getattr(error, "cause", None) or error.__cause__
    for found in (error, cause):
        if isinstance(found, EvalkitError):
            kind = UsageError if isinstance(found, UsageError) else BackendError
            return kind(one_line(getattr(found, "cause", None) or found))
    return BackendError(f"a replica is gone ({type(error).__name__})")
