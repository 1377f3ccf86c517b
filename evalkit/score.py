"""The score verb: score stored or foreign predictions without a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalkit.catalogue import cards
from evalkit.config import Bench, benches, build
from evalkit.errors import DataError, UsageError
from evalkit.files import dump_json, write_atomically
from evalkit.judges.base import Judge
from evalkit.judging import opened, require, settle
from evalkit.predictions import read_predictions
from evalkit.samples import census
from evalkit.scoring import Scored, score_rows, summarise
from evalkit.store import RESPONSES, response_line, write_results
from evalkit.task import Task
from evalkit.types import Record, Response, Sample

__all__ = ["Outcome", "score"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What scoring gave."""

    summaries: list[dict[str, Any]]
    """One a scorer."""
    parting: list[dict[str, Any]]
    """Items on which scorers disagree: their id, what was read, and each scorer's value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Predictions to be scored."""

    bench: Bench
    """The task and its rows."""
    responses: dict[str, Response]
    """Predictions by id."""
    limit: int | None
    """Only so many rows."""
    partial: bool
    """Whether the limit left rows out."""
    judge: Judge | None
    """An open judge."""
    model: str
    """What the table calls whoever made the predictions."""

    def run(self, task: Task, place: Path) -> tuple[dict[str, Any], list[Record]]:
        """Score under one scorer and write the results.

        Raises:
            DataError: a prediction has no row; the message names its id.
        """
        scored, judge = self.apply(task, place)
        stored = any(
            r.judge is not None or r.extraction is not None for r in self.responses.values()
        )
        names = [*["stored"] * stored, *([judge] if judge else [])]
        summary = summarise(
            task, scored.records, partial=self.partial, judge="+".join(names) or None
        )
        summary |= {"model": self.model, "data": self.bench.source}
        write_results(place, scored.records, summary)
        return summary, scored.records

    def apply(self, task: Task, place: Path) -> tuple[Scored, str | None]:
        """Score every row; return the judge's name too, if it had a say."""
        used: set[str] = set()

        def find(sample: Sample, number: int) -> Response | None:
            used.add(sample.id)
            return self.responses.get(sample.id)

        rows, limit = self.bench.rows, self.limit
        judged, name = settle(task, rows, limit, find, self.judge, place / "judge.jsonl")
        scored = score_rows(task, rows, limit, judged)
        strangers = [key for key in self.responses if key not in used]
        if strangers and limit is None:
            raise DataError(
                f"{task.name}: no row has the id {strangers[0]} that the predictions name "
                f"({len(strangers)} such in all); is this the right split?"
            )
        return scored, name


def score(config: dict[str, Any], *, all_scorers: bool = False) -> Outcome:
    """Score predictions against rows, under one scorer or under all.

    Raises:
        UsageError: no run, predictions or output folder is named, or a judge is needed.
        DataError: a prediction has no row.
    """
    if config["run"] is not None:
        return stored_run(Path(config["run"]), config, all_scorers=all_scorers)
    if not config.get("tasks"):
        names = ", ".join(card.name for card in cards("task"))
        raise UsageError(f"say which task: task=NAME, one of {names}; or which run: run=FOLDER")
    chosen = benches(config)
    if len(chosen) != 1:
        raise UsageError("evalkit score takes one task: task=NAME")
    if config["predictions"] is None:
        raise UsageError('say which predictions: predictions=FILE, lines of {"id", "prediction"}')
    return one_task(chosen[0], Path(config["predictions"]), config, all_scorers=all_scorers)


def stored_run(folder: Path, config: Mapping[str, Any], *, all_scorers: bool) -> Outcome:
    """Score every task of a run anew, from its stored responses and its own config.

    Raises:
        UsageError: the folder holds no run.
    """
    import yaml

    path = folder / "config.yaml"
    if not path.is_file():
        raise UsageError(f"{folder} holds no run: give a folder that has a config.yaml")
    # The C reader: the config of a whole card takes half a second in Python.
    reader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    stored = yaml.load(path.read_text("utf-8"), Loader=reader)
    for card in stored["tasks"].values():
        card["scorer"] = config["scorer"] or card["scorer"]
    limit = stored["limit"] if config["limit"] is None else config["limit"]
    summaries: list[dict[str, Any]] = []
    parting: list[dict[str, Any]] = []
    for bench in benches(stored):
        name = bench.task.name
        place = {**config, "out": named_out(config) / name, "limit": limit}
        found = one_task(bench, folder / name / RESPONSES, place, all_scorers=all_scorers)
        summaries += [summary | {"model": stored["model"]["name"]} for summary in found.summaries]
        parting += found.parting
    return Outcome(summaries=summaries, parting=parting)


def named_out(config: Mapping[str, Any]) -> Path:
    """Return the folder that results go to."""
    if config["out"] is None:
        raise UsageError("say where results go: out=FOLDER")
    return Path(config["out"])


def one_task(bench: Bench, file: Path, config: Mapping[str, Any], *, all_scorers: bool) -> Outcome:
    """Score one task's predictions."""
    out = named_out(config)
    responses = read_predictions(file, bench.task, bench.rows)
    count = census(bench.task, bench.rows, config["limit"])
    judge: Judge | None = build(config["judge"]) if config["judge"] else None
    if all(response.judge is None for response in responses.values()):
        require(bench.task, judge)
    with opened(judge):
        job = Job(
            bench=bench,
            responses=responses,
            limit=config["limit"],
            partial=count.partial,
            judge=judge,
            model=file.stem,
        )
        outcome = every_scorer(job, out) if all_scorers else one_scorer(job, out)
    keep_answers(out / RESPONSES, file, responses)
    return outcome


def keep_answers(target: Path, file: Path, responses: Mapping[str, Response]) -> None:
    """Write what was scored beside its scores, so that ``evalkit explain`` can read it.

    A run scored into its own folder keeps its file: that one is the truth.
    """
    if target.resolve() != file.resolve():
        lines = (dump_json(response_line(response)) for response in responses.values())
        write_atomically(target, "".join(line + "\n" for line in lines))


def one_scorer(job: Job, out: Path) -> Outcome:
    """Score under the scorer that was picked."""
    summary, _ = job.run(job.bench.task, make(out))
    return Outcome(summaries=[summary], parting=[])


def every_scorer(job: Job, out: Path) -> Outcome:
    """Score under every scorer, each in a folder of its own, and say where they part."""
    summaries, found = [], {}
    for name in job.bench.task.scorers:
        task = replace(job.bench.task, scorer=name)
        summary, found[name] = job.run(task, make(out / name))
        summaries.append(summary)
    parting = [
        {
            "id": items[0].id,
            "parsed": {name: item.parsed for name, item in zip(found, items, strict=True)},
            "scores": {name: item.score for name, item in zip(found, items, strict=True)},
        }
        for items in zip(*found.values(), strict=True)
        if len({item.score or 0.0 for item in items}) > 1
    ]
    text = "".join(dump_json(line) + "\n" for line in parting)
    write_atomically(out / "parting.jsonl", text)
    return Outcome(summaries=summaries, parting=parting)


def make(folder: Path) -> Path:
    """Make a folder where there is none yet."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make folder {folder}: {error.strerror}") from error
    return folder
