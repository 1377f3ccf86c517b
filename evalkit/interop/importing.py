"""The import verb: other harnesses' files become a run that every verb accepts.

With rows, answers are matched with them and scored anew; the harness's own scores are kept beside.
Without rows, the harness's own scores of each answer are taken as they are, and the summary says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalkit.catalogue import cards
from evalkit.compose import compose
from evalkit.config import Bench, benches
from evalkit.data.digest import digest_json
from evalkit.data.rows import Rows
from evalkit.errors import DataError, RunError, UsageError
from evalkit.interop.answers import Answer, Log
from evalkit.interop.join import join, pool
from evalkit.interop.names import LMMS_EVAL, Known, known_as
from evalkit.interop.reading import PLAIN, read_logs
from evalkit.interop.unmatched import name_answers
from evalkit.interop.writing import Part, write_run
from evalkit.store import Lock
from evalkit.task import Task
from evalkit.types import Response

__all__ = ["HUB", "Imported", "Wish", "import_files", "read_foreign"]

HUB = "hub"
"""What ``--rows`` says for the Hub dataset that the task's card names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How files are to be taken."""

    task: str | None = None
    """The benchmark, where files do not say it."""
    rows: str | None = None
    """A file or folder of rows, ``builtin`` or ``hub``; ``None`` keeps the harness's scores."""
    protocol: str | None = None
    """The protocol whose cut and scorer apply; ``None`` takes the harness's own."""
    scorer: str | None = None
    """The scorer; ``None`` takes the protocol's."""
    limit: int | None = None
    """Only so many rows are scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """An imported run."""

    folder: Path
    """Where it is."""
    summaries: list[dict[str, Any]]
    """One a task."""
    notes: list[str]
    """What was taken from where, a line each."""
    warnings: list[str]
    """What the reader must know, a line each."""


def import_files(paths: Sequence[Path], out: Path, wish: Wish) -> Imported:
    """Write the run that files of other harnesses make.

    Args:
        paths: the files.
        out: the run's folder, which must not hold a run yet.
        wish: how they are to be taken.

    Raises:
        UsageError: a file is absent or a pickle, or its benchmark is not known.
        DataError: a file is damaged, or an answer matches no row.
        RunError: the folder holds a run.
    """
    if (out / "manifest.json").exists():
        raise RunError(f"{out} holds a run already: choose another --out")
    logs = [log for path in paths for log in read_logs(path, wish.task)]
    if not logs:
        raise DataError(f"{paths[0]} holds no results of any benchmark")
    found: dict[str, list[tuple[Log, Known]]] = {}
    for log in logs:
        known = known_as(log.harness, log.name, wish.task)
        found.setdefault(known.task, []).append((log, known))
    if wish.rows not in (None, HUB) and len(found) > 1:
        names = ", ".join(found)
        raise UsageError(f"--rows fits one task and the files are of {names}: import one at a time")
    parts = [part_from(group, wish) for group in found.values()]
    with Lock(out):
        summaries = write_run(out, parts, wish.limit)
    return Imported(
        folder=out,
        summaries=summaries,
        notes=[note for part in parts for note in part.notes],
        warnings=[f"{part.task}: {text}" for part in parts for text in part.warnings],
    )


def part_from(group: list[tuple[Log, Known]], wish: Wish) -> Part:
    """Return one task's share of a run: its answers by the ids of its rows, not yet scored."""
    splits = {known.split for _, known in group}
    if len(splits) > 1:
        raise UsageError(f"the files are of several splits of {group[0][1].task}: import one")
    config = config_for(group[0], wish)
    (bench,) = benches(config)
    answers: dict[str, Answer] = {}
    notes, warnings = [], []
    for log, known in group:
        if wish.rows is None:
            named, how, remarks = name_answers(log)
        else:
            joined = join(log, pool(bench.task, bench.rows, known.part))
            named, how, remarks = joined.answers, joined.how, joined.warnings
        if twice := answers.keys() & named.keys():
            raise DataError(f"{log.path}: {min(twice)} is answered in another of the files too")
        answers |= named
        taken = f"{len(named)} answers" if log.answers else "totals only"
        notes.append(f"{known.task}: {taken} of {log.harness}, {log.path.name}{how and f', by {how}'}")
        warnings += [*log.warnings, *remarks]
    return Part(
        bench=bench,
        config=config,
        logs=[log for log, _ in group],
        answers=answers,
        rows=wish.rows is not None,
        notes=notes,
        warnings=warnings,
    )


def config_for(first: tuple[Log, Known], wish: Wish) -> dict[str, Any]:
    """Return the composed config under which a task's answers are scored."""
    log, known = first
    own = log.summary or {}
    protocol = wish.protocol or known.protocol or own.get("protocol")
    if protocol is None and log.harness == LMMS_EVAL:
        card = next((card for card in cards("task") if card.name == known.task), None)
        protocol = LMMS_EVAL_PROTOCOL if card and LMMS_EVAL_PROTOCOL in card.text else None
    scorer = wish.scorer or (own.get("scorer") if wish.protocol is None else None)
    split = known.split or own.get("split")
    overrides = [f"task={known.task}"]
    overrides += [f"protocol={quoted(protocol)}"] if protocol else []
    overrides += [f"scorer={quoted(scorer)}"] if scorer else []
    overrides += [f"tasks.{known.task}.rows.split={quoted(split)}"] if split else []
    overrides += [f"rows={quoted(wish.rows)}"] if wish.rows not in (None, HUB) else []
    overrides += [] if wish.limit is None else [f"limit={wish.limit}"]
    return compose("score", overrides)


LMMS_EVAL_PROTOCOL = "lmms_eval"
"""The protocol of lmms-eval's own prompts, cut and scorer."""


def quoted(value: Any) -> str:
    """Return a value as a Hydra override takes it whatever it holds."""
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


def read_foreign(path: Path, task: Task, rows: Rows) -> dict[str, Response]:
    """Return a foreign file's answers to one task, by the ids of its rows.

    Args:
        path: a file of another harness.
        task: the benchmark.
        rows: its rows, with which answers are matched.

    Raises:
        UsageError: the file is absent or a pickle.
        DataError: it is damaged, holds no answers of this task, or one of them matches no row.
    """
    found: dict[str, Response] = {}
    logs = read_logs(path, task.name)
    if len(logs) > 1:
        logs = [log for log in logs if known_as(log.harness, log.name).task == task.name]
    for log in logs:
        known = known_as(log.harness, log.name, task.name)
        joined = join(log, pool(task, rows, known.part)) if log.answers else None
        found |= responses(log, joined.answers if joined else {})
    if not found:
        raise DataError(f"{path} holds no answers to {task.name}")
    return found


def responses(log: Log, answers: dict[str, Answer]) -> dict[str, Response]:
    """Return a log's answers as responses by id."""
    return {key: answer.response(key, log.harness) for key, answer in answers.items()}
