"""What a run ends with: its table, printed and kept, and what the reader must know of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from evalkit.files import write_atomically
from evalkit.published import for_model
from evalkit.render import render
from evalkit.run import Run
from evalkit.table import Table, build
from evalkit.terminal import show

__all__ = ["display", "report"]

ENDINGS = {"markdown": "md", "csv": "csv", "latex": "tex", "json": "json"}
"""The forms that a run keeps its table in, and their files' endings."""


LOG_WIDTH = 100
"""Columns of a table in a log file."""


def report(run: Run, config: Mapping[str, Any], *, verbose: bool = False) -> None:
    """Print a run's table and keep it beside the run in every form.

    A process that only helped another's run has nothing to show.
    """
    if not run.summaries:
        return
    model = config["model"]
    published = for_model(model["published"]) if model.get("published") else None
    table = build({run.folder.name: run.summaries}, published, subsets=verbose)
    keep(run, table)
    display(table)
    if model.get("note"):
        print(f"\n{model['note']}")
    for path in run.submissions:
        print(f"\nno score: the answers are private. Send {path} to the benchmark's server.")
    print(f"\nresults in {run.folder}")


def keep(run: Run, table: Table) -> None:
    """Write the table into the run's folder, once in each form."""
    for form, ending in ENDINGS.items():
        write_atomically(run.folder / f"table.{ending}", render(table, form))


def display(table: Table, form: str = "terminal") -> None:
    """Print a table: in colour on a terminal that has them, plain in a log file."""
    if form != "terminal":
        print(render(table, form), end="")
        return
    from rich.console import Console

    # A log file has no width of its own; 100 columns fit every viewer of logs.
    show(table, Console(width=None if sys.stdout.isatty() else LOG_WIDTH))
