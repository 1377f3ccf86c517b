"""Work that runs ahead of the model, and work that runs behind it, in threads.

Both keep the order they are given, so that a run's batches do not depend on how fast its threads
are, and both are bounded, so that memory does not grow with a dataset.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, TypeVar

__all__ = ["Ahead", "Behind"]

T = TypeVar("T")
R = TypeVar("R")

PATIENCE = 10.0
"""Seconds to wait at the end for a thread that is busy with something that cannot be stopped."""

MOST_BEHIND = 512
"""The most calls that may wait behind the model; a disk slower than the model makes it wait."""

MOST_AHEAD = 64
"""The most results that may wait for the model, however small they are."""


class Ahead(Generic[T, R]):
    """Yields ``work(item)`` for each item of a source, in its order, worked on ahead of time.

    One thread reads the source, others do the work. What the source or the work raises is raised
    where the result would have come.

    Attributes:
        waited: seconds that the consumer has waited for results.
    """

    def __init__(
        self,
        source: Iterable[T],
        work: Callable[[T], R],
        *,
        size: Callable[[R], int],
        budget: int,
        workers: int,
        initialise: Callable[[], object] | None = None,
    ) -> None:
        """Start the threads.

        Args:
            source: read by one thread, which may wait.
            work: called in any thread.
            size: how much memory a result holds, in bytes.
            budget: the bytes that finished results may hold before no more work is begun. Work
                that was begun is finished, so up to ``workers`` results may come on top.
            workers: threads that work; 0 lets the thread that reads work too.
            initialise: called once in each thread that works.
        """
        self.waited = 0.0
        self._source, self._work, self._size = source, work, size
        self._budget, self._workers = budget, workers
        self._pool = ThreadPoolExecutor(workers, "evalkit-ahead", initialise) if workers else None
        self._results: deque[Future[R] | None] = deque()
        self._held = self._busy = 0
        self._changed = threading.Condition()
        self._closed = False
        # A daemon: one that waits for a network at the end must not keep the process.
        self._reader = threading.Thread(target=self._read, name="evalkit-reader", daemon=True)
        self._reader.start()

    def __iter__(self) -> Iterator[R]:
        """Return itself."""
        return self

    def __next__(self) -> R:
        """Return the next result, and wait for it if it must be."""
        start = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self._results or self._closed)
            future = None if self._closed else self._results[0]
            if future is not None:
                self._results.popleft()
        if future is None:
            raise StopIteration
        try:
            result = future.result()
        except BaseException:
            self.close()
            raise
        with self._changed:
            self._held -= self._size(result)
            self._changed.notify_all()
        self.waited += time.monotonic() - start
        return result

    def __enter__(self) -> Ahead[T, R]:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the threads."""
        self.close()

    def close(self) -> None:
        """Stop the threads; what they are busy with is finished, the rest is dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        if self._reader is not threading.current_thread():
            self._reader.join(PATIENCE)

    def _read(self) -> None:
        source = iter(self._source)
        try:
            for item in source:
                if not self._admitted():
                    break
                self._put(self._begin(item))
            self._put(None)
        except BaseException as error:  # noqa: BLE001 - raised again in the consumer's thread
            failed: Future[R] = Future()
            failed.set_exception(error)
            self._put(failed)
        finally:
            if close := getattr(source, "close", None):
                close()

    def _admitted(self) -> bool:
        """Wait until one more item may be begun; return whether it may."""
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._closed
                    or (
                        self._held < self._budget
                        and self._busy < max(1, self._workers)
                        and len(self._results) < MOST_AHEAD
                    )
                )
            )
            self._busy += not self._closed
            return not self._closed

    def _begin(self, item: T) -> Future[R]:
        future: Future[R]
        if self._pool is not None:
            future = self._pool.submit(self._work, item)
        else:
            future = Future()
            try:
                future.set_result(self._work(item))
            except BaseException as error:  # noqa: BLE001 - raised again in the consumer's thread
                future.set_exception(error)
        future.add_done_callback(self._finished)
        return future

    def _finished(self, future: Future[R]) -> None:
        with self._changed:
            self._busy -= 1
            if not future.cancelled() and future.exception() is None:
                self._held += self._size(future.result())
            self._changed.notify_all()

    def _put(self, future: Future[R] | None) -> None:
        with self._changed:
            self._results.append(future)
            self._changed.notify_all()


class Behind:
    """Makes calls one after another in a thread of its own, so that the model need not wait.

    Leaving it makes all calls that were asked for, also when the run is being stopped. The first
    error that a call raises is raised by the next ``call``, or on leaving.
    """

    def __init__(self) -> None:
        """Start the thread."""
        self._pool = ThreadPoolExecutor(1, "evalkit-behind")
        self._pending: deque[Future[None]] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> Behind:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for every call; raise what one raised, unless something else is being raised."""
        self._pool.shutdown()
        while self._pending and error is None:
            self._pending.popleft().result()

    def call(self, function: Callable[..., None], *given: Any) -> None:
        """Ask for a call, from any thread; wait only where too many are pending."""
        with self._lock:
            self._pending.append(self._pool.submit(function, *given))
            while self._pending and (self._pending[0].done() or len(self._pending) > MOST_BEHIND):
                self._pending.popleft().result()
