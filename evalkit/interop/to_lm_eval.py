"""A run as results and sample logs of lm-evaluation-harness 0.4.13 and of lmms-eval 0.7.3.

Percents become fractions, as there; points stay points. What these files have no place for (how an
answer was judged, subsets, the summary) stands under ``evalkit``, so that an import restores it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from evalkit.files import dump_json
from evalkit.interop.documents import json_text
from evalkit.interop.kept import TaskRun
from evalkit.metrics.summary import counted
from evalkit.types import Record

__all__ = ["lm_eval_files", "lmms_eval_files"]


def lm_eval_files(tasks: Sequence[TaskRun], source: str | None) -> Mapping[str, str]:
    """Return ``results_<time>.json`` and ``samples_<task>_<time>.jsonl`` a task."""
    time = tasks[0].time.rstrip("Z").replace(":", "-")
    files = {f"results_{time}.json": results(tasks)}
    for run in tasks:
        lines = (lm_eval_line(run, n, r) for n, r in enumerate(run.records))
        files[f"samples_{run.task}_{time}.jsonl"] = jsonl(lines)
    return files


def lmms_eval_files(tasks: Sequence[TaskRun], source: str | None) -> Mapping[str, str]:
    """Return ``<time>_results.json`` and ``<time>_samples_<task>.jsonl`` a task."""
    time = re.sub(r"[-:Z]", "", tasks[0].time).replace("T", "_")
    files = {f"{time}_results.json": results(tasks)}
    for run in tasks:
        lines = (lmms_eval_line(run, n, r) for n, r in enumerate(run.records))
        files[f"{time}_samples_{run.task}.jsonl"] = jsonl(lines)
    return files


def jsonl(lines: Iterator[dict[str, Any]]) -> str:
    """Return objects as lines."""
    return "".join(dump_json(line) + "\n" for line in lines)


def lm_eval_line(run: TaskRun, number: int, record: Record) -> dict[str, Any]:
    """Return a sample as lm-evaluation-harness logs it."""
    asked, text = run.question(record), reply(run, record)
    target = str(list(asked.golds)) if asked.golds else ""
    return {
        "doc_id": number,
        "doc": asked.row,
        "target": target,
        "arguments": {"gen_args_0": {"arg_0": asked.prompt, "arg_1": {}}},
        "resps": [[]] if text is None else [[text]],
        "filtered_resps": [] if text is None else [record.parsed or text],
        "filter": "none",
        "metrics": [run.metric],
        "doc_hash": digest(json.dumps(asked.row, indent=2, ensure_ascii=False, default=str)),
        "prompt_hash": digest(asked.prompt),
        "target_hash": digest(target),
        run.metric: counted(record),
        "evalkit": run.kept(record),
    }


def lmms_eval_line(run: TaskRun, number: int, record: Record) -> dict[str, Any]:
    """Return a sample as lmms-eval logs it: without its row, equal replies once."""
    line = lm_eval_line(run, number, record)
    asked, text = run.question(record), reply(run, record)
    filtered = [] if text is None else record.parsed or text
    own = {} if filtered == text else {"resps": [] if text is None else [text]}
    kept = ("doc_id", "target", "doc_hash", run.metric, "evalkit")
    ids = {k: v for k, v in asked.row.items() if k in ("questionId", "question_id", "pid", "id")}
    return {
        **{key: line[key] for key in kept},
        **own,
        "filtered_resps": filtered,
        "input": asked.prompt,
        "submission": {**ids, "answer": filtered},
    }


def reply(run: TaskRun, record: Record) -> str | None:
    """Return the reply to a question, or ``None``."""
    response = run.responses.get(record.id)
    return None if response is None else response.text


def digest(text: str) -> str:
    """Return the SHA-256 that these harnesses identify texts by."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def results(tasks: Sequence[TaskRun]) -> str:
    """Return the file of results."""
    first = tasks[0]
    versions = first.manifest.get("versions") or {}
    content = {
        "results": {run.task: totals(run) for run in tasks},
        "group_subtasks": {run.task: [] for run in tasks},
        "configs": {run.task: config(run) for run in tasks},
        "versions": {run.task: run.summary.get("version") for run in tasks},
        "n-shot": {run.task: 0 for run in tasks},
        "higher_is_better": {run.task: {run.metric: True} for run in tasks},
        "n-samples": {
            run.task: {"original": run.summary["n"], "effective": len(run.records)} for run in tasks
        },
        "config": {"model": "evalkit", "model_args": f"pretrained={first.model}", "limit": None},
        "git_hash": (first.manifest.get("git") or {}).get("commit"),
        "date": datetime.fromisoformat(first.time.replace("Z", "+00:00")).timestamp(),
        "model_source": "evalkit",
        "model_name": first.model,
        "model_name_sanitized": re.sub(r'["<>:/|\\?*\[\]]+', "__", first.model),
        **{f"{name.replace('-', '_')}_version": text for name, text in sorted(versions.items())},
    }
    return json_text(content)


def totals(run: TaskRun) -> dict[str, Any]:
    """Return a task's metrics as ``metric,filter``."""
    factor = 1 if run.summary.get("scale") == "points" else 100
    values = {f"{name},none": v / factor for name, v in (run.summary.get("metrics") or {}).items()}
    error = standard_error(run) if factor == 100 else None
    if error is not None:
        values[f"{run.metric}_stderr,none"] = error
    return {"alias": run.task, **values, "sample_len": len(run.records)}


def standard_error(run: TaskRun) -> float | None:
    """Return the standard error of the mean score, clustered by picture or video."""
    from evalkit.stats import mean_interval

    pairs = [(v, r.cluster or r.id) for r in run.records if (v := counted(r)) is not None]
    if len(pairs) < 2 or run.metric not in (run.summary.get("metrics") or {}):
        return None
    values, clusters = zip(*pairs, strict=True)
    return mean_interval(list(values), clusters=list(clusters)).se


def config(run: TaskRun) -> dict[str, Any]:
    """Return what these files say of how a task was asked."""
    rows = run.card.get("rows") or {}
    protocol = (run.card.get("protocols") or {}).get(run.summary.get("protocol")) or {}
    return {
        "task": run.task,
        "dataset_path": rows.get("path"),
        "dataset_name": rows.get("config"),
        "test_split": run.summary.get("split"),
        "output_type": "generate_until",
        "doc_to_text": protocol.get("prompt"),
        "generation_kwargs": {"max_new_tokens": protocol.get("max_new_tokens"), "do_sample": False},
        "metric_list": [{"metric": run.metric, "aggregation": "mean", "higher_is_better": True}],
        "repeats": 1,
        "metadata": {"version": run.summary.get("version"), "evalkit": dict(run.summary)},
    }
