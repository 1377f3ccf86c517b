"""Which row each answer of another harness's file is about.

Other harnesses number rows, and only some keep the dataset's ids. A file is matched, by whichever
fits,

1. by an id that every answer carries (``questionId``, ``question_id``, ``id``, ``pid``),
2. by row number from 0: lm-evaluation-harness's ``doc_id``, VLMEvalKit's ``index``,
3. by row number from 1,
4. by question and reference answers together, where these are the row's own.

A match counts only if no answer's question is another than its row's; where numbers are no ids of
the dataset (DocVQA, TextVQA, …), every answer's question or reference answers must be its row's.
Of several that fit, the one under which most reference answers agree is taken. If none fits, the
first answer that does not is named, and nothing is joined.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from evalkit.data.rows import Rows
from evalkit.errors import DataError, one_line
from evalkit.interop.answers import Answer, Log, texts_from
from evalkit.samples import census, samples
from evalkit.task import Task
from evalkit.types import Sample

__all__ = ["Joined", "join", "pool", "share"]

NUMBERS = ("index",)
"""Columns that number rows, and are ids only where the dataset has no others."""

SPLIT = "is this the right split and task?"

IMAGE = re.compile(r"<image(?: \d+)?>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Answers with the rows they are about."""

    answers: dict[str, Answer]
    """Answers by the sample's id, in the file's order."""
    how: str
    """What they were matched by."""
    warnings: tuple[str, ...] = ()
    """What could not be verified, one line each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One way to match a file with rows."""

    how: str
    """What it goes by."""
    rows: list[Row | None]
    """Each answer's row; ``None`` where this way finds none."""
    sure: bool
    """Whether it goes by ids, so that what cannot be verified may stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A sample in the form in which it is compared."""

    sample: Sample
    """The sample."""
    question: str
    """Its question, folded."""
    golds: frozenset[str]
    """Its reference answers, folded."""

    @classmethod
    def of(cls, sample: Sample) -> Row:
        """Return a sample's row."""
        answers = sample.answers
        if any(answer.startswith("[") for answer in answers):
            # A gold answer that is a list's text is one in a file's cell, too.
            answers = tuple(text for answer in answers for text in texts_from(answer))
        return cls(sample=sample, question=fold(sample.question), golds=golds(answers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An answer in the form in which it is compared."""

    answer: Answer
    """The answer."""
    question: str
    """The question or prompt that it carries, folded."""
    golds: frozenset[str]
    """The reference answers that it carries, folded."""

    @classmethod
    def of(cls, answer: Answer) -> Held:
        """Return an answer as it is compared."""
        return cls(answer=answer, question=fold(answer.question), golds=golds(answer.golds))

    def asks(self, row: Row) -> bool | None:
        """Whether it carries a row's question; ``None`` where either has none."""
        return row.question in self.question if row.question and self.question else None

    def agrees(self, row: Row) -> bool | None:
        """Whether a reference answer is a row's; ``None`` where either has none."""
        return not self.golds.isdisjoint(row.golds) if row.golds and self.golds else None


def pool(task: Task, rows: Rows) -> list[tuple[str, Sample]]:
    """Return a task's samples in row order, each with its config of the dataset.

    Raises:
        DataError: two rows have the same id, or the rows are not as the task needs them.
    """
    found = samples(task, rows, None, with_media=False)
    pooled = [(str(row.get("config", "")), sample) for row, sample in found]
    if len({sample.id for _, sample in pooled}) < len(pooled):
        census(task, rows, None)  # says which two
    return pooled


def share(pooled: Sequence[tuple[str, Sample]], part: str) -> list[Sample]:
    """Return the samples of one config of the dataset, or all."""
    return [sample for config, sample in pooled if not part or config == part]


def join(log: Log, asked: Sequence[Sample]) -> Joined:
    """Match a log's answers with samples.

    Raises:
        DataError: no way fits; the message names the first answer that does not.
    """
    held = [Held.of(answer) for answer in log.answers]
    rows = [Row.of(sample) for sample in asked]
    best, most = None, -1
    faults: list[tuple[bool, DataError]] = []
    for match in [*by_name(held, rows), *by_number(held, rows)]:
        found = fault(log, match, held)
        if found is not None:
            faults.append(found)
        elif (agreeing := sum(h.agrees(row) is True for h, row in paired(held, match))) > most:
            best, most = match, agreeing
    if best is None:
        best = by_text(held, rows)
        found = fault(log, best, held)
        if found is not None:
            # What a question says tells more than that some number is not there.
            raise next((error for telling, error in faults if telling), (*faults, found)[0][1])
    answers = {row.sample.id: h.answer for h, row in paired(held, best)}
    return Joined(answers=answers, how=best.how, warnings=tuple(remarks(best, held)))


def paired(held: Sequence[Held], match: Match) -> Iterator[tuple[Held, Row]]:
    """Yield answers with their rows, those that have one."""
    return ((h, row) for h, row in zip(held, match.rows, strict=True) if row is not None)


def by_name(held: Sequence[Held], rows: Sequence[Row]) -> Iterator[Match]:
    """Yield matches by each name that answers carry, the dataset's own ids first."""
    by_id = {row.sample.id: row for row in rows}
    names = dict.fromkeys(name for h in held for name in h.answer.ids)
    for name in sorted(names, key=lambda name: name in NUMBERS):
        found = [by_id.get(h.answer.ids.get(name, "\0")) for h in held]
        yield Match(how=name, rows=found, sure=name not in NUMBERS)


def by_number(held: Sequence[Held], rows: Sequence[Row]) -> Iterator[Match]:
    """Yield matches by row number, from 0 and from 1."""
    if all(h.answer.number is None for h in held):
        return
    numbered = all(row.sample.id == str(number) for number, row in enumerate(rows))
    for first in (0, 1):
        places = [-1 if h.answer.number is None else h.answer.number - first for h in held]
        found = [rows[place] if 0 <= place < len(rows) else None for place in places]
        yield Match(how=f"row number from {first}", rows=found, sure=numbered and not first)


def by_text(held: Sequence[Held], rows: Sequence[Row]) -> Match:
    """Return the match by question and reference answers.

    Rows that share both are matched in order, if the file has all of them and everything else that
    a score depends on is alike too: whichever is whose then, the scores are the same.
    """
    places: dict[tuple[str, frozenset[str]], list[Row]] = defaultdict(list)
    for row in rows:
        places[row.question, row.golds].append(row)
    keys = [(h.question, h.golds) for h in held]
    counts = Counter(keys)
    waiting = {
        key: iter(found)
        for key, found in places.items()
        if len(found) == counts[key] and all(alike(found[0], other) for other in found[1:])
    }
    found = [next(waiting[key]) if key[0] and key in waiting else None for key in keys]
    return Match(how="question and answers", rows=found, sure=True)


def alike(one: Row, other: Row) -> bool:
    """Whether a reply to either is scored the same and counts in the same subsets."""
    names = ("answers", "options", "facts", "subsets")
    return all(getattr(one.sample, name) == getattr(other.sample, name) for name in names)


def fault(log: Log, match: Match, held: Sequence[Held]) -> tuple[bool, DataError] | None:
    """Return why a match does not fit, and whether it is a question that tells; else ``None``."""
    seen: dict[str, Answer] = {}
    for h, row in zip(held, match.rows, strict=True):
        if row is None:
            return False, log.refuse(h.answer, absent(h.answer, match.how))
        name = row.sample.id
        if name in seen:
            return False, log.refuse(h.answer, f"it answers row {name}, as {seen[name].at} does")
        seen[name] = h.answer
        asks = h.asks(row)
        if asks is False:
            text = (
                f"the file asks {shown(h.answer.question)} and the row {shown(row.sample.question)}"
            )
            would = f"by {match.how} it would answer row {name}, but {text}; {SPLIT}"
            return True, log.refuse(h.answer, would)
        if asks is None and not match.sure and h.agrees(row) is not True:
            would = (
                f"by {match.how} it would answer row {name}, and nothing in the file shows that it "
                "does: it has neither this row's question nor its answers"
            )
            return False, log.refuse(h.answer, would)
    return None


def absent(answer: Answer, how: str) -> str:
    """Return why an answer has no row."""
    if how in answer.ids:
        return f"no row has the id {one_line(answer.ids[how], 60)} ({how}); {SPLIT}"
    if how.startswith("row number") and answer.number is not None:
        return f"there is no row {answer.number} ({how}); {SPLIT}"
    return "nothing says which row it answers: neither an id, nor a row number, nor its question"


def remarks(match: Match, held: Sequence[Held]) -> Iterator[str]:
    """Yield what a reader must know of a match."""
    agreed = [h.agrees(row) for h, row in paired(held, match)]
    comparable = len(agreed) - agreed.count(None)
    if 0 < agreed.count(True) < comparable:
        yield (
            f"the reference answers of {agreed.count(False)} of {comparable} questions are others "
            "in the file than in the rows"
        )
    blind = [h for h, row in paired(held, match) if h.asks(row) is None and h.agrees(row) is None]
    if blind and (match.how.startswith("row number") or match.how in NUMBERS):
        yield (
            f"{len(blind)} answers are matched by row number alone: nothing in the file verifies it"
        )


def fold(text: str) -> str:
    """Return a question without picture marks, case and the exact white space."""
    return " ".join(IMAGE.sub(" ", text).casefold().split())


def shown(text: str) -> str:
    """Return a question as a message shows it."""
    return repr(one_line(text or "nothing", 80))


def golds(texts: Sequence[str]) -> frozenset[str]:
    """Return reference answers, numbers by value and texts without case and outer blanks."""
    return frozenset(gold(text) for text in texts)


@lru_cache(maxsize=1 << 16)
def gold(text: str) -> str:
    """Return a reference answer in a form that survives spreadsheets."""
    folded = text.strip().casefold()
    try:
        return repr(float(folded))
    except ValueError:
        return folded
