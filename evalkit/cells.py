"""One score of ours, and what may be said about it beside a published one.

A verdict is given only where both numbers answer the same question: same split, questions, metric,
scale and judge. Everything else is "not comparable", with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

from evalkit.errors import UsageError
from evalkit.published import Entry, Published

__all__ = ["BUILTIN", "COUNTS", "Cell", "Verdict", "cell_from", "judged", "printed"]

BUILTIN = "builtin"
"""What ``data`` says of a run on the small set that the package draws."""

Word = Literal["reproduced", "as expected", "below", "above", "not comparable", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a score says about a published number."""

    word: Word = ""
    """``reproduced``, of the built-in model ``as expected``: within the tolerance. Empty where
    nothing is published."""
    by: str = ""
    """How far outside, with the published number's decimals."""
    reason: str = ""
    """Why the two are not comparable."""
    entry: Entry | None = None
    """The published number it is about."""

    @property
    def comparable(self) -> bool:
        """Whether the two numbers could be compared."""
        return self.word in ("reproduced", "as expected", "below", "above")

    @property
    def text(self) -> str:
        """The verdict as tables print it."""
        return f"{self.word} by {self.by}" if self.by else self.word


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One benchmark's score in one run."""

    run: str
    """The run's name."""
    task: str
    """The benchmark."""
    value: float | None
    """The primary metric; ``None`` where the split's answers are private."""
    metric: str
    """The primary metric's name."""
    n: int | None
    """Questions asked; ``None`` for a subset, whose size no summary holds."""
    protocol: str = ""
    """How the questions were asked."""
    scorer: str = ""
    """The scorer variant."""
    version: str = ""
    """The task's version, raised when a change can move a score."""
    split: str = ""
    """The split of the rows."""
    scale: str = "percent"
    """``percent`` or ``points``."""
    model: str = ""
    """The model, as the run names it."""
    judge: str | None = None
    """The judge model, where one had a say."""
    data: str = ""
    """``builtin`` for the drawn set; else as the run names it."""
    form: str | None = None
    """Which form of the questions, where a benchmark has several."""
    partial: bool = False
    """Whether only some rows were asked."""
    interval: tuple[float, float] | None = None
    """95 % confidence interval over new questions, clustered by picture or video."""
    bounds: tuple[float, float] | None = None
    """The score with unresolved answers as wrong and as right; ``None`` where all are resolved."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many items are ``unparsed``, ``truncated``, ``failed``, ``missing``, ``judge_failed`` or
    ``sampled``."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """The metric over subsets, by the subset's name."""
    verdict: Verdict = Verdict()
    """What it says about the published number."""

    @property
    def unanswered(self) -> int:
        """Items whose score says nothing about the model: no reply, or no grade."""
        return sum(self.counts.get(name, 0) for name in ("missing", "failed", "judge_failed"))


COUNTS = ("unparsed", "truncated", "failed", "missing", "judge_failed", "sampled")


def cell_from(summary: Mapping[str, Any], run: str = "") -> Cell:
    """Return the cell of one summary.

    Args:
        summary: the content of a ``summary.json``.
        run: the name of the run it belongs to.

    Raises:
        UsageError: it is not a summary.
    """
    try:
        metric, metrics = summary["primary"], summary.get("metrics") or {}
        return Cell(
            run=run,
            task=summary["task"],
            value=metrics.get(metric),
            metric=metric,
            n=summary["n"],
            protocol=summary.get("protocol", ""),
            scorer=summary.get("scorer", ""),
            version=str(summary.get("version", "")),
            split=summary.get("split", ""),
            scale=summary.get("scale", "percent"),
            model=_name(summary.get("model")) or "",
            judge=_name(summary.get("judge")),
            data=_name(summary.get("data")) or "",
            form=summary.get("form"),
            partial=bool(summary.get("partial")),
            interval=_pair(summary.get("interval")),
            bounds=_pair(summary.get("bounds")),
            counts={name: k for name in COUNTS if (k := summary.get(f"n_{name}", 0))},
            parts={
                k[len(metric) + 1 :]: v for k, v in metrics.items() if k.startswith(f"{metric}/")
            },
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"not a summary of evalkit's, {error!r}: give the folder of a run"
        ) from error


def judged(cell: Cell, published: Published | None) -> Cell:
    """Return the cell with its verdict on the card's number, or else on the authors' other ones."""
    if published is None:
        return cell
    entries = published.of(cell.task, "published", "published_quant", "authors", "expected")
    if not entries:
        return cell
    reasons = [_refusal(cell, entry) for entry in entries]
    if "" in reasons:
        return replace(cell, verdict=_compare(cell, entries[reasons.index("")]))
    # A number of the run's own split gives the reason that its user can do something about.
    splits = [entry.split for entry in entries]
    own = cell.data != BUILTIN and cell.split in splits
    at = splits.index(cell.split) if own else 0
    verdict = Verdict(word="not comparable", reason=reasons[at], entry=entries[at])
    return replace(cell, verdict=verdict)


def printed(value: float, digits: int, *, sign: bool = False) -> str:
    """Return a number as tables print it, with its sign if that is wanted; never ``-0.0``."""
    text = f"{value:.{digits}f}"
    if not Decimal(text):
        return text.lstrip("-")
    return f"+{text}" if sign and value > 0 else text


def _compare(cell: Cell, entry: Entry) -> Verdict:
    assert cell.value is not None, "refused before"
    gap = Decimal(printed(cell.value, entry.digits)) - Decimal(entry.printed)
    if abs(gap) <= Decimal(str(entry.tolerance)):
        expected = entry.kind == "expected"
        return Verdict(word="as expected" if expected else "reproduced", entry=entry)
    return Verdict(word="below" if gap < 0 else "above", by=str(abs(gap)), entry=entry)


def _refusal(cell: Cell, entry: Entry) -> str:
    """Return why a score may not be held against a published number; empty where it may."""
    if cell.value is None:
        return f"the answers of {cell.split} are private: send the submission file to its server"
    if (cell.data == BUILTIN) != (entry.kind == "expected"):
        drawn, real = "the built-in set", "the published questions"
        return f"{drawn}, not {real}" if cell.data == BUILTIN else f"{real}, not {drawn}"
    if cell.form and entry.form and cell.form != entry.form:
        return f"other form of the questions: published {entry.form}, this run {cell.form}"
    if cell.split != entry.split:
        return f"other split: published {entry.split}, this run {cell.split}"
    if cell.partial or cell.n != entry.n:
        what = "partial run" if cell.partial or (cell.n or 0) < entry.n else "other questions"
        return f"{what}: {cell.n} of {entry.n}"
    if cell.scale != entry.scale:
        return f"other scale: published {entry.scale}, this run {cell.scale}"
    if cell.metric != entry.metric:
        return f"other metric: published {entry.metric}, this run {cell.metric}"
    if entry.judge is not None and cell.judge != entry.judge:
        return f"other judge: published {entry.judge}, this run {cell.judge or 'none'}"
    return _undecided(cell, entry)


def _undecided(cell: Cell, entry: Entry) -> str:
    """Return a reason where answers that are lacking could turn the verdict."""
    lacking, n = cell.unanswered, entry.n
    if not lacking:
        return ""
    # A judge's failures are out of the mean, other lacking answers are in it as wrong.
    ungraded = cell.counts.get("judge_failed", 0)
    whole = float(n) if cell.scale == "points" else 100.0
    low = (cell.value or 0.0) * (1 if cell.scale == "points" else (n - ungraded) / n)
    ends = (low, low + whole * lacking / n)
    if len({_compare(replace(cell, value=end), entry).word for end in ends}) == 1:
        return ""
    return f"{lacking} of {n} questions have no graded answer, and they would decide: run it again"


def _name(value: object) -> str | None:
    """Return the name of what is given as a name or as a mapping that holds one."""
    if isinstance(value, Mapping):
        value = next((value[k] for k in ("file", "model", "name", "path") if value.get(k)), None)
    return None if value is None else str(value)


def _pair(value: Any) -> tuple[float, float] | None:
    return None if value is None else (float(value[0]), float(value[1]))
