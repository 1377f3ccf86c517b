"""An explanation as text: for a terminal, in Markdown, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from evalkit.cells import printed
from evalkit.errors import one_line
from evalkit.explain import Example, Explanation, Part
from evalkit.grids import markdown, terminal
from evalkit.items import NARROW, STAGES
from evalkit.layout import Grid

__all__ = ["FORMS", "as_dict", "render"]

FORMS = ("terminal", "markdown", "json")
"""What an explanation can be written in."""

ANSWER = 60
"""Characters of a reply that an example shows."""

SETTING = 30
"""Characters of a setting that are shown."""


def render(explanations: Sequence[Explanation], form: str, width: int) -> str:
    """Return explanations as text; ``width`` is the terminal's."""
    if form == "json":
        return json.dumps([as_dict(e) for e in explanations], ensure_ascii=False, indent=2)
    write = markdown if form == "markdown" else terminal
    first = explanations[0]
    ends = [p.removesuffix(f"/{first.task}").removesuffix(f", {first.task}") for p in first.places]
    head = [f"A  {ends[0]}", f"B  {ends[1]}", ""]
    bodies = [f"{body.rstrip()}\n" for e in explanations for body in _texts(e, write, width)]
    return "\n".join([*(_prose(head, form)), *bodies]).rstrip()


def as_dict(explanation: Explanation) -> dict[str, Any]:
    """Return everything that an explanation holds, as JSON has it."""
    chief = explanation.chief
    parts = [asdict(p) | {"name": p.name, "points": p.points} for p in explanation.parts]
    own = {"difference": explanation.difference, "chief": chief.stage if chief else None}
    return asdict(explanation) | own | {"parts": parts}


def _prose(lines: list[str], form: str) -> list[str]:
    return [f"- {line}" if line else "" for line in lines] if form == "markdown" else lines


def _texts(explanation: Explanation, write: Any, width: int) -> Iterator[str]:
    """Yield the stages, the examples and the settings of one task."""
    yield write(_stages(explanation), width)
    if any(part.examples for part in explanation.parts):
        yield write(_examples(explanation), width)
    if explanation.settings or explanation.silent:
        yield write(_settings(explanation), width)


def _stages(e: Explanation) -> Grid:
    notes: list[str] = []
    rows = []
    for part in e.parts:
        if part.unsure:
            notes.append(
                f"{part.unsure} of them may part earlier, at a stage that is not known on both"
                " sides"
            )
        marks = [str(len(notes))] if part.unsure else []
        if part.close is not None:
            notes.append(
                f"{part.close} of them were close calls, a token led over the next likely one by"
                f" less than {NARROW} in logits: rounding turns those, and seldom others"
            )
            marks.append(str(len(notes)))
        counts = ("", "") if part.stage == "weights" else (str(part.differ), str(part.rescored))
        rows.append((part.name, *counts, *_points(e, part), ",".join(marks)))
    if e.difference is not None:
        total = printed(e.difference, _digits(e), sign=True)
        differ, moved = (sum(getattr(p, k) for p in e.parts) for k in ("differ", "rescored"))
        rows.append(("total", str(differ), str(moved), "", "", total, ""))
    headers = ("First stage that differs", "Questions", "Rescored", "Won", "Lost", "Points", "")
    return Grid(
        title=_title(e),
        runs=(),
        headers=headers,
        numeric=(False, True, True, True, True, True, False),
        rows=tuple(rows),
        notes=tuple(notes),
        legend=tuple(_legend(e)),
    )


def _legend(e: Explanation) -> Iterator[str]:
    if e.same:
        yield f"{e.same} of {e.n} questions: nothing is known to differ."
    if e.unknown:
        counts = ", ".join(
            STAGES[stage] + ("" if count == e.n else f" ({count})")
            for stage, count in e.unknown.items()
        )
        yield f"Not known on both sides: {counts}."


def _title(e: Explanation) -> str:
    first, second = ("-" if v is None else printed(v, _digits(e)) for v in e.values)
    unit = "points" if e.scale == "points" else "percent"
    return f"{e.task}: {e.metric} {first} in A, {second} in B ({unit})"


def _digits(e: Explanation) -> int:
    return 1 if e.scale == "points" else 2


def _points(e: Explanation, part: Part) -> tuple[str, str, str]:
    values = (part.gained, part.lost, part.points)
    return tuple(printed(v, _digits(e), sign=True) for v in values)  # type: ignore[return-value]


def _examples(e: Explanation) -> Grid:
    rows = []
    for part in e.parts:
        for at, example in enumerate(part.examples):
            for side, name in enumerate("AB"):
                rows.append(
                    (
                        "" if at or side else part.name,
                        "" if side else example.id,
                        name,
                        _score(example, side),
                        _answer(example, side),
                    )
                )
    return Grid(
        title="",
        runs=(),
        headers=("Stage", "Question", "", "Score", "Answer"),
        numeric=(False, False, False, True, False),
        rows=tuple(rows),
    )


def _score(example: Example, side: int) -> str:
    value = example.scores[side]
    return example.statuses[side] if value is None else printed(value, 2)


def _answer(example: Example, side: int) -> str:
    """Return a reply on one line, and what was read in it where that is something else."""
    text, parsed = example.answers[side], example.parsed[side]
    if text is None:
        return "" if parsed is None else f"read as {one_line(parsed or '-', ANSWER)}"
    shown = one_line(text, ANSWER) if text.strip() else "(empty)"
    return shown if parsed in (None, text) else f"{shown} (read as {one_line(parsed, ANSWER)})"


def _settings(e: Explanation) -> Grid:
    rows = tuple((key, *_clipped(first, second)) for key, first, second in e.settings)
    silent = " and ".join("AB"[e.places.index(place)] for place in e.silent)
    legend = (f"What {silent} was made with is not known.",) if silent else ()
    return Grid(
        title="",
        runs=(),
        headers=("Setting that differs", "A", "B"),
        numeric=(False, False, False),
        rows=rows,
        legend=legend,
    )


def _clipped(first: str | None, second: str | None) -> tuple[str, str]:
    """Return two settings cut to where they differ."""
    pairs = list(zip(first or "", second or "", strict=False))
    same = next((at for at, (one, other) in enumerate(pairs) if one != other), len(pairs))
    start = same - SETTING // 2 if same > SETTING - 5 else 0
    return tuple(  # type: ignore[return-value]
        "-" if text is None else one_line(f"{'…' * bool(start)}{text[start:]}", SETTING)
        for text in (first, second)
    )
