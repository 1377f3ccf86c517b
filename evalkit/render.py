"""Writes a table as text: for a terminal, or in Markdown, CSV, LaTeX or JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from evalkit.cells import COUNTS, Cell
from evalkit.errors import UsageError, nearest
from evalkit.layout import fitting
from evalkit.table import Gap, Row, Table
from evalkit.terminal import terminal

__all__ = ["FORMS", "as_dict", "render"]


def render(table: Table, form: str = "terminal", width: int = 80) -> str:
    """Return a table as text without colours.

    Args:
        table: the table.
        form: ``terminal`` or a name in `FORMS`.
        width: columns of the terminal; the other forms do not need it.

    Raises:
        UsageError: there is no such form.
    """
    if form == "terminal":
        return terminal(table, width)
    if form not in FORMS:
        raise UsageError(nearest("table format", form, ["terminal", *FORMS]))
    return FORMS[form](table)


def markdown(table: Table) -> str:
    """Return a table of GitHub's Markdown, notes numbered below it."""
    grid = fitting(table, None)
    rule = ["---:" if numeric else "---" for numeric in grid.numeric]
    head = [*grid.headers[:-1], "Note"]
    lines = [f"**{md(grid.title)}**", ""] if grid.title else []
    lines += [*(f"- {md(run)}" for run in grid.runs), ""] if grid.runs else []
    body = [_indented(map(md, row), row, "&nbsp;&nbsp;") for row in grid.rows]
    lines += [f"| {' | '.join(cells)} |" for cells in (map(md, head), rule, *body)]
    if grid.notes:
        lines += ["", *(f"{at}. {md(text)}" for at, text in enumerate(grid.notes, start=1))]
    for text in grid.legend:
        lines += ["", md(text)]
    return "\n".join(lines) + "\n"


def md(text: str) -> str:
    for mark in "\\`*_|<":
        text = text.replace(mark, "\\" + mark)
    return text.strip().replace("\n", "<br>")


def _indented(cells: Iterable[str], row: Sequence[str], indent: str) -> list[str]:
    """Return a row's cells, the first set in where its text is."""
    first, *rest = cells
    return [f"{indent}{first}" if row[0].startswith("  ") else first, *rest]


def latex(table: Table) -> str:
    """Return a LaTeX tabular with the rules of the booktabs package, notes below it."""
    grid = fitting(table, None)
    spec = "".join("r" if numeric else "l" for numeric in grid.numeric)
    head = [*grid.headers[:-1], "Note"]
    lines = ["% needs \\usepackage{booktabs}", f"\\begin{{tabular}}{{{spec}}}", "\\toprule"]
    lines += [_tex_row(head), "\\midrule", *map(_tex_row, grid.rows), "\\bottomrule"]
    lines.append("\\end{tabular}")
    below = [f"{at}. {text}" for at, text in enumerate(grid.notes, start=1)]
    below += [*grid.runs, *grid.legend]
    lines += ["\\par{\\footnotesize", *(f"{_tex(text)}\\par" for text in below), "}"]
    return "\n".join(lines) + "\n"


TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "\n": ", ",
} | {mark: f"\\{mark}" for mark in "&%$#_{}"}


def _tex(text: str) -> str:
    text = "".join(TEX.get(mark, mark) for mark in text.strip())
    return re.sub(r"(?<![\w-])-(?=[\d ])", "$-$", text)


def _tex_row(cells: Sequence[str]) -> str:
    return " & ".join(_indented(map(_tex, cells), cells, "\\quad ")) + " \\\\"


def csv_text(table: Table) -> str:
    """Return a line for every score and every difference, numbers unrounded."""
    stream = io.StringIO()
    lines = list(_records(table))
    writer = csv.DictWriter(stream, list(lines[0]) if lines else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()


def _records(table: Table) -> Iterator[dict[str, Any]]:
    paths = dict(zip(table.runs, table.paths, strict=False))
    for row in table.rows:
        gaps = {gap.run: gap for gap in row.gaps}
        for cell in row.scored:
            gap = gaps.get(cell.run, Gap(run=cell.run, base=""))
            yield {"run": cell.run, "path": paths.get(cell.run, "")} | _record(row, cell, gap)


def _record(row: Row, cell: Cell, gap: Gap) -> dict[str, Any]:
    low, high = cell.interval or (None, None)
    wrong, right = cell.bounds or (None, None)
    least, most = gap.interval or (None, None)
    entry = None if row.subset else cell.verdict.entry or row.entry
    return {
        "benchmark": cell.task,
        "subset": row.name if row.subset else "",
        "model": cell.model,
        "protocol": cell.protocol,
        "scorer": cell.scorer,
        "judge": cell.judge,
        "split": cell.split,
        "metric": cell.metric,
        "scale": cell.scale,
        "score": cell.value,
        "low": low,
        "high": high,
        "as_wrong": wrong,
        "as_right": right,
        "n": cell.n,
        **{name: cell.counts.get(name, 0) for name in COUNTS},
        "published": entry.printed if entry else None,
        "published_split": entry.split if entry else None,
        "tolerance": entry.tolerance if entry else None,
        "others": " ".join(other.printed for other in row.others),
        "verdict": cell.verdict.text,
        "reason": cell.verdict.reason,
        "base": gap.base,
        "difference": gap.value,
        "difference_low": least,
        "difference_high": most,
        "difference_kind": gap.kind,
        "difference_n": gap.n,
        "differing": gap.differ,
        "difference_reason": gap.reason,
    }


def as_dict(table: Table) -> dict[str, Any]:
    """Return everything that the table holds, as JSON has it."""
    published = table.published
    return {
        "runs": list(table.runs),
        "paths": list(table.paths),
        "remarks": list(table.remarks),
        "published": {"name": published.name, "model": published.model} if published else None,
        "rows": [asdict(row) for row in table.rows],
    }


def json_text(table: Table) -> str:
    """Return the table as JSON, numbers unrounded and every source with them."""
    return json.dumps(as_dict(table), ensure_ascii=False, indent=2) + "\n"


FORMS: Mapping[str, Callable[[Table], str]] = {
    "markdown": markdown,
    "csv": csv_text,
    "latex": latex,
    "json": json_text,
}
"""Text forms by name."""
