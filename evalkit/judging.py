"""Asking a judge about replies: each prompt once, answers kept in the run by content."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from evalkit.data.digest import digest_json
from evalkit.data.rows import Rows
from evalkit.errors import JudgeError, UsageError
from evalkit.files import append_line, cannot_write, lines_of
from evalkit.judges.base import Judge
from evalkit.samples import samples
from evalkit.task import Task
from evalkit.types import Attempt, Consultation, Response, Sample

__all__ = ["Find", "Verdicts", "opened", "preflight", "require", "settle"]

Find = Callable[[Sample, int], Response | None]
"""Gives the response to a sample, by its place in the rows."""

GREETING = Attempt(prompt="Reply with the single digit 1.", temperature=0.0, max_tokens=3)
"""The shortest question that shows whether a judge answers."""


@dataclass(slots=True)
class Verdicts:
    """A judge's stored answers, by what was asked of whom."""

    path: Path
    """The file: one line an answer, appended as it comes."""
    answers: dict[str, str] = field(default_factory=dict)
    """Answers by key."""
    lock: Any = field(default_factory=threading.Lock)
    """Held while a line is written."""
    file: IO[bytes] | None = None
    """The open file."""

    @classmethod
    def open(cls, path: Path) -> Verdicts:
        """Read what is there and open the file to append; a torn last line is dropped."""
        found, end = cls(path), 0
        for offset, line in lines_of(path):
            entry = json.loads(line)
            found.answers[entry["key"]] = entry["answer"]
            end = offset + len(line)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            found.file = path.open("ab", buffering=0)
            found.file.truncate(end)
        except OSError as error:
            raise cannot_write(path, error) from error
        return found

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()

    def ask(self, judge: Judge, consultation: Consultation) -> str | None:
        """Return the first usable answer of the tries, or ``None`` when no try gave one."""
        for number, attempt in enumerate(consultation.attempts):
            asked = {"judge": dict(judge.identity), "attempt": asdict(attempt), "try": number}
            key = digest_json(asked)
            answer = self.answers.get(key)
            if answer is None and (answer := judge.ask(attempt)) is not None:
                self.keep(key, judge.name, answer)
            if answer is not None and consultation.usable(answer):
                return answer
        return None

    def keep(self, key: str, judge: str, answer: str) -> None:
        """Write one answer."""
        with self.lock:
            assert self.file is not None, "opened by Verdicts.open"
            append_line(self.file, self.path, {"key": key, "judge": judge, "answer": answer})
            self.answers[key] = answer


def require(task: Task, judge: Judge | None) -> None:
    """Refuse a task that has no score without a judge.

    Raises:
        UsageError: there is no judge.
    """
    if judge is None and task.scored and task.needs_judge:
        raise UsageError(
            f"{task.name} is graded by a judge: add judge=openai judge.model=NAME with the key in "
            f"OPENAI_API_KEY, or leave it out: '~tasks.{task.name}'"
        )


@contextmanager
def opened(judge: Judge | None) -> Iterator[Judge | None]:
    """Open a judge, where there is one, and see that it answers.

    Raises:
        JudgeError: it does not.
    """
    if judge is None:
        yield None
        return
    with judge:
        preflight(judge)
        yield judge


def preflight(judge: Judge) -> None:
    """Ask the judge something small, so that hours of answers do not end at a wrong key.

    Raises:
        JudgeError: it does not answer.
    """
    if not judge.ask(GREETING):
        raise JudgeError(
            f"the judge {judge.name} does not answer: try it by hand before a long run"
        )


def settle(
    task: Task, rows: Rows, limit: int | None, find: Find, judge: Judge | None, file: Path
) -> tuple[Find, str | None]:
    """Ask the judge, where there is one, about every reply that needs it.

    Args:
        task: the benchmark, which says what must be asked.
        rows: its rows.
        limit: only so many rows, or ``None``.
        find: gives the responses.
        judge: an open judge.
        file: where its answers are kept.

    Returns:
        A function that gives responses with the judge's answers in them, and the name of the judge
        if it had a say in any.
    """
    if judge is None:
        return find, None
    verdicts = Verdicts.open(file)
    try:
        settled = ask_all(consultations(task, rows, limit, find), judge, verdicts)
    finally:
        verdicts.close()

    def judged(sample: Sample, number: int) -> Response | None:
        response = find(sample, number)
        if response is None or sample.id not in settled:
            return response
        field_name, answer = settled[sample.id]
        if answer is None:
            return replace(response, judge_failed=True)
        if field_name == "judge":
            return replace(response, judge=answer)
        return replace(response, extraction=answer)

    return judged, judge.name if settled else None


def ask_all(
    pending: Iterable[tuple[Sample, Consultation]], judge: Judge, verdicts: Verdicts
) -> dict[str, tuple[str, str | None]]:
    """Ask everything, several at once; return by sample id the field and the answer."""
    settled: dict[str, tuple[str, str | None]] = {}

    def ask(name: str, consultation: Consultation) -> None:
        settled[name] = (consultation.field, verdicts.ask(judge, consultation))

    with ThreadPoolExecutor(judge.concurrency) as pool:
        waiting: deque[Future[None]] = deque()
        try:
            for sample, consultation in pending:
                waiting.append(pool.submit(ask, sample.id, consultation))
                if len(waiting) >= 4 * judge.concurrency:
                    waiting.popleft().result()
            while waiting:
                waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
    return settled


def consultations(
    task: Task, rows: Rows, limit: int | None, find: Find
) -> Iterator[tuple[Sample, Consultation]]:
    """Yield what must be asked: nothing for a failed request or one that already has a verdict."""
    for number, (_, sample) in enumerate(samples(task, rows, limit, with_media=False)):
        response = find(sample, number)
        if response is None or response.text is None:
            continue
        consultation = task.consult(sample, task.reply(response.text))
        if consultation is not None and getattr(response, consultation.field) is None:
            yield sample, consultation
