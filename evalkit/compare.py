"""Runs beside published numbers and each other, read from disk.

A difference is given only where two runs asked the same questions under the same split, metric,
scale and judge. It is paired, question by question, wherever both runs keep their scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import hypot
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from evalkit.baseline import read as read_baseline
from evalkit.cells import BUILTIN, Cell, cell_from
from evalkit.errors import UsageError, nearest
from evalkit.metrics.summary import counted
from evalkit.published import Published, for_model, known
from evalkit.store import find_results, read_records, read_summary
from evalkit.table import Gap, Row, Table, build
from evalkit.types import Record

__all__ = ["compare", "difference"]

Records = Callable[[], list[Record]]
"""Reads the scored samples of one result: only those that are compared are read."""

Key = tuple[str, str, str, str, str | None]
"""Which of a run's results a cell shows: run, task, protocol, scorer and judge."""


def compare(paths: Sequence[Path], published: str | None = None, *, subsets: bool = False) -> Table:
    """Return the table of some runs, with their differences from the first.

    Args:
        paths: folders of runs, or of what ``evalkit score`` wrote.
        published: a name in ``results/published``; ``None`` takes the one that the runs name.
        subsets: whether subsets get rows.

    Raises:
        UsageError: a folder holds no results, or the name is unknown.
    """
    if len(paths) > len(ascii_uppercase):
        raise UsageError(f"{len(paths)} runs are too many: compare at most {len(ascii_uppercase)}")
    names = list(ascii_uppercase[: len(paths)]) if len(paths) > 1 else [""]
    found = {name: results(path) for name, path in zip(names, paths, strict=True)}
    beside, remarks = _published(paths, published)
    summaries = {name: [summary for summary, _ in several] for name, several in found.items()}
    table = build(summaries, beside, subsets=subsets)
    places = {
        _key(cell_from(summary, name)): records
        for name, several in found.items()
        for summary, records in several
    }
    return replace(
        table,
        paths=tuple(map(str, paths)) if len(paths) > 1 else (),
        remarks=remarks,
        rows=tuple(row if row.subset else _with_gaps(row, places) for row in table.rows),
    )


def difference(base: Cell, other: Cell, before: list[Record], after: list[Record]) -> Gap:
    """Return how one score differs from another, or why that cannot be said.

    Args:
        base: the score that is taken away.
        other: the score that it is taken from.
        before: the scored questions behind ``base``; empty where they are not at hand.
        after: the same for ``other``.
    """
    gap = Gap(run=other.run, base=base.run)
    if reason := _unlike(base, other) or _other_questions(base, other, before, after):
        return replace(gap, reason=f"{gap.run} - {gap.base}: {reason}")
    assert base.value is not None, "refused before"
    assert other.value is not None, "refused before"
    gap = replace(gap, value=other.value - base.value, remark=_remark(base, other))
    if before and after:
        return _paired(gap, base.scale, before, after)
    return replace(gap, kind="unpaired", interval=_unpaired(gap.value or 0.0, base, other))


def _paired(gap: Gap, scale: str, before: list[Record], after: list[Record]) -> Gap:
    from evalkit.stats import paired_difference

    later = {record.id: record for record in after}
    pairs = [
        (old, new, record.cluster)
        for record in before
        if (old := counted(record)) is not None and (new := counted(later[record.id])) is not None
    ]
    if not pairs:
        return replace(gap, kind="unpaired")
    old_scores, new_scores, clusters = zip(*pairs, strict=True)
    found = paired_difference(new_scores, old_scores, clusters=clusters)
    factor = float(len(pairs)) if scale == "points" else 100.0
    # Around the difference of the scores as printed: a macro average differs from the items' mean.
    shift = (gap.value or 0.0) - factor * found.difference
    return replace(
        gap,
        kind="paired",
        interval=(factor * found.low + shift, factor * found.high + shift),
        n=len(pairs),
        differ=found.n_differ,
    )


def _unpaired(value: float, base: Cell, other: Cell) -> tuple[float, float] | None:
    """Return an interval from those of the two scores, taken as independent."""
    if base.interval is None or other.interval is None:
        return None
    reach = hypot(*((c[1] - c[0]) / 2 for c in (base.interval, other.interval)))
    return value - reach, value + reach


def _unlike(base: Cell, other: Cell) -> str:
    """Return why two scores do not measure the same thing; empty where they do."""
    if base.value is None or other.value is None:
        return "a private split has no score"
    if (base.data == BUILTIN) != (other.data == BUILTIN):
        return "one of them is on the built-in set"
    for name in ("split", "form", "scale", "metric", "judge"):
        first, second = getattr(base, name), getattr(other, name)
        if first != second:
            return f"other {name}: {_either(base, first, other, second)}"
    return ""


def _other_questions(base: Cell, other: Cell, before: list[Record], after: list[Record]) -> str:
    """Return how the sets of questions differ; empty where they do not."""
    if not before or not after:
        same = base.n == other.n
        return "" if same else f"other questions: {_either(base, base.n, other, other.n)}"
    first, second = {r.id for r in before}, {r.id for r in after}
    if first == second:
        return ""
    only = _either(base, len(first - second), other, len(second - first), "only in")
    return f"other questions: {len(first & second)} in both, {only}"


def _remark(base: Cell, other: Cell) -> str:
    """Return what else may move the score, though it does not forbid to compare."""
    differ = [
        f"{name} {_either(base, first, other, second)}"
        for name, key in (("scorer", "scorer"), ("task version", "version"))
        if (first := getattr(base, key)) != (second := getattr(other, key))
    ]
    return f"{other.run} - {base.run}: {', '.join(differ)}" if differ else ""


def _either(base: Cell, first: object, other: Cell, second: object, where: str = "in") -> str:
    texts = ["none" if value in (None, "") else str(value) for value in (first, second)]
    return f"{texts[0]} {where} {base.run}, {texts[1]} {where} {other.run}"


def results(path: Path) -> list[tuple[Mapping[str, Any], Records]]:
    """Return every task's summary, with what reads its scored samples when they are wanted."""
    if path.is_file():
        return [(stored.summary, partial(list, stored.records)) for stored in read_baseline(path)]
    return [(read_summary(each), partial(read_records, each)) for each in find_results(path)]


def _with_gaps(row: Row, places: Mapping[Key, Records]) -> Row:
    """Return a row with the differences of its runs from the first one."""
    base, later = row.cells[0], [cell for cell in row.cells[1:] if cell is not None]
    if base is None or not later:
        return row
    before = places[_key(base)]()
    gaps = [difference(base, cell, before, places[_key(cell)]()) for cell in later]
    return replace(row, gaps=tuple(gaps))


def _key(cell: Cell) -> Key:
    return cell.run, cell.task, cell.protocol, cell.scorer, cell.judge


def _published(paths: Sequence[Path], name: str | None) -> tuple[Published | None, tuple[str, ...]]:
    """Return what to show runs beside, and what to say where they do not agree on it."""
    if name is not None and name not in known():
        raise UsageError(nearest("published numbers", name, known()))
    names = [name] if name else list(dict.fromkeys(filter(None, map(_named, paths))))
    if len(names) < 2:
        return (for_model(names[0]) if names else None), ()
    text = f"Published numbers: the runs name {' and '.join(names)}; pick one with --published."
    return None, (text,)


def _named(path: Path) -> str | None:
    """Return which published numbers a run's config names, if it has one."""
    import yaml

    try:
        config = yaml.safe_load((path / "config.yaml").read_text("utf-8"))
        return str(config["model"]["published"] or "") or None
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return None
