"""Threads ahead of the model and behind it: in order, bounded, and gone afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from evalkit.ahead import Ahead, Behind


def sized(item: bytes) -> int:
    return len(item)


def ours() -> set[str]:
    return {t.name for t in threading.enumerate() if t.name.startswith("evalkit")}


def test_results_come_in_the_order_of_the_source() -> None:
    def work(number: int) -> bytes:
        time.sleep(0.02 if number % 3 == 0 else 0)
        return bytes([number])

    with Ahead(range(30), work, size=sized, budget=1000, workers=4) as ready:
        assert list(ready) == [bytes([number]) for number in range(30)]
        assert list(ready) == []
    assert not ours()


def test_no_more_is_begun_than_the_budget_allows() -> None:
    begun: list[int] = []
    open_gate = threading.Event()

    def work(number: int) -> bytes:
        begun.append(number)
        return bytes(100)

    with Ahead(range(50), work, size=sized, budget=250, workers=2) as ready:
        while len(begun) < 3:
            time.sleep(0.005)
        time.sleep(0.1)
        assert 3 <= len(begun) <= 4
        next(ready)
        time.sleep(0.1)
        assert 4 <= len(begun) <= 5
        open_gate.set()
        assert len(list(ready)) == 49


def test_small_results_are_bounded_in_number() -> None:
    begun: list[int] = []
    with Ahead(range(500), begun.append, size=lambda _: 0, budget=1, workers=0) as ready:
        while len(begun) < 64:
            time.sleep(0.005)
        time.sleep(0.1)
        assert len(begun) <= 66
        assert len(list(ready)) == 500


def test_threads_work_at_the_same_time() -> None:
    both = threading.Barrier(3, timeout=5)

    def work(number: int) -> bytes:
        both.wait()
        return bytes([number])

    with Ahead(range(3), work, size=sized, budget=1000, workers=3) as ready:
        assert len(list(ready)) == 3


def test_each_thread_is_prepared_once() -> None:
    made: list[str] = []
    with Ahead(
        range(20),
        lambda n: bytes([n]),
        size=sized,
        budget=100,
        workers=2,
        initialise=lambda: made.append(threading.current_thread().name),
    ) as ready:
        list(ready)
    assert 1 <= len(made) == len(set(made)) <= 2


@pytest.mark.parametrize("workers", [0, 2])
def test_what_work_raises_comes_in_its_place(workers: int) -> None:
    def work(number: int) -> bytes:
        if number == 2:
            raise ValueError("the third")
        return bytes([number])

    with Ahead(range(9), work, size=sized, budget=100, workers=workers) as ready:
        assert [next(ready), next(ready)] == [b"\0", b"\1"]
        with pytest.raises(ValueError, match="the third"):
            next(ready)
        assert list(ready) == []
    assert not ours()


def test_what_the_source_raises_comes_after_its_items() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise KeyError("row 3")

    with Ahead(source(), lambda n: bytes([n]), size=sized, budget=100, workers=1) as ready:
        assert [next(ready), next(ready)] == [b"\1", b"\2"]
        with pytest.raises(KeyError, match="row 3"):
            next(ready)


def test_leaving_early_stops_the_threads_and_closes_the_source() -> None:
    closed: list[bool] = []

    def source() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    with Ahead(source(), lambda n: bytes(50), size=sized, budget=200, workers=2) as ready:
        next(ready)
    assert closed == [True]
    assert not ours()


def test_the_time_that_the_consumer_waits_is_counted() -> None:
    def work(number: int) -> bytes:
        time.sleep(0.1)
        return b"1"

    with Ahead(range(3), work, size=sized, budget=100, workers=1) as ready:
        list(ready)
        assert 0.25 < ready.waited < 2
    with Ahead(range(3), work, size=sized, budget=100, workers=3) as ready:
        time.sleep(0.5)
        list(ready)
        assert ready.waited < 0.1


def test_calls_are_made_in_order_in_one_other_thread() -> None:
    made: list[tuple[int, str]] = []
    with Behind() as behind:
        for number in range(50):
            behind.call(lambda n: made.append((n, threading.current_thread().name)), number)
    assert [number for number, _ in made] == list(range(50))
    assert len({name for _, name in made}) == 1
    assert made[0][1] != threading.current_thread().name


def test_an_error_of_a_call_stops_what_comes_after() -> None:
    tried: list[int] = []

    def fail(number: int) -> None:
        tried.append(number)
        raise OSError(f"disk full at {number}")

    def run(count: int) -> None:
        with Behind() as behind:
            for number in range(count):
                behind.call(fail, number)
                time.sleep(0.001)

    for count in (1000, 1):
        with pytest.raises(OSError, match="disk full at 0"):
            run(count)
    assert len(tried) < 500


def test_calls_are_made_even_when_the_run_is_broken_off() -> None:
    made: list[int] = []

    def slowly(number: int) -> None:
        time.sleep(0.01)
        made.append(number)

    def run() -> None:
        with Behind() as behind:
            for number in range(10):
                behind.call(slowly, number)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert made == list(range(10))
