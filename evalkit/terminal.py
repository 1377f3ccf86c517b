"""Writes a table for a terminal or a CI log: readable at 80 columns, and without colours."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from evalkit.layout import GAP, Grid, fitting
from evalkit.table import Table

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["show", "terminal"]


def show(table: Table, console: Console) -> None:
    """Print a table, coloured where the console has colours."""
    console.print(renderable(fitting(table, console.width)))


def terminal(table: Table, width: int) -> str:
    """Return what a terminal of some width shows, without colours or trailing blanks."""
    from rich.console import Console

    stream = io.StringIO()
    console = Console(file=stream, width=width, color_system=None, legacy_windows=False)
    show(table, console)
    return "\n".join(line.rstrip() for line in stream.getvalue().split("\n"))


STYLES = {
    "reproduced": "green",
    "below": "yellow",
    "above": "yellow",
    "not comparable": "dim",
}


def renderable(grid: Grid) -> RenderableType:
    from rich import box
    from rich.console import Group
    from rich.table import Table as RichTable
    from rich.text import Text

    body = RichTable(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, GAP - 1, 0, 0),
        header_style="bold",
    )
    last = len(grid.headers) - 1
    for at, (name, numeric) in enumerate(zip(grid.headers, grid.numeric, strict=True)):
        body.add_column(
            Text(name),
            justify="right" if numeric else "left",
            style="dim" if at == last else "",
            overflow="fold",
            no_wrap=0 < at < last,
        )
    for at, cells in enumerate(grid.rows):
        body.add_row(*map(_styled, cells))
        if at in grid.ends and at + 1 < len(grid.rows):
            body.add_row()
    above: list[RenderableType] = [Text(grid.title, style="bold")] if grid.title else []
    above += [Text(line, style="dim") for line in grid.runs]
    return Group(*above, *([Text()] if above else []), body, *_below(grid))


def _styled(text: str) -> RenderableType:
    from rich.text import Text

    found = Text()
    for at, line in enumerate(text.split("\n")):
        style = next((s for word, s in STYLES.items() if line.startswith(word)), "")
        found.append(("\n" if at else "") + line, style=style)
    return found


def _below(grid: Grid) -> Iterator[RenderableType]:
    """Yield the numbered notes, then the legend."""
    from rich.table import Table as RichTable
    from rich.text import Text

    if grid.notes:
        notes = RichTable.grid(padding=(0, 2))
        notes.add_column(justify="right", style="dim")
        notes.add_column(style="dim", overflow="fold")
        for at, text in enumerate(grid.notes, start=1):
            notes.add_row(str(at), Text(text))
        yield Text()
        yield notes
    if grid.legend:
        yield Text()
        for line in grid.legend:
            yield Text(line, style="dim")
