"""A run as it lies on disk, in the form that exports are made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.chat import written
from evalkit.config import benches
from evalkit.errors import UsageError
from evalkit.files import lines_of
from evalkit.interop.documents import load_json, load_yaml
from evalkit.samples import samples
from evalkit.store import (
    RESPONSES,
    find_results,
    read_records,
    read_summary,
    record_line,
    response_from,
)
from evalkit.types import Media, Record, Response

__all__ = ["Asked", "TaskRun", "load_run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question as it was asked."""

    row: Mapping[str, Any]
    """The row, without media."""
    prompt: str = ""
    """The texts of the user's turn, media as ``<image>`` and ``<video>``, subtitles that frames
    decide as ``<subtitles>``."""
    golds: tuple[str, ...] = ()
    """The reference answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """One task of a run."""

    summary: Mapping[str, Any]
    """The content of ``summary.json``."""
    records: list[Record]
    """The scored questions, in row order."""
    responses: Mapping[str, Response] = field(default_factory=dict)
    """The last response to each question, by id."""
    asked: Mapping[str, Asked] = field(default_factory=dict)
    """The questions, by id; empty where they were not wanted."""
    card: Mapping[str, Any] = field(default_factory=dict)
    """The task's part of the run's config; empty where there is none."""
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """The run's manifest; empty where there is none."""

    @property
    def task(self) -> str:
        """The task's name."""
        return str(self.summary["task"])

    @property
    def metric(self) -> str:
        """The primary metric's name."""
        return str(self.summary["primary"])

    @property
    def model(self) -> str:
        """The model's name."""
        return str(self.summary.get("model") or self.manifest.get("model") or "unknown")

    @property
    def time(self) -> str:
        """When the run ended, in UTC to the second; the beginning of time where nothing says."""
        found = self.manifest.get("finished") or self.manifest.get("started")
        return str(found or "1970-01-01T00:00:00Z")

    def question(self, record: Record) -> Asked:
        """Return a question as it was asked, or its id alone."""
        return self.asked.get(record.id) or Asked(row={"id": record.id})

    def kept(self, record: Record) -> dict[str, Any]:
        """Return what a foreign format has no place for and an import needs to restore a score."""
        response = self.responses.get(record.id) or Response(id=record.id)
        facts = {
            name: getattr(response, name)
            for name in ("error", "finish_reason", "extraction", "judge", "digests")
        }
        return {"record": record_line(record), **{k: v for k, v in facts.items() if v}}


def load_run(run: Path, *, replies: bool, questions: bool) -> list[TaskRun]:
    """Return the tasks of a run.

    Args:
        run: the run's folder, or one task's in it.
        replies: whether replies must be there.
        questions: whether questions are read from the run's own rows.

    Raises:
        UsageError: it is no run, has several results of a task, or lacks what is wanted.
    """
    found: dict[str, TaskRun] = {}
    for folder in find_results(run):
        top = folder if (folder / "manifest.json").is_file() else folder.parent
        config, manifest = load_yaml(top / "config.yaml"), load_json(top / "manifest.json")
        summary = read_summary(folder)
        task = str(summary.get("task"))
        if task in found:
            raise UsageError(f"{run} holds several results of {task}: name the folder of one")
        path = folder / RESPONSES
        if replies and not path.is_file():
            raise UsageError(
                f"{folder} holds no replies: only hf, model_index and rrc can be written of it"
            )
        responses = [response_from(json.loads(line)) for _, line in lines_of(path)]
        found[task] = TaskRun(
            summary=summary,
            records=read_records(folder),
            responses={response.id: response for response in responses},
            asked=read_questions(top, config, task) if questions else {},
            card=(config.get("tasks") or {}).get(task) or {},
            manifest=manifest,
        )
    return list(found.values())


def read_questions(top: Path, config: Mapping[str, Any], task: str) -> dict[str, Asked]:
    """Return a task's questions by id, from the rows that the run's config names."""
    bench = next((b for b in benches(config) if b.task.name == task), None) if config else None
    if bench is None:
        raise UsageError(f"{top} has no config.yaml that says which rows: leave out --questions")
    found = {}
    for row, sample in samples(bench.task, bench.rows, None, with_media=False):
        parts = bench.task.request(sample).parts
        texts = [f"<{p.kind}>" if isinstance(p, Media) else written(p) for p in parts]
        found[sample.id] = Asked(row=row, prompt="".join(texts), golds=sample.answers)
    return found
