"""The run verb: ask every question of the chosen tasks, go on where a run stopped, score."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evalkit.backends.base import Backend
from evalkit.config import MODEL_KEYS, Bench, benches, build
from evalkit.data.digest import digest_json
from evalkit.engines.plan import Ask, asks
from evalkit.errors import RunError
from evalkit.files import write_atomically
from evalkit.judges.base import Judge
from evalkit.judging import opened, require, settle
from evalkit.manifest import manifest, now
from evalkit.progress import Progress
from evalkit.samples import Census, census
from evalkit.scoring import score_rows, summarise
from evalkit.store import RESPONSES, Lock, Responses, write_results
from evalkit.types import Response, Sample

__all__ = ["Run", "run"]

FREE = ("engine", "judge", "limit", "retry_failed", "name", "out")
"""Settings that two sittings of one run may differ in: none of them changes an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run."""

    folder: Path
    """Where it is."""
    summaries: list[dict[str, Any]]
    """One a task, in the config's order."""
    submissions: list[Path]
    """Files to send to a server, of tasks whose answers are private."""


def run(config: dict[str, Any], *, quiet: bool = False) -> Run:
    """Evaluate a model on the tasks of a composed config.

    Raises:
        UsageError: a setting, the data or the run's folder is not as it must be.
        BackendError: the model died; what was answered stays, and the same command goes on.
    """
    chosen = benches(config)
    model = config["model"]
    backend: Backend = build({k: v for k, v in model.items() if k not in MODEL_KEYS})
    judge: Judge | None = build(config["judge"]) if config["judge"] else None
    for bench in chosen:
        require(bench.task, judge)
    counts = {b.task.name: census(b.task, b.rows, config["limit"]) for b in chosen}
    folder = Path(config["out"]) / (config["name"] or default_name(config))
    with Lock(folder):
        check_same(folder, config)
        if not quiet:
            print(f"run {folder}", file=sys.stderr)
        with opened(judge):
            return sit(folder, config, chosen, counts, backend, judge, quiet)


def sit(
    folder: Path,
    config: dict[str, Any],
    chosen: list[Bench],
    counts: Mapping[str, Census],
    backend: Backend,
    judge: Judge | None,
    quiet: bool,
) -> Run:
    """Do one sitting of a run, the folder being ours."""
    write_atomically(folder / "config.yaml", config_text(config))
    data = {bench.task.name: asdict(bench.rows.provenance()) for bench in chosen}
    engine = build(config["engine"])
    summaries, submissions = [], []
    with backend:
        record = manifest(
            model=config["model"]["name"],
            identity=backend.identity,
            facts=backend.facts,
            data=data,
        )
        save(folder, record)
        for bench in chosen:
            count = counts[bench.task.name]
            keys, timing = answer(folder, config, bench, count, backend, engine, quiet)
            summary, submission = finish(folder, config, bench, count, keys, judge)
            summaries.append(summary)
            submissions += [submission] if submission else []
            record["tasks"][bench.task.name] = timing
            save(folder, record)
    record["finished"] = now()
    save(folder, record)
    return Run(folder=folder, summaries=summaries, submissions=submissions)


def answer(
    folder: Path,
    config: Mapping[str, Any],
    bench: Bench,
    count: Census,
    backend: Backend,
    engine: Any,
    quiet: bool,
) -> tuple[list[str], dict[str, Any]]:
    """Ask what is not answered yet; return every row's key, in row order, and how long it took."""
    task, keys = bench.task, []
    stored = Responses.open(folder / task.name / RESPONSES)
    started, asked = time.monotonic(), 0

    def pending() -> Iterator[Ask]:
        for ask in asks(task, bench.rows, config["limit"], backend.identity):
            keys.append(ask.key)
            if ask.key in stored.offsets and not (
                ask.key in stored.failed and config["retry_failed"]
            ):
                bar.add(task.record(ask.sample, stored.get(ask.key)), failed=False)
                continue
            yield ask

    def keep(ask: Ask, response: Response) -> None:
        nonlocal asked
        asked += 1
        stored.append(response)
        bar.add(task.record(ask.sample, response), failed=response.error is not None)

    try:
        with Progress(task.name, count.rows, quiet=quiet) as bar:
            engine.evaluate(pending(), backend, keep)
    finally:
        stored.close()
    return keys, {"asked": asked, "seconds": round(time.monotonic() - started, 3)}


def finish(
    folder: Path,
    config: Mapping[str, Any],
    bench: Bench,
    count: Census,
    keys: list[str],
    judge: Judge | None,
) -> tuple[dict[str, Any], Path | None]:
    """Score a task's stored responses and write its results; return the summary."""
    task, place = bench.task, folder / bench.task.name
    stored = Responses.open(place / RESPONSES)
    stored.close()

    def find(sample: Sample, number: int) -> Response | None:
        return stored.get(keys[number])

    limit = config["limit"]
    judged, name = settle(task, bench.rows, limit, find, judge, place / "judge.jsonl")
    scored = score_rows(task, bench.rows, limit, judged)
    summary = summarise(task, scored.records, partial=count.partial, judge=name)
    summary |= {"model": config["model"]["name"], "data": bench.source}
    write_results(place, scored.records, summary)
    if task.scored:
        return summary, None
    file = place / "submission.json"
    write_atomically(file, json.dumps(scored.entries, ensure_ascii=False, indent=1) + "\n")
    return summary, file


def save(folder: Path, record: Mapping[str, Any]) -> None:
    """Write the manifest."""
    text = json.dumps(record, ensure_ascii=False, indent=2, default=str)
    write_atomically(folder / "manifest.json", text + "\n")


def settled(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a config that answers depend on."""
    return {key: value for key, value in config.items() if key not in FREE}


def default_name(config: Mapping[str, Any]) -> str:
    """Return a name that the same settings give again, so that the same command resumes."""
    digest = digest_json(settled(config))[:8]
    return f"{config['model']['name']}-{config['protocol']}-{digest}"


def config_text(config: Mapping[str, Any]) -> str:
    """Return a config as the YAML that a run keeps."""
    import yaml

    return str(yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=100))


def check_same(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse to go on with a run of another configuration.

    Raises:
        RunError: the folder's config differs in a setting that answers depend on.
    """
    import yaml

    path = folder / "config.yaml"
    if not path.is_file():
        return
    before = flat(settled(yaml.safe_load(path.read_text("utf-8"))))
    after = flat(settled(config))
    differing = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
    if differing:
        key = differing[0]
        more = f" and {len(differing) - 1} more" if len(differing) > 1 else ""
        raise RunError(
            f"{folder} holds a run of another configuration: {key} was {before.get(key)!r} and is "
            f"now {after.get(key)!r}{more}; choose another name=..."
        )


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one mapping of dotted keys."""
    if not isinstance(value, Mapping):
        return {prefix: value}
    return {
        key: leaf
        for name, child in value.items()
        for key, leaf in flat(child, f"{prefix}.{name}" if prefix else str(name)).items()
    }


def how_to_resume(argv: list[str]) -> str:
    """Return the line that a stopped run ends with."""
    return f"stopped; every answer so far is kept. To go on, type: evalkit {shlex.join(argv)}"
