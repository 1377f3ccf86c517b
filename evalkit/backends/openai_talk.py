"""One sitting with a chat endpoint: many requests under way, each until answered or given up."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from evalkit.backends.base import lead_detail
from evalkit.backends.openai_errors import Answer, Trouble
from evalkit.backends.openai_pace import Pace, backoff
from evalkit.backends.openai_ready import Asked, Maker, Shelf
from evalkit.backends.openai_wire import Wire
from evalkit.backends.reference import CURE, mismatch
from evalkit.errors import BackendError, DataError, EvalkitError, one_line
from evalkit.types import Request, Response

__all__ = ["Manner", "Talk", "drive"]

T = TypeVar("T")

AHEAD = 16
"""Requests that are made ready beyond those under way."""


SLOW = 0.002
"""Seconds after which a request has come slowly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How long a server is borne with, and what ends the run."""

    where: str
    """The endpoint, for messages."""
    stop: bool
    """Whether a token count that is not the reference's ends the run."""
    max_retries: int
    """How often a request that fails is asked again."""
    patience: float
    """Seconds of nothing but refusals after which the server counts as dead."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A request's turn to be sent first: in the order of the groups, whoever is ready earlier."""

    before: asyncio.Future[None] | None
    """The turn of the request before."""
    own: asyncio.Future[None]
    """Done when the next may go."""

    async def come(self) -> None:
        """Wait for it."""
        if self.before is not None and not self.before.done():
            await self.before

    def pass_on(self) -> None:
        """Let the next one go."""
        if not self.own.done():
            self.own.set_result(None)


@dataclass(slots=True)
class Talk:
    """Requests under way, on one event loop."""

    manner: Manner
    """What is borne with."""
    wire: Wire
    """The connection."""
    maker: Maker
    """Makes requests ready."""
    pace: Pace
    """How many at once."""
    _tasks: set[asyncio.Task[Response]] = field(default_factory=set)
    _done: deque[asyncio.Task[Response]] = field(default_factory=deque)
    _bell: asyncio.Event = field(default_factory=asyncio.Event)
    _bad_since: float | None = None
    _given_up: int = 0
    _end: EvalkitError | None = None
    _last: asyncio.Future[None] | None = None

    def fill(self, loop: asyncio.AbstractEventLoop, feed: Iterator[tuple[Request, Shelf]]) -> bool:
        """Take up requests while there is room; return whether any is under way.

        Where they come slowly, those under way are served in between.
        """
        while len(self._tasks) < self.pace.most + AHEAD and not self._done:
            start = time.monotonic()
            taken = next(feed, None)
            if taken is None:
                break
            if time.monotonic() - start > SLOW:
                drive(loop, asyncio.sleep(0))
            before, self._last = self._last, loop.create_future()
            task = loop.create_task(self._answer(*taken, Turn(before, self._last)))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        return bool(self._tasks)

    async def some(self) -> tuple[list[Response], EvalkitError | None]:
        """Return what has been answered, waiting for at least one, and why the run must end."""
        await self._bell.wait()
        self._bell.clear()
        found = []
        while self._done:
            task = self._done.popleft()
            self._tasks.discard(task)
            error = task.exception()
            if error is None:
                found.append(task.result())
            elif isinstance(error, EvalkitError):
                self._end = self._end or error
            else:
                raise error
        return found, self._end

    async def close(self) -> None:
        """Drop what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.maker.close()

    def _ended(self, task: asyncio.Task[Response]) -> None:
        self._done.append(task)
        self._bell.set()

    async def _answer(self, request: Request, shelf: Shelf, turn: Turn) -> Response:
        """Return the response to one request.

        Raises:
            BackendError: the server is dead.
        """
        start = time.perf_counter()
        try:
            asked = await self.maker.ready(request, shelf)
            await turn.come()
            await self.pace.enter()
        except DataError as error:
            seconds = time.perf_counter() - start
            return Response(id=request.id, error=one_line(error), seconds=seconds)
        finally:
            turn.pass_on()
        found, tries = await self._ask(asked)
        seconds = time.perf_counter() - start
        if isinstance(found, Answer):
            return self._response(asked, found, seconds, tries)
        return Response(
            id=request.id,
            error=self.maker.sender.other_way(request, found.why),
            seconds=seconds,
            digests=asked.digests,
            details={**asked.details, **found.details, "tries": tries},
        )

    async def _ask(self, asked: Asked) -> tuple[Answer | Trouble, int]:
        """Ask, a place being taken, until there is an answer or the request is given up.

        Raises:
            BackendError: the server is dead.
        """
        tries = counted = 0
        while True:
            found: Answer | Trouble | None = None
            try:
                found = await self.wire.post(asked.body)
            finally:
                self.pace.leave(refused=isinstance(found, Trouble) and found.kind == "busy")
            tries += 1
            if isinstance(found, Answer):
                self._bad_since, self._given_up = None, 0
                return found, tries
            counted += found.kind == "again"
            if found.kind == "failed" or counted > self.manner.max_retries:
                self._give_up(found)
                return found, tries
            self._bear(found)
            await asyncio.sleep(backoff(tries, found.wait))
            await self.pace.enter(again=True)

    def _bear(self, found: Trouble) -> None:
        """Go on for now, or not.

        Raises:
            BackendError: every request would fail so, or nobody has answered for too long.
        """
        if found.kind == "dead":
            raise BackendError(f"{self.manner.where} {found.why}")
        now = time.monotonic()
        self._bad_since = self._bad_since or now
        if found.kind in ("busy", "down"):
            silent = now - self._bad_since
            if silent >= self.manner.patience + (found.wait or 0.0):
                told = f"gave no answer for {silent:.0f} s: " if self.manner.patience else ""
                raise BackendError(f"{self.manner.where} {told}{found.why}")

    def _give_up(self, found: Trouble) -> None:
        """Count a request that is given up for the server's sake.

        Raises:
            BackendError: so many in a row that it is not the requests.
        """
        if found.details.get("cause") in ("context", "refused"):
            return
        self._given_up += 1
        if self._given_up > 4 * self.pace.most:
            raise BackendError(
                f"{self.manner.where} answered none of the last {self._given_up} requests:"
                f" {found.why}"
            )

    def _response(self, asked: Asked, found: Answer, seconds: float, tries: int) -> Response:
        """Return an answer as a response, its prompt checked against the reference."""
        expected, details = asked.expected, {**asked.details, "tries": tries}
        details |= lead_detail(found.lead)
        same = expected is not None and found.prompt_tokens == expected.tokens
        wrong = None
        if expected is not None and not same:
            details |= {"cause": "mismatch", "expected_prompt_tokens": expected.tokens}
            wrong = mismatch(found.prompt_tokens, expected.tokens)
            if self.manner.stop:
                self._end = self._end or BackendError(f"{asked.request.id}: {wrong}; {CURE}")
        stopped = wrong is not None and self.manner.stop
        return Response(
            id=asked.request.id,
            text=None if stopped else found.text,
            error=wrong if stopped else None,
            finish_reason=found.finish,
            prompt_tokens=found.prompt_tokens,
            completion_tokens=found.completion_tokens,
            grid=expected.grid if expected and same else (),
            seconds=seconds,
            digests={**asked.digests, **(expected.digests if expected and same else {})},
            details=details,
        )


def drive(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine gives on a loop of its own, even where another loop runs."""
    if not _loop_runs():
        return loop.run_until_complete(work)
    with ThreadPoolExecutor(1) as thread:  # a notebook: its loop is this thread's
        return thread.submit(loop.run_until_complete, work).result()


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
