"""A run as inspect logs, JSON of version 2 (the schema of inspect_ai 0.3.285): one file a task.

Media are left out: a log that holds them grows to gigabytes. A score that nobody could give is
``NaN``, inspect's own sign for unscored. What the format has no place for stands in ``metadata``.
Half a surrogate pair, which inspect's reader refuses, becomes U+FFFD.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit._version import __version__
from evalkit.data.digest import digest_json
from evalkit.interop.kept import TaskRun
from evalkit.types import Record, Response

__all__ = ["inspect_logs"]

LONE = re.compile("[\ud800-\udfff]")

STOP = {"length": "max_tokens", "stop": "stop"}


def inspect_logs(tasks: Sequence[TaskRun], source: str | None) -> Mapping[str, str]:
    """Return a log a task, under the names that inspect gives and its viewer looks for."""
    files = {}
    for run in tasks:
        key = digest_json([run.task, run.model, run.time, dict(run.summary)])[:22]
        time = re.sub(r"[:+]", "-", utc(run.time))
        text = json.dumps(log(run, key), ensure_ascii=False, indent=1)
        files[f"{time}_{run.task}_{key}.json"] = LONE.sub("\ufffd", text) + "\n"
    return files


def utc(time: str) -> str:
    """Return a time with its zone as an offset."""
    return time.replace("Z", "+00:00")


def log(run: TaskRun, key: str) -> dict[str, Any]:
    """Return a task's log."""
    samples = [sample(run, record) for record in run.records]
    started = utc(str(run.manifest.get("started") or run.time))
    return {
        "version": 2,
        "status": "success",
        "eval": spec(run, key),
        "plan": {"name": "plan", "steps": [{"solver": "generate", "params": {}}], "config": {}},
        "results": results(run),
        "stats": {"started_at": started, "completed_at": utc(run.time), "model_usage": {}},
        "samples": samples,
    }


def spec(run: TaskRun, key: str) -> dict[str, Any]:
    """Return what was run."""
    rows = run.card.get("rows") or {}
    protocol = (run.card.get("protocols") or {}).get(run.summary.get("protocol")) or {}
    ids = [record.id for record in run.records]
    budget = {"max_tokens": protocol["max_new_tokens"]} if "max_new_tokens" in protocol else {}
    return {
        "eval_id": key,
        "run_id": key,
        "created": utc(run.time),
        "task": run.task,
        "task_id": key,
        "task_version": str(run.summary.get("version", "")),
        "task_attribs": {},
        "task_args": {name: run.summary.get(name) for name in ("protocol", "scorer", "split")},
        "dataset": {
            "name": rows.get("path") or run.task,
            "location": rows.get("file") or rows.get("path"),
            "samples": len(ids),
            "sample_ids": ids,
            "shuffled": False,
        },
        "model": run.model,
        "model_generate_config": budget,
        "model_args": {},
        "config": {"epochs": 1},
        "packages": {"evalkit_vl": __version__, **(run.manifest.get("versions") or {})},
        "scorers": [{"name": run.metric, "options": {"scorer": run.summary.get("scorer")}}],
        "metadata": {"evalkit": dict(run.summary)},
    }


def results(run: TaskRun) -> dict[str, Any]:
    """Return the totals, percents and points as evalkit has them."""
    metrics = run.summary.get("metrics") or {}
    unscored = sum(record.score is None for record in run.records)
    return {
        "total_samples": run.summary["n"],
        "completed_samples": len(run.records),
        "scores": [
            {
                "name": run.metric,
                "scorer": run.metric,
                "scored_samples": len(run.records) - unscored,
                "unscored_samples": unscored,
                "params": {},
                "metrics": {
                    name: {"name": name, "value": value, "params": {}}
                    for name, value in metrics.items()
                },
            }
        ],
    }


def sample(run: TaskRun, record: Record) -> dict[str, Any]:
    """Return one question with its reply and score."""
    asked = run.question(record)
    response = run.responses.get(record.id) or Response(id=record.id, error="no prediction")
    kept = run.kept(record)
    score = {
        "value": float("nan") if record.score is None else record.score,
        "answer": record.parsed,
        "explanation": None if record.status == "ok" else record.status,
        "metadata": {"status": record.status, "subsets": list(record.subsets)},
    }
    found: dict[str, Any] = {
        "id": record.id,
        "epoch": 1,
        "input": asked.prompt,
        "target": list(asked.golds),
        "messages": [],
        "output": output(run.model, response),
        "scores": {run.metric: score},
        "metadata": {"evalkit": kept},
    }
    if response.text is None:
        message = response.error or "no prediction"
        found["error"] = {"message": message, "traceback": "", "traceback_ansi": ""}
    return found


def output(model: str, response: Response) -> dict[str, Any]:
    """Return a reply as a model's output."""
    if response.text is None:
        return {"model": model, "choices": [], "completion": "", "error": response.error}
    message = {"role": "assistant", "source": "generate", "content": response.text, "model": model}
    stop = STOP.get(response.finish_reason or "", "unknown")
    found: dict[str, Any] = {
        "model": model,
        "choices": [{"message": message, "stop_reason": stop}],
        "completion": response.text,
    }
    if response.prompt_tokens is not None and response.completion_tokens is not None:
        found["usage"] = {
            "input_tokens": response.prompt_tokens,
            "output_tokens": response.completion_tokens,
            "total_tokens": response.prompt_tokens + response.completion_tokens,
        }
    if response.seconds is not None:
        found["time"] = response.seconds
    return found
