"""What is said below a table: numbered notes on single numbers, and what holds for all of them.

Two uncertainties are kept apart and named: how far a score may be from the one on new questions,
and how sure a difference on the same questions is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from evalkit.cells import Cell, printed
from evalkit.table import Gap, Row, Table

__all__ = ["Notes", "about_cell", "about_entry", "about_gap", "legend"]

NEW_QUESTIONS = "[ ] is the 95 % interval for new questions, clustered by picture or video."
SAME_QUESTIONS = (
    "[ ] after a difference is the 95 % interval of that difference: paired, on the same questions"
    " one by one; unpaired, from the intervals of the two scores."
)
COUNTED = {
    "unparsed": "unparsed",
    "truncated": "cut at the token limit",
    "failed": "failed",
    "missing": "without a prediction",
    "judge_failed": "not graded by the judge",
    "sampled": "sampled: a token was not the likeliest",
}


@dataclass(slots=True)
class Notes:
    """Numbers notes as they come."""

    texts: list[str] = field(default_factory=list)
    """The notes, the first being number 1."""

    def mark(self, texts: Sequence[str]) -> str:
        """Return the numbers of some notes; equal notes share one."""
        for text in texts:
            if text not in self.texts:
                self.texts.append(text)
        return ",".join(str(self.texts.index(text) + 1) for text in texts)


def about_entry(row: Row) -> list[str]:
    """Return what must be said where a row shows another number than the card's."""
    entry, card = row.entry, row.card
    if entry is None or card is None or entry == card:
        return []
    return [
        f"{entry.printed} is of the {entry.split} split ({entry.title});"
        f" the card's {card.printed} is of the {card.split} split"
    ]


def about_cell(row: Row, cell: Cell) -> list[str]:
    """Return why a score is not comparable, who judged it, and what is unresolved in it."""
    reason = cell.verdict.reason
    texts = [reason] if reason else []
    if cell.judge and cell.judge not in reason and not row.subset:
        texts.append(f"{cell.task}[judge={cell.judge}]")
    counts = ", ".join(f"{k} {COUNTED[name]}" for name, k in cell.counts.items())
    if counts and cell.bounds:
        low, high = (printed(end, row.digits) for end in cell.bounds)
        counts += f"; {low} with unresolved answers as wrong, {high} as right"
    return [*texts, *([counts] if counts else [])]


def about_gap(gap: Gap) -> list[str]:
    """Return why two runs are not comparable, or what else differs between them."""
    return [text for text in (gap.reason, gap.remark) if text]


def legend(table: Table, *, others: bool) -> Iterator[str]:
    """Yield what counts as a reproduction, what others measured, and what brackets mean.

    Args:
        table: the table.
        others: whether other people's numbers have no column of their own.
    """
    if text := _tolerances(table):
        yield text
    measured = dict.fromkeys(f"{row.name} {row.range}" for row in table.rows if row.others)
    if others and measured:
        yield f"Others measured: {'; '.join(measured)}."
    own = {table.published.name, table.published.model} if table.published else set()
    if table.published and not set(table.models) <= own:
        word = "Expected" if table.expected else "Published"
        yield f"{word} numbers are of {table.published.model}."
    yield from table.remarks
    if any(cell.interval for row in table.rows for cell in row.scored):
        yield NEW_QUESTIONS
    if any(gap.interval for row in table.rows for gap in row.gaps):
        yield SAME_QUESTIONS


def _tolerances(table: Table) -> str:
    names: dict[str, dict[str, None]] = {}
    for row in table.rows:
        if any(cell.verdict.comparable for cell in row.scored) and row.entry:
            percent = row.entry.scale == "percent"
            text = f"{row.entry.tolerance:{'.1f' if percent else '.0f'}}"
            names.setdefault(text, {})[row.name] = None
    if not names:
        return ""
    first, *rest = sorted(names, key=lambda text: -len(names[text]))
    if table.expected:
        text = f"as expected: within {first} of what this model scored when it was made"
    else:
        text = f"reproduced: within {first} of the published number"
    return "; ".join([text, *(f"{', '.join(names[key])} {key}" for key in rest)]) + "."
