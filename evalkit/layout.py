"""What a table reads like: which columns and which words, whatever it is written in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from evalkit.cells import Cell, printed
from evalkit.notes import Notes, about_cell, about_entry, about_gap, legend
from evalkit.table import Gap, Row, Table

__all__ = ["Grid", "blocks", "columns", "fitting", "overview"]

GAP = 2
"""Blanks between columns in a terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table as text."""

    title: str
    """One line; empty where there is nothing to say."""
    runs: tuple[str, ...]
    """What each run's short name stands for, a line each; empty where there is one run."""
    headers: tuple[str, ...]
    """The columns' names."""
    numeric: tuple[bool, ...]
    """Which columns are set to the right."""
    rows: tuple[tuple[str, ...], ...]
    """The cells; a newline in one starts its second line."""
    ends: frozenset[int] = frozenset()
    """Rows that end a block."""
    notes: tuple[str, ...] = ()
    """What the numbers in the last column refer to, from 1."""
    legend: tuple[str, ...] = ()
    """What holds for the whole table."""


def fitting(table: Table, width: int | None) -> Grid:
    """Return the layout that fits a width in columns, or the fullest where it is ``None``."""
    if len(table.runs) < 2:
        full, small = overview(table, wide=True), overview(table, wide=False)
    else:
        full, small = columns(table), blocks(table)
    return full if width is None or _natural(full) <= width else small


def _natural(grid: Grid) -> int:
    """Return the width that a grid takes without folding a cell."""
    by_column = zip(grid.headers, *grid.rows, strict=True)
    widths = [max(len(line) for cell in c for line in cell.split("\n")) for c in by_column]
    return sum(widths) + GAP * (len(widths) - 1)


def overview(table: Table, *, wide: bool) -> Grid:
    """Return the table of one run: a benchmark a row.

    Args:
        table: a table of one run.
        wide: whether the split and other people's numbers get columns of their own.
    """
    notes = Notes()
    rows, shown = [], _shown(table, wide=wide)
    scores = _aligned([_score(row.scored[0], row.digits) for row in table.rows])
    for row, score in zip(table.rows, scores, strict=True):
        cell = row.scored[0]
        text = {
            "Benchmark": f"  {row.name}" if row.subset else row.name,
            "Protocol": "" if row.subset else cell.protocol,
            "Scorer": "" if row.subset else cell.scorer,
            "Split": "" if row.subset else cell.split,
            "Published": row.entry.printed if row.entry else "",
            "Others": row.range,
            "This run": score,
            "n": _count(cell.n),
            "Verdict": cell.verdict.text,
        }
        mark = notes.mark([*about_entry(row), *about_cell(row, cell)])
        rows.append((*(text[name] for name in shown), mark))
    return Grid(
        title=_title(table),
        runs=_runs(table),
        headers=(*(_column(table) if name == "Published" else name for name in shown), ""),
        numeric=(*(name in ("Published", "Others", "n") for name in shown), False),
        rows=tuple(rows),
        notes=tuple(notes.texts),
        legend=tuple(legend(table, others=not wide)),
    )


def _shown(table: Table, *, wide: bool) -> list[str]:
    """Return the columns of an overview that have something to say."""
    cells = [cell for row in table.rows for cell in row.scored]
    uses = {
        "Benchmark": True,
        "Protocol": len(table.protocols) > 1,
        "Scorer": len({(c.task, c.metric, c.protocol) for c in cells}) < len(cells),
        "Split": wide,
        "Published": any(row.entry for row in table.rows),
        "Others": wide and any(row.others for row in table.rows),
        "This run": True,
        "n": True,
        "Verdict": any(cell.verdict.word for cell in cells),
    }
    return [name for name, use in uses.items() if use]


def _column(table: Table) -> str:
    """Return what the column of numbers to compare with is called."""
    return "Expected" if table.expected else "Published"


def columns(table: Table) -> Grid:
    """Return several runs side by side: a benchmark a row, a run a column."""
    notes = Notes()
    base, *later = table.runs
    rows = []
    for row in table.rows:
        cells = [_label(row), row.entry.printed if row.entry else ""]
        cells += [_with_verdict(cell, row.digits) for cell in row.cells]
        gaps = {gap.run: gap for gap in row.gaps}
        cells += [_gap_text(gaps[run], row.digits) if run in gaps else "" for run in later]
        remarks = about_entry(row)
        for cell in row.scored:
            remarks += [f"{cell.run}: {text}" for text in about_cell(row, cell)]
        remarks += [text for gap in row.gaps for text in about_gap(gap)]
        rows.append((*cells, notes.mark(remarks)))
    return Grid(
        title=_title(table),
        runs=_runs(table),
        headers=("Benchmark", _column(table), *table.runs, *(f"{r} - {base}" for r in later), ""),
        numeric=(False, True, *(False for _ in (*table.runs, *later)), False),
        rows=tuple(rows),
        notes=tuple(notes.texts),
        legend=tuple(legend(table, others=True)),
    )


def blocks(table: Table) -> Grid:
    """Return several runs one below the other: a block a benchmark, which fits any width."""
    notes = Notes()
    lines: list[tuple[str, ...]] = []
    ends = set()
    for row in table.rows:
        block = enumerate(_block(row, notes))
        lines += [("" if at else _label(row), *line) for at, line in block]
        ends.add(len(lines) - 1)
    scores = _aligned([line[2] for line in lines])
    return Grid(
        title=_title(table),
        runs=_runs(table),
        headers=("Benchmark", "Run", "Score", "n", "Verdict", ""),
        numeric=(False, False, False, True, False, False),
        rows=tuple((*line[:2], s, *line[3:]) for line, s in zip(lines, scores, strict=True)),
        ends=frozenset(ends),
        notes=tuple(notes.texts),
        legend=tuple(legend(table, others=True)),
    )


def _block(row: Row, notes: Notes) -> Iterator[tuple[str, ...]]:
    """Yield the lines of a benchmark: the published number, each run's, each difference."""
    if row.entry:
        mark = notes.mark(about_entry(row))
        word = "expected" if row.entry.kind == "expected" else "published"
        yield word, row.entry.printed, _count(row.entry.n), "", mark
    for cell in row.scored:
        mark = notes.mark([f"{cell.run}: {text}" for text in about_cell(row, cell)])
        yield cell.run, _score(cell, row.digits), _count(cell.n), cell.verdict.text, mark
    for gap in row.gaps:
        text, _, kind = _gap_text(gap, row.digits).partition("\n")
        yield f"{gap.run} - {gap.base}", text, _count(gap.n), kind, notes.mark(about_gap(gap))


def _aligned(texts: list[str]) -> list[str]:
    """Return scores with their intervals, the scores set to the right; words stay as they are."""
    parts = [text.partition(" [") for text in texts]
    width = max((len(score) for score, _, _ in parts if score[-1:].isdigit()), default=0)
    return [
        f"{score:>{width}}{mark}{rest}" if score[-1:].isdigit() else score
        for score, mark, rest in parts
    ]


def _score(cell: Cell, digits: int) -> str:
    """Return a score with its interval."""
    if cell.value is None:
        return "-"
    return printed(cell.value, digits) + _brackets(cell.interval, digits)


def _with_verdict(cell: Cell | None, digits: int) -> str:
    """Return a score with its interval, and its verdict in a second line."""
    if cell is None:
        return ""
    return "\n".join(filter(None, (_score(cell, digits), cell.verdict.text)))


def _gap_text(gap: Gap, digits: int) -> str:
    """Return a difference with its interval, and how it was made in a second line."""
    if gap.value is None:
        return "not comparable"
    text = printed(gap.value, digits, sign=True) + _brackets(gap.interval, digits, sign=True)
    return f"{text}\n{gap.kind}"


def _brackets(interval: tuple[float, float] | None, digits: int, *, sign: bool = False) -> str:
    if interval is None:
        return ""
    low, high = (printed(end, digits, sign=sign) for end in interval)
    return f" [{low}, {high}]"


def _count(n: int | None) -> str:
    return "" if n is None else str(n)


def _label(row: Row) -> str:
    name = f"{row.name} ({row.variant})" if row.variant else row.name
    return f"  {name}" if row.subset else name


def _title(table: Table) -> str:
    parts = list(table.models) if len(table.models) == 1 else []
    if len(table.protocols) == 1 and table.protocols[0]:
        parts.append(f"protocol {table.protocols[0]}")
    return ", ".join(parts)


def _runs(table: Table) -> tuple[str, ...]:
    """Return what each run's short name stands for, with what sets the runs apart."""
    lines = []
    for at, (run, path) in enumerate(zip(table.runs, table.paths, strict=False)):
        cells = [row.cells[at] for row in table.rows]
        facts = [
            ", ".join(dict.fromkeys(getattr(cell, name) for cell in cells if cell))
            for name, found in (("model", table.models), ("protocol", table.protocols))
            if len(found) > 1
        ]
        lines.append(f"{run}  {path}" + (f" ({'; '.join(facts)})" if facts else ""))
    return tuple(lines)
