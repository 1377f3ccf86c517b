"""The import verb: other harnesses' files become a run that every verb accepts.

With rows, answers are matched with them and scored anew; the harness's own scores are kept beside.
Without rows, the harness's own scores of each answer are taken, and the summary says so.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.catalogue import cards
from evalkit.compose import compose
from evalkit.config import benches
from evalkit.data.rows import Rows
from evalkit.errors import DataError, RunError, UsageError, nearest
from evalkit.interop.answers import Answer, Log
from evalkit.interop.join import join, pool, share
from evalkit.interop.names import LMMS_EVAL, Known, find, known_as
from evalkit.interop.reading import read_logs
from evalkit.interop.unmatched import name_answers
from evalkit.interop.writing import Part, refuse_hopeless, write_run
from evalkit.store import Lock
from evalkit.task import Task
from evalkit.types import Response

DEFAULT_PROTOCOL, LMMS_EVAL_PROTOCOL = "model_card", "lmms_eval"
"""The protocol of the primary configs, and that of lmms-eval's own prompts, cut and scorer."""

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
    found, skipped = grouped([log for path in paths for log in read_logs(path, wish.task)], wish)
    if wish.rows not in (None, HUB) and len(found) > 1:
        names = ", ".join(found)
        raise UsageError(f"--rows fits one task and the files are of {names}: import one at a time")
    if wish.limit is not None and wish.limit < 1:
        raise UsageError(f"--limit {wish.limit}: write a number of rows from 1")
    if wish.rows is None and (wish.protocol or wish.scorer or wish.limit):
        raise UsageError("--protocol, --scorer and --limit score anew: add --rows ROWS")
    parts = [part_from(group, wish) for group in found.values()]
    for part in parts:
        refuse_hopeless(part)
    with Lock(out):
        summaries = write_run(out, parts, wish.limit)
    return Imported(
        folder=out,
        summaries=summaries,
        notes=[note for part in parts for note in part.notes],
        warnings=[*skipped, *(f"{part.task}: {text}" for part in parts for text in part.warnings)],
    )


def grouped(logs: list[Log], wish: Wish) -> tuple[dict[str, list[tuple[Log, Known]]], list[str]]:
    """Return logs by our task, and what is said of those that are left out.

    Of several, those of benchmarks that are not ours are left out, or those of other tasks than
    the one that was asked for.
    """
    found: dict[str, list[tuple[Log, Known]]] = {}
    skipped = []
    for log in logs:
        known = find(log.harness, log.name)
        other = known is None if wish.task is None else known is None or known.task != wish.task
        if other and len(logs) > 1:
            skipped.append(f"{log.name or log.path.name} of {log.harness} is left out")
            continue
        known = known_as(log.harness, log.name, wish.task)
        found.setdefault(known.task, []).append((log, known))
    if not found:
        raise DataError(f"no results of a benchmark that evalkit knows: {'; '.join(skipped)}")
    return found, skipped


def part_from(group: list[tuple[Log, Known]], wish: Wish) -> Part:
    """Return one task's share of a run: its answers by the ids of its rows, not yet scored."""
    splits = {known.split for _, known in group}
    if len(splits) > 1:
        raise UsageError(f"the files are of several splits of {group[0][1].task}: import one")
    config = config_for(group[0], wish)
    (bench,) = benches(config)
    pooled = [] if wish.rows is None else pool(bench.task, bench.rows)
    answers: dict[str, Answer] = {}
    notes, warnings = [], []
    for log, known in group:
        if wish.rows is None:
            named, how, remarks = name_answers(log)
        else:
            joined = join(log, share(pooled, known.part))
            named, how, remarks = joined.answers, joined.how, joined.warnings
        if twice := answers.keys() & named.keys():
            hint = "" if wish.rows else "; if each file counts its own questions, add --rows ROWS"
            name = min(twice)
            raise DataError(f"{log.path}: {name} is answered in another of the files too{hint}")
        answers |= named
        taken = f"{len(named)} answers" if log.answers else "totals only"
        notes.append(
            f"{known.task}: {taken} of {log.harness}, {log.path.name}{how and f', by {how}'}"
        )
        warnings += [*log.warnings, *remarks]
    return Part(
        bench=bench,
        config=config,
        logs=[log for log, _ in group],
        answers=answers,
        rows=len(pooled),
        notes=notes,
        warnings=warnings,
    )


def config_for(first: tuple[Log, Known], wish: Wish) -> dict[str, Any]:
    """Return the config under which a task's answers are scored, as ``evalkit score`` has it."""
    log, known = first
    own = log.summary or {}
    content = card_of(known.task)
    protocol = wish.protocol or known.protocol or own.get("protocol")
    if protocol is None and log.harness == LMMS_EVAL and LMMS_EVAL_PROTOCOL in content["protocols"]:
        protocol = LMMS_EVAL_PROTOCOL
    scorer = wish.scorer or (own.get("scorer") if wish.rows and wish.protocol is None else None)
    content |= {"protocol": str(protocol or DEFAULT_PROTOCOL), "scorer": scorer}
    if split := known.split or own.get("split"):
        content["rows"]["split"] = str(split)
    if wish.rows not in (None, HUB):
        content["rows"]["file"] = wish.rows
    return {"tasks": {known.task: content}, "data": "hub", "limit": wish.limit}


def card_of(task: str) -> dict[str, Any]:
    """Return a task's card, read without Hydra, which would take a fifth of a second.

    Raises:
        UsageError: there is no such task.
    """
    found = {card.name: card for card in cards("task")}
    if task not in found:
        raise UsageError(nearest("task", task, list(found)))
    content = {**found[task].load(), "protocol": None, "scorer": None}
    if "${" in str(content):  # ours interpolate protocol and scorer only; a pack's may do more
        content = compose("score", [f"task={task}"])["tasks"][task]
    return content


def read_foreign(path: Path, task: Task, rows: Rows) -> dict[str, Response]:
    """Return a foreign file's answers to one task, by the ids of its rows.

    What the reader must know of the file is said on standard error.

    Args:
        path: a file of another harness.
        task: the benchmark.
        rows: its rows, with which answers are matched.

    Raises:
        UsageError: the file is absent or a pickle.
        DataError: it is damaged, holds no answers of this task, or one of them matches no row.
    """
    found: dict[str, Response] = {}
    pooled = pool(task, rows)
    groups, _ = grouped(read_logs(path, task.name), Wish(task=task.name))
    for log, known in groups[task.name]:
        if log.answers:
            joined = join(log, share(pooled, known.part))
            found |= {key: a.response(key, log.harness) for key, a in joined.answers.items()}
            for text in (*log.warnings, *joined.warnings):
                print(f"warning: {task.name}: {text}", file=sys.stderr)
    if not found:
        raise DataError(f"{path} holds no answers to {task.name}")
    return found
