"""Answers without rows: under the names that their file has, with their harness's own scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

from evalkit.errors import DataError
from evalkit.interop.answers import Answer, Log, listed, score_from
from evalkit.interop.join import NUMBERS
from evalkit.types import Record, Status

__all__ = ["main_score", "name_answers", "records_from"]


def name_answers(log: Log) -> tuple[dict[str, Answer], str, tuple[str, ...]]:
    """Return answers by the names that the file has for them, what these are, and a warning.

    Raises:
        DataError: two answers have the same name, or a record of evalkit's own is none.
    """
    names = dict.fromkeys(name for answer in log.answers for name in answer.ids)
    common = [name for name in names if all(name in answer.ids for answer in log.answers)]
    sure = [name for name in common if name not in NUMBERS]
    if all(answer.record for answer in log.answers):
        ids, how = [str((a.record or {}).get("id")) for a in log.answers], "id"
    elif sure:
        ids, how = [answer.ids[sure[0]] for answer in log.answers], sure[0]
    elif all(answer.number is not None for answer in log.answers):
        ids, how = [str(answer.number) for answer in log.answers], "the file's own numbers"
    else:
        ids, how = [str(place) for place in range(len(log.answers))], "their order in the file"
    named: dict[str, Answer] = {}
    for name, answer in zip(ids, log.answers, strict=True):
        if name in named:
            raise log.refuse(answer, f"it answers {name}, as {named[name].at} does")
        named[name] = answer
        if answer.record is not None:
            try:
                own_record(name, answer.record)
            except DataError as error:
                raise log.refuse(answer, str(error)) from None
    text = "questions keep the file's numbers: give --rows to compare them with other runs"
    return named, how if named else "", () if how == "id" or sure or not named else (text,)


def records_from(answers: Mapping[str, Answer], metric: str) -> list[Record]:
    """Return the records of answers without rows: evalkit's own, or of the harness's scores.

    Args:
        answers: the answers by id.
        metric: which of the harness's scores counts.
    """
    return [record_from(key, answer, metric) for key, answer in answers.items()]


def record_from(key: str, answer: Answer, metric: str) -> Record:
    """Return one answer's record."""
    if answer.record is not None:
        return own_record(key, answer.record)
    score = answer.scores.get(metric)
    failed = answer.text is None and score is None
    return Record(
        id=key,
        score=score,
        status="failed" if failed else "unparsed" if score is None else "ok",
        parsed=answer.extraction,
        truncated=answer.finish_reason == "length",
    )


def own_record(key: str, held: Mapping[str, Any]) -> Record:
    """Return the record that evalkit wrote.

    Raises:
        DataError: a field is not of the kind that it must be.
    """
    score, status, parsed = (held.get(name) for name in ("score", "status", "parsed"))
    known = score is None or (score_from(score) is not None and 0 <= score <= 1)
    if not known or status not in get_args(Status) or not isinstance(parsed, str | None):
        raise DataError(f"its record is not evalkit's: score {score!r}, status {status!r}")
    return Record(
        id=key,
        score=score_from(score),
        status=cast("Status", status),
        parsed=parsed,
        subsets=tuple(map(str, listed(held.get("subsets")))),
        cluster=str(held.get("cluster") or ""),
        truncated=bool(held.get("truncated")),
    )


def main_score(answers: Sequence[Answer]) -> str | None:
    """Return which of the harness's scores counts: the first that most answers have from 0 to 1."""
    names = dict.fromkeys(name for answer in answers for name in answer.scores)
    held = {name: [a.scores[name] for a in answers if name in a.scores] for name in names}
    fit = {name: len(v) for name, v in held.items() if all(0 <= score <= 1 for score in v)}
    return max(fit, key=lambda name: fit[name]) if fit else None
