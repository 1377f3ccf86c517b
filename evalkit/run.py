"""The run verb: ask every question of the chosen tasks, go on where a run stopped, score."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evalkit.asking import answer, follow
from evalkit.backends.base import Backend
from evalkit.config import MODEL_KEYS, Bench, benches, build, data_source
from evalkit.data.cache import caching
from evalkit.data.digest import digest_json
from evalkit.data.quiet import silent
from evalkit.engines.base import Crew, Engine
from evalkit.errors import RunError, UsageError
from evalkit.files import write_atomically
from evalkit.gates.early import EarlyStop, plans
from evalkit.joint import jointly
from evalkit.judges.base import Judge
from evalkit.judging import opened, require, settle
from evalkit.kinds import text
from evalkit.manifest import manifest, now
from evalkit.samples import Census, census
from evalkit.scoring import score_rows, summarise
from evalkit.settings import flat
from evalkit.store import RESPONSES, Lock, Responses, write_results
from evalkit.types import Response, Sample
from evalkit.usage import usage

__all__ = ["Run", "ingredients", "run"]

FREE = ("engine", "judge", "limit", "retry_failed", "name", "out", "stop")
"""Settings that two sittings of one run may differ in: none of them changes an answer."""

FREE_MODEL = (
    "base_url", "batch_tokens", "concurrency", "key_env", "leads", "max_retries",
    "media_folder", "media_url", "patience", "price_in", "price_out", "threads", "timeout",
    "window", "workers",
)  # fmt: skip
"""Settings of a model of the same kind: how much of a machine is used, where a server is."""


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
    chosen, backend, folder = ingredients(config)
    judge: Judge | None = build(config["judge"]) if config["judge"] else None
    for bench in chosen:
        require(bench.task, judge)
    early = plans(config["stop"], [bench.task.name for bench in chosen])
    if early and judge is not None:
        raise UsageError("stop.baseline: a judge's scores come after the answers; say judge=none")
    counts = {b.task.name: census(b.task, b.rows, config["limit"]) for b in chosen}
    engine: Engine = build(config["engine"])
    with caching(config["data"]), silent(quiet), engine.open(config) as crew:
        if not crew.leads:
            follow(folder, config, chosen, backend, crew)
            return Run(folder=folder, summaries=[], submissions=[])
        with Lock(folder):
            check_same(folder, config)
            if early and crew.facts["processes"] > 1:
                raise UsageError("stop.baseline needs one process: say engine=local")
            with opened(judge):
                sitting = Sitting(
                    folder=folder,
                    config=config,
                    backend=backend,
                    judge=judge,
                    crew=crew,
                    early=early,
                    quiet=quiet,
                )
                return sit(sitting, chosen, counts)


def ingredients(config: Mapping[str, Any]) -> tuple[list[Bench], Backend, Path]:
    """Return the tasks with their rows, the backend and the folder of a run."""
    chosen = benches(config)
    backend: Backend = build({k: v for k, v in config["model"].items() if k not in MODEL_KEYS})
    out = Path(text("out", config["out"]))
    return chosen, backend, out / (config["name"] or default_name(config))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """One stretch of a run, from its start or from where it was stopped."""

    folder: Path
    """The run's folder, which is ours."""
    config: dict[str, Any]
    """The composed config."""
    backend: Backend
    """The model."""
    judge: Judge | None
    """An open judge."""
    crew: Crew
    """The processes."""
    early: Mapping[str, EarlyStop]
    """By benchmark, when it may stop."""
    quiet: bool
    """Whether to show no progress."""


def sit(sitting: Sitting, chosen: list[Bench], counts: Mapping[str, Census]) -> Run:
    """Do one sitting of a run."""
    folder, config = sitting.folder, sitting.config
    data = {bench.task.name: asdict(bench.rows.provenance()) for bench in chosen}
    results = {}
    with sitting.crew.backend(sitting.backend) as backend:
        record = manifest(
            model=config["model"]["name"],
            identity=backend.identity,
            facts=backend.facts,
            data=data,
        )
        record["engine"] = dict(sitting.crew.facts)
        write_atomically(folder / "config.yaml", config_text(config))
        save(folder, record)
        if not sitting.quiet:
            print(f"run {folder}", file=sys.stderr)
        for joint in jointly(chosen):
            rows = {name: count.rows for name, count in counts.items()}
            answered = answer(
                folder, config, joint, rows, backend, sitting.crew, sitting.quiet, sitting.early
            )
            for bench in joint:
                name = bench.task.name
                results[name] = finish(sitting, bench, counts[name], answered[name].keys)
                record["tasks"][name] = dict(answered[name].timing)
            record["backend"] = dict(backend.facts)  # with what it has counted by now
            save(folder, record)
    record["finished"] = now()
    save(folder, record)
    found = [results[bench.task.name] for bench in chosen]
    summaries, submissions = zip(*found, strict=True)
    return Run(
        folder=folder,
        summaries=list(summaries),
        submissions=[file for file in submissions if file is not None],
    )


def finish(
    sitting: Sitting, bench: Bench, count: Census, keys: Mapping[str, str]
) -> tuple[dict[str, Any], Path | None]:
    """Score a task's stored responses and write its results; return the summary."""
    plan = sitting.early.get(bench.task.name)
    task, config, place = bench.task, sitting.config, sitting.folder / bench.task.name
    stored = Responses.read(place / RESPONSES)

    def find(sample: Sample, number: int) -> Response | None:
        return stored.get(keys[sample.id]) if sample.id in keys else None

    limit, verdicts = config["limit"], place / "judge.jsonl"
    judged, name = settle(task, bench.rows, limit, find, sitting.judge, verdicts)
    scored = score_rows(task, bench.rows, limit, judged)
    records = [record for record in scored.records if record.id in keys]
    partial = count.partial or len(records) < count.rows
    summary = summarise(task, records, partial=partial, judge=name)
    summary |= {"model": config["model"]["name"], "data": bench.source}
    summary |= {"stopped": plan.told} if plan else {}
    found = (stored.get(key) for key in keys.values())
    summary["usage"] = usage((response for response in found if response), config["model"])
    summary["n_sampled"] = summary["usage"].pop("sampled")
    write_results(place, records, summary)
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
    kept = {key: value for key, value in config.items() if key not in FREE}
    model = {key: value for key, value in config["model"].items() if key not in FREE_MODEL}
    return {**kept, "data": data_source(config), "model": model}


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


def how_to_resume(argv: list[str]) -> str:
    """Return the line that a stopped run ends with."""
    return f"stopped; every answer so far is kept. To go on, type: evalkit {shlex.join(argv)}"
