"""Writing an imported run: responses, scores, the harness's own scores, and where it came from."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evalkit.cells import cell_from
from evalkit.config import Bench
from evalkit.errors import DataError, UsageError
from evalkit.files import dump_json, write_atomically
from evalkit.interop.answers import Answer, Log
from evalkit.interop.documents import json_text, yaml_text
from evalkit.interop.unmatched import main_score, records_from
from evalkit.manifest import now
from evalkit.metrics.summary import percent_means, point_sums
from evalkit.score import Job, make
from evalkit.scoring import summarise
from evalkit.store import RESPONSES, response_line, write_results
from evalkit.types import Record
from evalkit.versions import versions

__all__ = ["ORIGINAL", "Part", "refuse_hopeless", "write_run"]

ORIGINAL = "original_scores.jsonl"
"""Beside ``scores.jsonl``: what the harness itself made of each answer, by its own names."""

NAMES = ("task", "primary", "protocol", "scorer", "split", "scale")
"""What a summary must say in words."""

CLOSE = 1e-6
"""How far two scores of one answer may be apart and count as the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One task's share of an imported run."""

    bench: Bench
    """The task and its rows."""
    config: Mapping[str, Any]
    """The composed config that picked them."""
    logs: list[Log]
    """The logs that the answers come from."""
    answers: dict[str, Answer]
    """The answers by id."""
    rows: int
    """How many rows the task has; 0 where answers are not matched with rows."""
    notes: list[str]
    """What was taken from where, a line each."""
    warnings: list[str]
    """What the reader must know, a line each."""

    @property
    def task(self) -> str:
        """The task's name."""
        return self.bench.task.name

    @property
    def model(self) -> str:
        """The model, as the files call it."""
        return clean(next((log.model for log in self.logs if log.model), self.logs[0].path.stem))

    @property
    def own(self) -> dict[str, Any] | None:
        """Evalkit's own summary, where ``evalkit export`` wrote the file."""
        found = self.logs[0].summary
        return None if found is None or len(self.logs) > 1 else dict(found)

    @property
    def harness(self) -> str:
        """Who wrote the files."""
        return self.logs[0].harness


def refuse_hopeless(part: Part) -> None:
    """Refuse what cannot be scored, before anything is written.

    Raises:
        UsageError: there are neither rows nor scores, only a judge could grade, or what the file
            says is evalkit's own summary is none.
        DataError: the file's own count of questions is another.
    """
    answers, own, file = list(part.answers.values()), part.own, part.logs[0].path
    if part.rows:
        task = part.bench.task
        if task.scored and task.needs_judge and all(answer.judge is None for answer in answers):
            raise UsageError(
                f"{part.task} is graded by a judge and {file} holds no grades: evalkit score "
                f"task={part.task} predictions={file} judge=openai out=FOLDER asks one"
            )
        return
    if own is not None:
        refuse_odd(own, file, len(answers))
    elif main_score(answers) is None and (answers or not part.logs[0].metrics):
        raise UsageError(
            f"{file} holds replies and no scores of them: add --rows ROWS (a file, builtin or "
            "hub), with which they are scored"
        )


def refuse_odd(own: Mapping[str, Any], file: Path, n: int) -> None:
    """Refuse a file whose summary is not as evalkit writes it, or is of other answers.

    Raises:
        UsageError, DataError: it is so.
    """
    odd = next((name for name in NAMES if not isinstance(own.get(name), str)), None)
    if odd is not None:
        raise DataError(f"{file}: its summary is not evalkit's: {odd} is no text")
    cell_from(own)
    if n and own.get("n") != n:
        raise DataError(f"{file} holds {n} of the {own.get('n')} answers it is of")


def clean(text: str) -> str:
    """Return a name that can be written: half a surrogate pair becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def write_run(out: Path, parts: Sequence[Part], limit: int | None) -> list[dict[str, Any]]:
    """Write every task's folder, then the config and the manifest; return the summaries."""
    summaries = [write_part(part, make(out / part.task), limit) for part in parts]
    config = {**parts[0].config, "tasks": {}}
    for part in parts:
        config["tasks"] |= part.config["tasks"]
    write_atomically(out / "config.yaml", yaml_text(config))
    write_atomically(out / "manifest.json", json_text(provenance(parts)))
    return summaries


def write_part(part: Part, place: Path, limit: int | None) -> dict[str, Any]:
    """Write one task's folder and return its summary."""
    responses = {k: answer.response(k, part.harness) for k, answer in part.answers.items()}
    text = "".join(dump_json(response_line(response)) + "\n" for response in responses.values())
    write_atomically(place / RESPONSES, text)
    lines = [
        {"id": key, "number": answer.number, "scores": answer.scores}
        for key, answer in part.answers.items()
        if answer.scores
    ]
    if lines:
        write_atomically(place / ORIGINAL, "".join(dump_json(line) + "\n" for line in lines))
    if not part.rows:
        return write_as_given(part, place)
    job = Job(
        bench=part.bench,
        responses=responses,
        limit=limit,
        partial=limit is not None and limit < part.rows,
        judge=None,
        model=part.model,
    )
    summary, records = job.run(part.bench.task, place)
    part.notes.extend(compared(part, records))
    if missing := summary["n_missing"]:
        part.warnings.append(
            f"{missing} of {summary['n']} rows have no answer in the file and count as wrong"
        )
    return summary


def write_as_given(part: Part, place: Path) -> dict[str, Any]:
    """Write the harness's own scores as the run's, and return the summary that says so."""
    answers = list(part.answers.values())
    metric = main_score(answers) or ""
    records = records_from(part.answers, metric) if answers else []
    summary = part.own or harness_summary(part, records, metric)
    write_results(place, records, summary)
    return summary


def harness_summary(part: Part, records: Sequence[Record], metric: str) -> dict[str, Any]:
    """Return a summary of scores or totals that the harness gave."""
    summary = summarise(part.bench.task, records, partial=False) | {"version": ""}
    summary |= {"model": part.model, "data": str(part.logs[0].path)}
    if records:
        part.warnings.append("its own scores are taken: give --rows to score the replies anew")
        # No subset is known without rows, and an average over subsets would be of nothing.
        add_up = point_sums if summary["scale"] == "points" else percent_means
        return summary | {
            "scorer": clean(f"{part.harness}: {metric}"),
            "metrics": add_up(summary["primary"], records),
            "bounds": None,
        }
    totals = {clean(name): value for log in part.logs for name, value in log.metrics.items()}
    part.warnings.append("totals only, on the harness's own scale: no question can be compared")
    return summary | {
        "scorer": part.harness,
        "metrics": totals,
        "primary": next(iter(totals)),
        "n": part.logs[0].n or 0,
    }


def compared(part: Part, records: Sequence[Record]) -> list[str]:
    """Return a line about how the harness's scores of the answers and ours differ."""
    metric = main_score(list(part.answers.values()))
    if metric is None:
        return []
    pairs = [
        (part.answers[record.id].scores.get(metric), record.score or 0.0)
        for record in records
        if record.id in part.answers
    ]
    differ = sum(own is not None and abs(own - ours) > CLOSE for own, ours in pairs)
    return [f"{part.task}: its own {metric} differs from our score on {differ} of {len(pairs)}"]


def provenance(parts: Sequence[Part]) -> dict[str, Any]:
    """Return the manifest: the files and what they say of themselves; we only scored them."""
    logs = [log for part in parts for log in part.logs]
    found: dict[str, str] = {}
    for log in logs:
        found |= log.versions
    return {
        "started": now(),
        "finished": now(),
        "argv": sys.argv[1:],
        "model": parts[0].model,
        "identity": {},
        "backend": {},
        "data": {p.task: asdict(p.bench.rows.provenance()) if p.rows else None for p in parts},
        "versions": found,
        "machine": {},
        "git": None,
        "scored_with": versions(),
        "imported": [source(log) for log in {log.path: log for log in logs}.values()],
        "tasks": {
            p.task: {"answers": len(p.answers), "notes": p.notes, "warnings": p.warnings}
            for p in parts
        },
    }


def source(log: Log) -> dict[str, Any]:
    """Return a file and what it says of how it was made."""
    return {
        "harness": log.harness,
        "file": str(log.path.resolve()),
        "sha256": hashlib.sha256(log.path.read_bytes()).hexdigest(),
        **{name: value for name, value in log.facts.items() if value not in (None, {}, [])},
    }
