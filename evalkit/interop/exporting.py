"""The export verb: a run in another tool's format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.errors import UsageError
from evalkit.files import write_atomically
from evalkit.interop.documents import json_text
from evalkit.interop.kept import TaskRun, load_run
from evalkit.interop.to_hub import eval_results, model_index
from evalkit.interop.to_inspect import inspect_logs
from evalkit.interop.to_lm_eval import lm_eval_files, lmms_eval_files
from evalkit.score import make

__all__ = ["FORMATS", "export_run"]

Texts = Mapping[str, str]
"""Files to be written: their contents by their names."""

SUBMITTED = ("docvqa", "infovqa")
"""Tasks that the Robust Reading Competition scores."""


def submissions(tasks: Sequence[TaskRun], source: str | None) -> Texts:
    """Return a submission file a task: every question's id as a number, its answer as a text.

    Raises:
        UsageError: the competition does not score the task, or an id is no number.
    """
    files = {}
    for run in tasks:
        if run.task not in SUBMITTED:
            raise UsageError(f"{run.task} is no task of the RRC server: {', '.join(SUBMITTED)} are")
        if odd := [record.id for record in run.records if not record.id.isdecimal()]:
            raise UsageError(f"{run.task}: the RRC server wants ids that are numbers, not {odd[0]}")
        entries = [{"questionId": int(r.id), "answer": r.parsed or ""} for r in run.records]
        files[f"{run.task}_submission.json"] = json_text(entries)
    return files


WRITERS: Mapping[str, Callable[[Sequence[TaskRun], str | None], Texts]] = {
    "lm_eval": lm_eval_files,
    "lmms_eval": lmms_eval_files,
    "inspect": inspect_logs,
    "hf": eval_results,
    "model_index": model_index,
    "rrc": submissions,
}

FORMATS = tuple(WRITERS)
"""What can be written."""


def export_run(
    run: Path, form: str, out: Path, questions: bool = False, source: str | None = None
) -> list[Path]:
    """Write a run in another tool's format and return the files.

    Args:
        run: a run's folder; for ``hf`` and ``model_index`` also one of ``evalkit score``.
        form: one of ``FORMATS``.
        out: the folder that the files go to.
        questions: whether questions, prompts and reference answers are read from the run's own rows
            and written too.
        source: an address at which the run can be seen, for ``hf`` and ``model_index``.

    Raises:
        UsageError: the folder holds no run, or the format cannot hold it.
    """
    totals = form in ("hf", "model_index")
    if source is not None and not totals:
        raise UsageError(f"--source is for hf and model_index: {form} has no place for it")
    if questions and form not in ("lm_eval", "lmms_eval", "inspect"):
        raise UsageError(f"--questions is for logs of samples: {form} has no place for them")
    tasks = load_run(run, replies=not totals and form != "rrc", questions=questions)
    files: list[Any] = []
    for name, text in WRITERS[form](tasks, source).items():
        path = out / name
        make(path.parent)
        write_atomically(path, text)
        files.append(path)
    return files
