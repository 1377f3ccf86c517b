"""One backend: everything asked once, read ahead, kept behind, and failures told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest

from evalkit.backends.replay import ReplayBackend
from evalkit.engines.local import LocalEngine
from evalkit.engines.plan import Ask
from evalkit.errors import BackendError, RunError
from evalkit.types import Pixels, Record, Request, Response, Sample

PIXELS = Pixels(min_pixels=3136, max_pixels=1003520)


def ask(number: int) -> Ask:
    return Ask(
        sample=Sample(id=str(number), question="?"),
        request=Request(id=str(number), parts=("?",), pixels=PIXELS, max_new_tokens=8),
        key=f"key {number}",
        digests={"row": f"row {number}", "media": f"{number // 3}"},
    )


def mark(item: Ask, response: Response) -> Record:
    return Record(id=item.sample.id, score=float(len(response.text or "")), status="ok")


class Scripted(ReplayBackend):
    """Answers by a function of the groups."""

    __slots__ = ("script",)

    def generate(self, groups: Iterable[Sequence[Request]]) -> Iterator[Response]:
        script: Callable[..., Iterator[Response]] = self.script  # type: ignore[attr-defined]
        return script(groups)


def scripted(script: Callable[..., Iterator[Response]]) -> Scripted:
    backend = Scripted(answers={})
    object.__setattr__(backend, "script", script)
    return backend


def answer(request: Request) -> Response:
    return Response(id=request.id, text="x" * int(request.id), digests={"prompt": "p"})


def plainly(groups: Iterable[Sequence[Request]]) -> Iterator[Response]:
    for group in groups:
        yield from map(answer, group)


def evaluate(backend: Any, asked: Iterable[Ask]) -> tuple[list[tuple[Response, Record]], float]:
    kept: list[tuple[Response, Record]] = []
    waited = LocalEngine().evaluate(asked, backend, mark, lambda *given: kept.append(given))
    return kept, waited


def test_every_answer_is_kept_once_with_its_key_and_its_score() -> None:
    kept, waited = evaluate(scripted(plainly), map(ask, range(100)))
    assert [response.id for response, _ in kept] == [str(n) for n in range(100)]
    response, record = kept[7]
    assert response.key == "key 7"
    assert response.digests == {"row": "row 7", "media": "2", "prompt": "p"}
    assert (record.id, record.score) == ("7", 7.0)
    assert 0 <= waited < 5


def test_a_backend_may_answer_in_any_order() -> None:
    def backwards(groups: Iterable[Sequence[Request]]) -> Iterator[Response]:
        requests = [request for group in groups for request in group]
        yield from map(answer, reversed(requests))

    kept, _ = evaluate(scripted(backwards), map(ask, range(40)))
    assert {(response.id, response.key) for response, _ in kept} == {
        (str(n), f"key {n}") for n in range(40)
    }


def test_requests_left_unanswered_are_an_error_that_names_one() -> None:
    def lazy(groups: Iterable[Sequence[Request]]) -> Iterator[Response]:
        for group in groups:
            yield from map(answer, group[1:])

    with pytest.raises(BackendError, match="left 4 requests unanswered, 0 among them"):
        evaluate(scripted(lazy), map(ask, range(12)))


def test_what_was_answered_before_the_backend_died_is_kept() -> None:
    def dies(groups: Iterable[Sequence[Request]]) -> Iterator[Response]:
        for group in groups:
            yield from map(answer, group)
            if group[0].id == "6":
                raise BackendError("it is dead")

    kept: list[str] = []
    with pytest.raises(BackendError, match="it is dead"):
        LocalEngine().evaluate(
            map(ask, range(100)), scripted(dies), mark, lambda response, _: kept.append(response.id)
        )
    assert kept == [str(n) for n in range(9)]
    assert not [t for t in threading.enumerate() if t.name.startswith("evalkit")]


def test_an_answer_that_cannot_be_written_ends_the_run() -> None:
    asked: list[str] = []

    def slowly(groups: Iterable[Sequence[Request]]) -> Iterator[Response]:
        for group in groups:
            for request in group:
                asked.append(request.id)
                time.sleep(0.002)
                yield answer(request)

    def full(response: Response, record: Record) -> None:
        raise RunError("no space left")

    with pytest.raises(RunError, match="no space left"):
        LocalEngine().evaluate(map(ask, range(300)), scripted(slowly), mark, full)
    assert len(asked) < 100


def test_a_row_that_does_not_fit_is_raised_where_the_run_is() -> None:
    def rows() -> Iterator[Ask]:
        yield from map(ask, range(30))
        raise RunError("row 30 does not fit")

    with pytest.raises(RunError, match="row 30"):
        evaluate(scripted(plainly), rows())


def test_rows_are_read_while_the_model_works_and_scored_behind_it() -> None:
    threads: dict[str, set[str]] = {"read": set(), "score": set(), "model": set()}
    ahead: list[int] = []
    read = 0

    def rows() -> Iterator[Ask]:
        nonlocal read
        for number in range(120):
            threads["read"].add(threading.current_thread().name)
            read += 1
            yield ask(number)

    def model(groups: Iterable[Sequence[Request]]) -> Iterator[Response]:
        for group in groups:
            threads["model"].add(threading.current_thread().name)
            time.sleep(0.02)
            ahead.append(read - int(group[0].id))
            yield from map(answer, group)

    def score(item: Ask, response: Response) -> Record:
        threads["score"].add(threading.current_thread().name)
        return mark(item, response)

    LocalEngine().evaluate(rows(), scripted(model), score, lambda *_: None)
    assert threads["model"] == {threading.current_thread().name}
    assert threads["read"] == {"evalkit-reader"}
    assert threads["score"] == {"evalkit-behind_0"}
    assert max(ahead) > 40


def test_slow_rows_are_time_that_the_model_waited() -> None:
    def rows() -> Iterator[Ask]:
        for number in range(20):
            time.sleep(0.02)
            yield ask(number)

    _, waited = evaluate(scripted(plainly), rows())
    assert 0.3 < waited < 5
