"""Scores in rows: published, other people's, and those of one or more runs.

`build` arranges summaries; ``evalkit.layout`` says what a table reads like and ``evalkit.render``
writes it for a terminal, in Markdown, CSV, LaTeX or JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalkit.cells import Cell, Verdict, cell_from, judged, printed
from evalkit.published import Entry, Published

__all__ = ["Cell", "Gap", "Row", "Table", "Verdict", "build"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How one run's score differs from the first run's."""

    run: str
    """The run."""
    base: str
    """The first run."""
    value: float | None = None
    """Its score less the first run's, on the metric's scale; ``None`` where there is a reason."""
    interval: tuple[float, float] | None = None
    """95 % confidence interval of the difference; ``None`` where nothing measures it."""
    kind: str = ""
    """``paired``: on the same questions, item by item; ``unpaired``: from the two intervals."""
    n: int | None = None
    """Questions compared."""
    differ: int | None = None
    """Questions whose scores differ, where they are paired."""
    reason: str = ""
    """Why the two scores may not be compared."""
    remark: str = ""
    """What else differs between the two, though they may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One benchmark, or a subset of one."""

    name: str
    """What it is called, as the model card prints it."""
    variant: str = ""
    """What sets it apart where a run has several scores for one benchmark."""
    cells: tuple[Cell | None, ...]
    """One a run; ``None`` where a run has no score for it."""
    entry: Entry | None = None
    """The published number that the row shows: the compared one, or else the card's."""
    card: Entry | None = None
    """The card's own number."""
    others: tuple[Entry, ...] = ()
    """Other people's numbers on the same questions; none where the runs asked others."""
    gaps: tuple[Gap, ...] = ()
    """The differences of the second run and later ones from the first."""
    subset: bool = False
    """Whether it is a subset of the benchmark above."""

    @property
    def scored(self) -> tuple[Cell, ...]:
        """The runs' scores that there are."""
        return tuple(cell for cell in self.cells if cell is not None)

    @property
    def digits(self) -> int:
        """Decimals to print: those of the published number that the row shows."""
        least = 0 if self.scored and self.scored[0].scale == "points" else 1
        return max(least, self.entry.digits) if self.entry else least

    @property
    def range(self) -> str:
        """Other people's numbers, as one or from the least to the greatest."""
        values = sorted(entry.value for entry in self.others)
        ends = dict.fromkeys(printed(value, self.digits) for value in values[:1] + values[-1:])
        return " to ".join(ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows in the order of the model card, then in the runs' own."""

    runs: tuple[str, ...]
    """The runs' short names, one a column."""
    rows: tuple[Row, ...]
    """The benchmarks."""
    published: Published | None = None
    """What the runs are shown beside."""
    paths: tuple[str, ...] = ()
    """Where the runs are, in the order of their names; empty where that is of no interest."""
    remarks: tuple[str, ...] = ()
    """What else must be said below the table."""

    @classmethod
    def of(
        cls,
        summaries: Sequence[Mapping[str, Any]],
        published: Published | None = None,
        *,
        subsets: bool = False,
    ) -> Table:
        """Return the table of one run; see `build`."""
        return build({"": summaries}, published, subsets=subsets)

    @property
    def expected(self) -> bool:
        """Whether the runs are shown beside what the built-in model scored when it was made."""
        entries = self.published.entries if self.published else ()
        return bool(entries) and all(entry.kind == "expected" for entry in entries)

    @property
    def protocols(self) -> tuple[str, ...]:
        """The protocols in it, in order."""
        return self._found("protocol")

    @property
    def models(self) -> tuple[str, ...]:
        """The models in it, in order."""
        return self._found("model")

    def _found(self, name: str) -> tuple[str, ...]:
        cells = [cell for row in self.rows for cell in row.scored]
        return tuple(dict.fromkeys(text for cell in cells if (text := getattr(cell, name))))


def build(
    runs: Mapping[str, Sequence[Mapping[str, Any]]],
    published: Published | None = None,
    *,
    subsets: bool = False,
) -> Table:
    """Arrange summaries in rows.

    Args:
        runs: by the run's name, the contents of its ``summary.json`` files.
        published: what to show them beside.
        subsets: whether the metrics over subsets follow their benchmark, each in a row.

    Raises:
        UsageError: something given is not a summary.
    """
    cells = [judged(cell_from(s, run), published) for run, found in runs.items() for s in found]
    known = published.tasks if published else ()
    tasks = dict.fromkeys(cell.task for cell in cells)
    order = [task for task in known if task in tasks] + [t for t in tasks if t not in known]
    rows: list[Row] = []
    for task in order:
        for variant, group in _groups([cell for cell in cells if cell.task == task]):
            row = replace(_row(group, list(runs), published), variant=variant)
            rows.append(row)
            if subsets:
                rows.extend(_subset_rows(row))
    return Table(runs=tuple(runs), rows=tuple(rows), published=published)


def _groups(cells: Sequence[Cell]) -> list[tuple[str, list[Cell]]]:
    """Return the cells of one task by row: one row, unless a run has several of them."""
    names = [cell.run for cell in cells]
    if len(set(names)) == len(names):
        return [("", list(cells))]
    groups: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.protocol, cell.scorer, cell.judge or ""), []).append(cell)
    apart = [at for at, values in enumerate(zip(*groups, strict=True)) if len(set(values)) > 1]
    return [(", ".join(key[at] for at in apart), group) for key, group in groups.items()]


def _row(group: Sequence[Cell], runs: Sequence[str], published: Published | None) -> Row:
    by_run = {cell.run: cell for cell in group}
    cells = tuple(by_run.get(run) for run in runs)
    if published is None:
        return Row(name=group[0].task, cells=cells)
    task = group[0].task
    card = next(iter(published.of(task, "published")), None)
    compared = [c for c in group if c.verdict.comparable]
    entry = (compared or group)[0].verdict.entry
    others = published.of(task, "others") if compared else ()
    return Row(
        name=published.label(task),
        cells=cells,
        entry=entry,
        card=card,
        others=tuple(o for o in others if entry and (o.split, o.form) == (entry.split, entry.form)),
    )


def _subset_rows(row: Row) -> list[Row]:
    """Return a row for every subset of a benchmark, in the order of its summary."""
    names = dict.fromkeys(name for cell in row.scored for name in cell.parts)
    return [
        Row(
            name=name,
            cells=tuple(_part(cell, name) for cell in row.cells),
            subset=True,
        )
        for name in names
    ]


def _part(cell: Cell | None, name: str) -> Cell | None:
    if cell is None or name not in cell.parts:
        return None
    return replace(
        cell,
        value=cell.parts[name],
        metric=f"{cell.metric}/{name}",
        n=None,
        interval=None,
        bounds=None,
        counts={},
        parts={},
        verdict=Verdict(),
    )
