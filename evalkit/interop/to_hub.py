"""A run's totals for a model's repository on the Hub: ``.eval_results`` and ``model-index``.

Only whole runs of the benchmark's own rows are written: a number on a model's page is read as that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit._version import __version__
from evalkit.catalogue import cards
from evalkit.cells import BUILTIN
from evalkit.errors import UsageError
from evalkit.interop.answers import mapping
from evalkit.interop.documents import yaml_text
from evalkit.interop.kept import TaskRun

__all__ = ["eval_results", "model_index"]

VIDEO = ("videomme", "mvbench")
"""Tasks whose questions are about videos."""

DIGITS = 4
"""Decimals that are written: more than any table prints, fewer than sums of floats make up."""

COUNTS = ("missing", "failed", "unparsed", "judge_failed", "truncated")


def eval_results(tasks: Sequence[TaskRun], source: str | None) -> Mapping[str, str]:
    """Return ``.eval_results/<task>.yaml`` a task: the primary metric, as tables print it.

    Raises:
        UsageError: a run is partial, has no score, or is of the built-in set; or the installed
            ``huggingface_hub`` does not know the format.
    """
    try:
        from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
    except ImportError:
        raise UsageError("the hf format needs: pip install -U huggingface_hub") from None
    files = {}
    for run in tasks:
        value, rows = score(run), dataset(run)
        entry = EvalResultEntry(
            dataset_id=str(rows["path"]),
            task_id=config_of(rows) or "default",
            value=value,
            dataset_revision=revision(run),
            date=run.time,
            source_url=source,
            source_name="evalkit" if source else None,
            notes=notes(run),
        )
        files[f".eval_results/{run.task}.yaml"] = yaml_text(eval_result_entries_to_yaml([entry]))
    return files


def model_index(tasks: Sequence[TaskRun], source: str | None) -> Mapping[str, str]:
    """Return ``model-index.yaml``, to be put into the metadata of a model card.

    Raises:
        UsageError: a run is partial, has no score, or is of the built-in set.
    """
    from huggingface_hub import EvalResult, ModelCardData

    found = []
    for run in tasks:
        score(run)
        rows = dataset(run)
        found += [
            EvalResult(
                task_type="video-text-to-text" if run.task in VIDEO else "image-text-to-text",
                dataset_type=str(rows["path"]),
                dataset_name=run.task,
                dataset_config=config_of(rows),
                dataset_split=str(run.summary.get("split")),
                dataset_revision=revision(run),
                metric_type=run.metric,
                metric_name=name,
                metric_value=round(value, DIGITS),
                metric_args={key: run.summary.get(key) for key in ("protocol", "scorer", "judge")},
                source_name="evalkit" if source else None,
                source_url=source,
            )
            for name, value in run.summary["metrics"].items()
        ]
    data = ModelCardData(model_name=tasks[0].model, eval_results=found)
    index = data.to_dict()["model-index"]  # type: ignore[no-untyped-call]
    return {"model-index.yaml": yaml_text({"model-index": index})}


def score(run: TaskRun) -> float:
    """Return the primary metric of a run that may stand on a model's page."""
    value = (run.summary.get("metrics") or {}).get(run.metric)
    if value is None:
        why = "its answers are private, it has no score"
    elif run.summary.get("data") == BUILTIN:
        why = "it is of the built-in set, which is no benchmark"
    elif run.summary.get("partial") or not run.records:
        why = f"it is partial, of {len(run.records)} rows"
    else:
        return round(float(value), DIGITS)
    raise UsageError(f"{run.task} is not written for a model's page: {why}")


def dataset(run: TaskRun) -> Mapping[str, Any]:
    """Return where the Hub has the task's rows, by the run's config or the task's card."""
    held = [run.card, *(card.load() for card in cards("task") if card.name == run.task)]
    rows = next((mapping(card["rows"]) for card in held if card.get("rows")), {})
    if not rows.get("path"):
        raise UsageError(f"{run.task} is not on the Hub: there is no dataset to write it for")
    return rows


def config_of(rows: Mapping[str, Any]) -> str | None:
    """Return the Hub config of rows that come from one."""
    found = rows.get("config")
    return found if isinstance(found, str) else None


def revision(run: TaskRun) -> str | None:
    """Return the commit of the rows, where they came from the Hub."""
    found = mapping(mapping(run.manifest.get("data")).get(run.task)).get("revision")
    return None if found is None else str(found)


def notes(run: TaskRun) -> str:
    """Return how the number came about, in one line."""
    about = run.summary
    facts = [f"{key} {about.get(key)}" for key in ("protocol", "scorer", "judge") if about.get(key)]
    counts = [f"{n} {name.replace('_', ' ')}" for name in COUNTS if (n := about.get(f"n_{name}"))]
    parts = [f"evalkit {__version__}", run.metric, *facts, f"split {about.get('split')}"]
    return "; ".join([*parts, f"n {about.get('n')}", *counts])
