"""Grids that are no table of scores, written in the same style."""

from __future__ import annotations

import io

from evalkit.layout import Grid
from evalkit.render import md
from evalkit.terminal import renderable

__all__ = ["markdown", "terminal"]


def terminal(grid: Grid, width: int) -> str:
    """Return what a terminal of some width shows, without colours or trailing blanks."""
    from rich.console import Console

    stream = io.StringIO()
    console = Console(file=stream, width=width, color_system=None, legacy_windows=False)
    console.print(renderable(grid))
    return "\n".join(line.rstrip() for line in stream.getvalue().split("\n"))


def markdown(grid: Grid, width: int = 0) -> str:
    """Return a table of GitHub's Markdown, notes numbered below it."""
    rule = ["---:" if numeric else "---" for numeric in grid.numeric]
    lines = [f"**{md(grid.title)}**", ""] if grid.title else []
    lines += [*(f"- {md(run)}" for run in grid.runs), ""] if grid.runs else []
    body = [[md(cell) for cell in row] for row in grid.rows]
    head = [md(name) for name in grid.headers]
    lines += [f"| {' | '.join(cells)} |" for cells in (head, rule, *body)]
    if grid.notes:
        lines += ["", *(f"{at}. {md(text)}" for at, text in enumerate(grid.notes, start=1))]
    for text in grid.legend:
        lines += ["", md(text)]
    return "\n".join(lines) + "\n"
