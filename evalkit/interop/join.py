"""Which row each answer of another harness's file is about.

Other harnesses number rows, and only some keep the dataset's ids. A file is matched, whichever fits,

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

from evalkit.data.rows import Rows
from evalkit.errors import DataError, one_line
from evalkit.interop.answers import Answer, Log
from evalkit.samples import samples
from evalkit.task import Task
from evalkit.types import Sample

__all__ = ["Joined", "join", "pool"]

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
    samples: list[Sample | None]
    """Each answer's sample; ``None`` where this way finds none."""
    sure: bool
    """Whether it goes by ids, so that what cannot be verified may stand."""


def pool(task: Task, rows: Rows, part: str = "") -> list[Sample]:
    """Return a task's samples in row order, or those of one config of the dataset."""
    found = samples(task, rows, None, with_media=False)
    return [sample for row, sample in found if not part or row.get("config") == part]


def join(log: Log, rows: Sequence[Sample]) -> Joined:
    """Match a log's answers with samples.

    Raises:
        DataError: no way fits; the message names the first answer that does not.
    """
    folded = [fold(answer.question) for answer in log.answers]
    asked = {sample.id: fold(sample.question) for sample in rows}
    best, most = None, -1
    faults: list[tuple[bool, DataError]] = []
    for match in matches(log, rows, folded, asked):
        found = fault(log, match, folded, asked)
        if found is not None:
            faults.append(found)
            continue
        agreeing = sum(
            golds_agree(answer, sample) is True
            for answer, sample in zip(log.answers, match.samples, strict=True)
        )
        if agreeing > most:
            best, most = match, agreeing
    if best is None:
        # What a question says tells more than that some number is not there.
        raise next((error for telling, error in faults if telling), faults[0][1])
    pairs = {s.id: a for a, s in zip(log.answers, best.samples, strict=True) if s is not None}
    warnings = tuple(remarks(log, best, most, folded, asked))
    return Joined(answers=pairs, how=best.how, warnings=warnings)


def matches(
    log: Log, rows: Sequence[Sample], folded: list[str], asked: dict[str, str]
) -> Iterator[Match]:
    """Yield the ways in which every answer has a row, surest first."""
    by_id = {sample.id: sample for sample in rows}
    names = dict.fromkeys(name for answer in log.answers for name in answer.ids)
    for name in sorted(names, key=lambda name: name in NUMBERS):
        found = [by_id.get(answer.ids.get(name, "\0")) for answer in log.answers]
        yield Match(how=name, samples=found, sure=name not in NUMBERS)
    numbered = all(sample.id == str(n) for n, sample in enumerate(rows))
    if any(answer.number is not None for answer in log.answers):
        for first in (0, 1):
            places = [-1 if a.number is None else a.number - first for a in log.answers]
            found = [rows[place] if 0 <= place < len(rows) else None for place in places]
            how = f"row number from {first}"
            yield Match(how=how, samples=found, sure=numbered and not first)
    yield Match(how="question and answers", samples=by_text(log, rows, folded, asked), sure=True)


def by_text(
    log: Log, rows: Sequence[Sample], folded: list[str], asked: dict[str, str]
) -> list[Sample | None]:
    """Return each answer's sample by its question and reference answers.

    Rows that share both are matched in order, if the file has all of them and everything else that
    a score depends on is alike too: whichever is whose then, the scores are the same.
    """
    places: dict[tuple[str, frozenset[str]], list[Sample]] = defaultdict(list)
    for sample in rows:
        places[asked[sample.id], golds(sample.answers)].append(sample)
    keys = [(text, golds(a.golds)) for a, text in zip(log.answers, folded, strict=True)]
    counts = Counter(keys)
    waiting = {
        key: iter(found)
        for key, found in places.items()
        if len(found) == counts[key] and all(alike(found[0], other) for other in found[1:])
    }
    return [next(waiting[key]) if key[0] and key in waiting else None for key in keys]


def alike(one: Sample, other: Sample) -> bool:
    """Whether a reply to either is scored the same and counts in the same subsets."""
    names = ("answers", "options", "facts", "subsets")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def fault(
    log: Log, match: Match, folded: list[str], asked: dict[str, str]
) -> tuple[bool, DataError] | None:
    """Return why a match does not fit, and whether it is a question that tells; else ``None``."""
    seen: dict[str, Answer] = {}
    for answer, sample, question in zip(log.answers, match.samples, folded, strict=True):
        if sample is None:
            return False, log.refuse(answer, absent(answer, match.how))
        if sample.id in seen:
            text = f"it answers row {sample.id}, as {seen[sample.id].at} does"
            return False, log.refuse(answer, text)
        seen[sample.id] = answer
        same = questions_agree(question, asked[sample.id])
        if same is False:
            return True, log.refuse(
                answer,
                f"by {match.how} it would answer row {sample.id}, but the file asks "
                f"{shown(answer.question)} and the row {shown(sample.question)}; {SPLIT}",
            )
        if same is None and not match.sure and golds_agree(answer, sample) is not True:
            return False, log.refuse(
                answer,
                f"by {match.how} it would answer row {sample.id}, and nothing in the file shows that"
                " it does: it has neither this row's question nor its answers",
            )
    return None


def absent(answer: Answer, how: str) -> str:
    """Return why an answer has no row."""
    if how in answer.ids:
        return f"no row has the id {one_line(answer.ids[how], 60)} ({how}); {SPLIT}"
    if how.startswith("row number") and answer.number is not None:
        return f"there is no row {answer.number} ({how}); {SPLIT}"
    return "nothing says which row it answers: neither an id, nor a row number, nor its question"


def remarks(
    log: Log, match: Match, agreeing: int, folded: list[str], asked: dict[str, str]
) -> Iterator[str]:
    """Yield what a reader must know of a match."""
    pairs = [(a, s) for a, s in zip(log.answers, match.samples, strict=True) if s is not None]
    comparable = sum(golds_agree(answer, sample) is not None for answer, sample in pairs)
    if 0 < agreeing < comparable:
        yield (
            f"the reference answers of {comparable - agreeing} of {comparable} questions are others"
            " in the file than in the rows"
        )
    by_number = match.how.startswith("row number") or match.how in NUMBERS
    blind = sum(
        questions_agree(question, asked[sample.id]) is None and golds_agree(answer, sample) is None
        for (answer, sample), question in zip(pairs, folded, strict=True)
    )
    if by_number and blind:
        yield f"{blind} answers are matched by row number alone: nothing in the file verifies it"


def fold(text: str) -> str:
    """Return a question without picture marks, case and the exact white space."""
    return " ".join(IMAGE.sub(" ", text).casefold().split())


def shown(text: str) -> str:
    """Return a question as a message shows it."""
    return repr(one_line(text or "nothing", 80))


def questions_agree(held: str, asked: str) -> bool | None:
    """Whether a file's question or prompt holds a row's; ``None`` where either has none."""
    return asked in held if held and asked else None


def golds_agree(answer: Answer, sample: Sample) -> bool | None:
    """Whether reference answers have one in common; ``None`` where either has none."""
    if not answer.golds or not sample.answers:
        return None
    return bool(golds(answer.golds) & golds(sample.answers))


def golds(texts: Sequence[str]) -> frozenset[str]:
    """Return reference answers, numbers by value and texts without case and outer blanks."""
    return frozenset(gold(text) for text in texts)


def gold(text: str) -> str:
    """Return a reference answer in a form that survives spreadsheets."""
    folded = text.strip().casefold()
    try:
        return repr(float(folded))
    except ValueError:
        return folded
