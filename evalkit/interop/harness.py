"""Sample logs and results of lm-evaluation-harness and of lmms-eval, its descendant.

Layout after lm-evaluation-harness 0.4.13 (``samples_<task>_<time>.jsonl``, ``results_<time>.json``)
and lmms-eval 0.7.3 (``<time>_samples_<task>.jsonl``, ``<time>_results.json``); lmms-eval of 2024
put the samples into one JSON file under ``logs``. A line holds one question under one filter;
``doc_id`` is its row number. ``resps`` are replies as the model gave them, and are left out where
they equal ``filtered_resps``, what the harness scored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit.errors import DataError
from evalkit.interop.answers import (
    Answer,
    Log,
    mapping,
    number_from,
    score_from,
    text_from,
    texts_from,
)
from evalkit.interop.names import LM_EVAL, LMMS_EVAL
from evalkit.interop.safety import load_json, parse_json

__all__ = ["json_lines", "read_old_log", "read_results", "read_samples"]

SAMPLES = (
    re.compile(r"samples_(?P<task>.+)_(?P<time>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl?"),
    re.compile(r"(?P<time>\d{8}_\d{6})_samples_(?P<task>.+)\.jsonl?"),
)
"""Names of files of samples."""

RESULTS = (
    re.compile(r"results_(?P<time>\d{4}-\d\d-\d\dT[\d.-]+)\.json"),
    re.compile(r"(?P<time>\d{8}_\d{6})_results\.json"),
)
"""Names of files of results, in the same order."""

OWN = (
    "doc_id",
    "doc",
    "target",
    "arguments",
    "input",
    "resps",
    "filtered_resps",
    "filter",
    "metrics",
    "doc_hash",
    "prompt_hash",
    "target_hash",
    "token_counts",
    "input_media",
    "evalkit",
)
"""Keys of a line that are no metrics."""

IDS = ("questionId", "question_id", "pid", "id")
"""Keys under which datasets keep their ids."""

NESTED = ("score", "true_false")
"""Where lmms-eval keeps the score of a metric that is a mapping."""


def read_samples(path: Path) -> Log:
    """Read one task's samples, and the results beside them where they are.

    Raises:
        DataError: a line is not a sample of these harnesses.
    """
    match = next((m for pattern in SAMPLES if (m := pattern.fullmatch(path.name))), None)
    time, name = (match["time"], match["task"]) if match else ("", "")
    model = path.resolve().parent.name if match else ""
    log = Log(harness=LM_EVAL, path=path, name=name, model=model)
    log = with_answers(log, json_lines(path))
    beside = [path.parent / text for text in (f"results_{time}.json", f"{time}_results.json")]
    found = next((place for place in beside if time and place.is_file()), None)
    return log if found is None else with_results(log, load_json(found))


def read_results(path: Path, content: Mapping[str, Any]) -> list[Log]:
    """Read every task of a file of results, with the samples that lie beside it."""
    index, match = next(
        ((i, m) for i, pattern in enumerate(RESULTS) if (m := pattern.fullmatch(path.name))),
        (0, None),
    )
    logs = []
    for name in content["results"]:
        time = match["time"] if match else ""
        file = (f"samples_{name}_{time}.jsonl", f"{time}_samples_{name}.jsonl")[index]
        place = path.parent / file
        if match and place.is_file():
            logs.append(read_samples(place))
        elif not mapping(content.get("group_subtasks")).get(name):
            log = Log(harness=(LM_EVAL, LMMS_EVAL)[index], path=path, name=name)
            logs.append(with_results(log, content))
    return logs


def read_old_log(path: Path, content: Mapping[str, Any]) -> Log:
    """Read a file of lmms-eval's of 2024: one task, its samples under ``logs``."""
    name = str(mapping(content.get("model_configs")).get("task") or "") or path.stem
    model = model_in(mapping(content.get("args")).get("model_args"))
    log = Log(harness=LMMS_EVAL, path=path, name=name, model=model)
    numbered = ((f"sample {n}", sample) for n, sample in enumerate(content["logs"]))
    return replace(with_answers(log, numbered), harness=LMMS_EVAL)


def json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield a file's objects with where they stand."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield f"line {number}", parse_json(line, f"{path}: line {number}")


def with_answers(log: Log, samples: Iterable[tuple[str, Any]]) -> Log:
    """Return the log with its samples; several filters of one question become one answer."""
    found: dict[Any, Answer] = {}
    harness, repeats = log.harness, 0
    for at, sample in samples:
        if not isinstance(sample, Mapping) or "doc_id" not in sample:
            raise DataError(f"{log.path}: {at} is not a sample: it has no doc_id")
        if "arguments" not in sample:
            harness = LMMS_EVAL
        answer, several = answer_from(log, at, sample)
        repeats += several
        key = (str(sample["doc_id"]), str(sample.get("doc_hash")))
        before = found.get(key)
        if before is not None and not set(answer.scores) - set(before.scores):
            raise DataError(f"{log.path}: {at}: a second sample of doc_id {sample['doc_id']}")
        if before is not None:
            answer = replace(before, scores={**before.scores, **answer.scores})
        found[key] = answer
    text = f"{repeats} questions were asked several times: the first reply of each is taken"
    warnings = (text,) if repeats else ()
    return replace(log, harness=harness, answers=tuple(found.values()), warnings=warnings)


def answer_from(log: Log, at: str, sample: Mapping[str, Any]) -> tuple[Answer, bool]:
    """Return a sample's answer, and whether it holds several replies."""
    held = sample.get("resps", sample.get("filtered_resps"))
    if are_likelihoods(held):
        raise log.refuse(Answer(at=at), "it holds likelihoods of choices and no reply")
    replies = flat(held)
    doc, own = mapping(sample.get("doc")), mapping(sample.get("evalkit"))
    metrics = {k: v for k, v in sample.items() if k not in OWN}
    maps = [doc, *(mapping(value) for value in metrics.values())]
    failed = str(own["error"]) if own.get("error") else None
    answer = Answer(
        at=at,
        ids={k: str(m[k]) for m in maps for k in IDS if isinstance(m.get(k), str | int)},
        number=number_from(sample["doc_id"]),
        question=question_in(sample, doc),
        golds=texts_from(sample.get("target")),
        text=replies[0] if replies and not failed else None,
        error=failed or (None if replies else "the log holds no reply"),
        finish_reason=text_from(own.get("finish_reason")),
        extraction=first_text([own, *maps], "extraction", "extraction"),
        judge=text_from(own.get("judge")) or first_text(maps, "score", "eval_model"),
        digests={str(k): str(v) for k, v in mapping(own.get("digests")).items()},
        scores=dict(scores_in(metrics, str(sample.get("filter", "none")))),
        record=mapping(own.get("record")) or None,
    )
    return answer, len(replies) > 1


def first_text(maps: Iterable[Mapping[str, Any]], key: str, beside: str) -> str | None:
    """Return what the first mapping that has both keys holds under one, as text."""
    found = (m[key] for m in maps if m.get(key) is not None and beside in m)
    return next((str(value) for value in found), None)


def are_likelihoods(value: Any) -> bool:
    """Whether responses are pairs of a log-likelihood and whether it is the greedy choice."""
    while isinstance(value, list | tuple) and value and isinstance(value[0], list | tuple):
        value = value[0]
    if not isinstance(value, list | tuple) or len(value) != 2 or str(value[1]) not in PAIR:
        return False
    try:
        return float(value[0]) <= 0
    except (TypeError, ValueError):
        return False


PAIR = ("True", "False")


def flat(value: Any) -> list[str]:
    """Return replies that may be nested in lists, in order."""
    if isinstance(value, list | tuple):
        return [text for item in value for text in flat(item)]
    return [] if value is None else [str(value)]


def question_in(sample: Mapping[str, Any], doc: Mapping[str, Any]) -> str:
    """Return the question, or the prompt that it stands in."""
    if isinstance(doc.get("question"), str):
        return str(doc["question"])
    arguments = sample.get("input", sample.get("arguments"))
    while isinstance(arguments, Mapping | list | tuple) and arguments:
        values = arguments.values() if isinstance(arguments, Mapping) else arguments
        arguments = next(iter(values))
    return arguments if isinstance(arguments, str) else ""


def scores_in(metrics: Mapping[str, Any], kind: str) -> Iterator[tuple[str, float]]:
    """Yield scores by name; those of a filter other than ``none`` carry its name."""
    for name, value in metrics.items():
        inner = value
        if isinstance(value, Mapping):
            inner = next((value[key] for key in NESTED if key in value), None)
        score = score_from(inner)
        if score is not None:
            yield name if kind == "none" else f"{name},{kind}", score


def with_results(log: Log, content: Any) -> Log:
    """Return the log with what a file of results says about its task."""
    content = mapping(content)
    totals = mapping(mapping(content.get("results")).get(log.name))
    config = mapping(content.get("config"))
    about = mapping(mapping(content.get("configs")).get(log.name))
    counts = mapping(mapping(content.get("n-samples")).get(log.name))
    model = content.get("model_name") or model_in(config.get("model_args")) or log.model
    versions = {k: str(v) for k, v in content.items() if k.endswith("_version")}
    return replace(
        log,
        model=str(model),
        metrics={
            name: number
            for name, value in totals.items()
            if "," in name and "_stderr," not in name and (number := score_from(value)) is not None
        },
        n=number_from(counts.get("effective")),
        versions={name.removesuffix("_version"): text for name, text in versions.items()},
        facts={
            "git": content.get("git_hash"),
            "date": content.get("date"),
            "task_version": mapping(content.get("versions")).get(log.name),
            "config": {k: config[k] for k in ("model", "model_args", "gen_kwargs") if k in config},
        },
        summary=mapping(mapping(about.get("metadata")).get("evalkit")) or None,
    )


def model_in(arguments: Any) -> str:
    """Return the model that a harness's model arguments name, a mapping or ``k=v,k=v``."""
    if isinstance(arguments, Mapping):
        pairs = {str(k): str(v) for k, v in arguments.items()}
    else:
        pairs = dict(p.split("=", 1) for p in str(arguments or "").split(",") if "=" in p)
    return next((pairs[k] for k in ("pretrained", "model", "model_version") if k in pairs), "")
