"""What a run of the canary scored becomes what every later run is shown beside.

    python -m evalkit.canary.training.record RUN

It writes ``results/published/canary.yaml``. Do it with a plain default run, once after training.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.files import write_atomically
from evalkit.published import for_model

__all__ = ["main", "text"]

ROOT = Path(__file__).parents[3]

TOLERANCE = 2
"""Answers that other kernels may turn."""

UNJUDGED = {"mmvet": "mmvet_smoke"}
"""What a run asks instead of a benchmark that wants a judge."""

HEAD = """\
# What the built-in model scores on the built-in set: evalkit.canary.training.record wrote this.
#
# tolerance: two answers more or less, which another machine's kernels may turn.
model: canary
tables:
  - kind: expected
    title: expected of the canary
    source: a default run with the weights in evalkit/canary
    date: {date}
    entries:
"""

ENTRY = """\
      - task: {task}
        label: {label}
        value: {value}
        split: {split}
        n: {n}
        metric: {metric}
        scale: {scale}
        tolerance: {tolerance}
        reason: two answers of {n}
"""


def text(summaries: Sequence[Mapping[str, Any]], date: str) -> str:
    """Return the file for a run's summaries, in the order of the model card."""
    card = for_model("qwen2_vl_2b")
    assert card is not None, "it comes with the package"
    by_task = {summary["task"]: summary for summary in summaries}
    entries = []
    for name in card.tasks:
        task = UNJUDGED.get(name, name)
        if task not in by_task:
            continue
        summary, label = by_task[task], card.label(name)
        points = summary["scale"] == "points"
        whole = summary["n"] if points else 100
        entries.append(
            ENTRY.format(
                task=task,
                label=label if task == name else f"{label} without a judge",
                value=f"{summary['metrics'][summary['primary']]:.{0 if points else 1}f}",
                split=summary["split"],
                n=summary["n"],
                metric=summary["primary"],
                scale=summary["scale"],
                tolerance=TOLERANCE * whole / summary["n"],
            )
        )
    return HEAD.format(date=date) + "".join(entries)


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    summaries = [json.loads(path.read_text("utf-8")) for path in run.glob("*/summary.json")]
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    path = ROOT / "results" / "published" / "canary.yaml"
    write_atomically(path, text(summaries, today))
    print(path)


if __name__ == "__main__":
    main()
