"""Runs written to disk without a model: what the tests of explain, gate and baseline read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.store import response_line, write_results
from evalkit.types import Record, Response

ASKED = ("row", "prompt", "media", "pixels", "tokens", "generation")


def digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def digests(name: str) -> dict[str, str]:
    """Return a question's fingerprints as a backend reports them."""
    return {stage: digest(stage, name) for stage in ASKED[:-1]} | {"generation": digest("greedy")}


def draw(n: int, *, right: float = 0.75, size: int = 3) -> list[tuple[Record, Response]]:
    """Return questions with their replies: the first of every four wrong, at ``right`` 0.75."""
    pairs = []
    for at in range(n):
        good = at % 100 >= 100 * (1 - right)
        text = f"answer {at}" if good else f"mistake {at}"
        record = Record(
            id=str(at),
            score=float(good),
            status="ok",
            parsed=text,
            subsets=("even" if at % 2 == 0 else "odd",),
            cluster=f"page{at // size}",
        )
        answer = Response(
            id=str(at),
            text=text,
            finish_reason="stop",
            key=digest("key", at),
            digests=digests(str(at)),
        )
        pairs.append((record, answer))
    return pairs


def summary(records: Sequence[Record], **more: Any) -> dict[str, Any]:
    """Return the summary of some records; ``scale="points"`` adds them up."""
    counts = {
        f"n_{name}": sum(r.status == name for r in records)
        for name in ("missing", "unparsed", "failed", "judge_failed")
    }
    judged = [r for r in records if r.status != "judge_failed"]
    total = sum(r.score or 0.0 for r in judged)
    value = total if more.get("scale") == "points" else 100 * total / max(1, len(judged))
    task = more.get("task", "docvqa")
    return {
        "task": task, "version": "1", "protocol": "release", "scorer": "official", "label": task,
        "split": "validation", "n": len(records), **counts,
        "n_truncated": sum(r.truncated for r in records), "metrics": {"anls": value},
        "primary": "anls", "scale": "percent", "interval": None, "bounds": None,
        "partial": False, "judge": None, "model": "m", "data": "hub",
    } | more  # fmt: skip


def write_run(
    folder: Path,
    pairs: Sequence[tuple[Record, Response | None]],
    *,
    settings: Mapping[str, Any] | None = None,
    **more: Any,
) -> Path:
    """Write a run of one task and return the run's folder; ``settings`` go into its manifest."""
    place = folder / str(more.get("task", "docvqa"))
    place.mkdir(parents=True)
    records = [record for record, _ in pairs]
    write_results(place, records, summary(records, **more))
    lines = [json.dumps(response_line(answer)) + "\n" for _, answer in pairs if answer]
    if lines:
        (place / "responses.jsonl").write_text("".join(lines), "utf-8")
    manifest = {"identity": {"model": "m", "revision": "abc"}, "versions": {"torch": "2.13.0"}}
    manifest |= {"started": digest(folder)} | dict(settings or {})
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return folder
