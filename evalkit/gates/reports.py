"""A verdict as files and as text: JSON, a table, Markdown for a job's summary, annotations."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evalkit.cells import printed
from evalkit.errors import RunError
from evalkit.files import cannot_write, write_atomically
from evalkit.gates.junit import junit
from evalkit.gates.values import Finding, GateVerdict, Test
from evalkit.grids import markdown, terminal
from evalkit.layout import Grid
from evalkit.notes import Notes

__all__ = ["as_dict", "commands", "grid", "summary_markdown", "tell_github", "text", "write"]


def as_dict(verdict: GateVerdict) -> dict[str, Any]:
    """Return everything that a verdict holds, as JSON has it."""
    return {"outcome": verdict.outcome, "exit_code": verdict.exit_code, "line": verdict.line} | (
        asdict(verdict)
    )


def write(verdict: GateVerdict, folder: Path) -> None:
    """Write ``verdict.json`` and ``junit.xml``.

    Raises:
        RunError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    body = json.dumps(as_dict(verdict), ensure_ascii=False, indent=2)
    write_atomically(folder / "verdict.json", body + "\n")
    write_atomically(folder / "junit.xml", junit([verdict]))


def text(verdict: GateVerdict, width: int) -> str:
    """Return what a terminal shows: a table, and the verdict in one line."""
    return f"{terminal(grid(verdict), width)}\n{verdict.line}"


def summary_markdown(verdict: GateVerdict) -> str:
    """Return what a job's summary shows."""
    return f"### {verdict.line}\n\n{markdown(grid(verdict))}\n"


def grid(verdict: GateVerdict) -> Grid:
    """Return a verdict as a table: a benchmark a row, reasons as notes."""
    notes = Notes()
    rows = []
    for finding in verdict.findings:
        told = [*finding.reasons, *finding.notes]
        if finding.cause:
            told.append(f"most of it: {finding.cause}")
        rows.append((*_cells(finding), notes.mark(["; ".join(told)] if told else [])))
    confidence = verdict.gate.confidence
    return Grid(
        title=f"gate {verdict.gate.name}, {confidence:.0%} sure",
        runs=(f"run       {verdict.run}", f"baseline  {verdict.baseline}"),
        headers=("Benchmark", "Baseline", "Run", "Difference", "Margin", "n", "Verdict", ""),
        numeric=(False, True, True, False, True, True, False, False),
        rows=tuple(rows),
        notes=tuple(notes.texts),
        legend=tuple(_legend(verdict)),
    )


def _cells(finding: Finding) -> tuple[str, ...]:
    digits = 1 if finding.scale == "points" else 2
    scores = ["-" if v is None else printed(v, digits) for v in (finding.baseline, finding.value)]
    test = finding.test
    word = finding.outcome if finding.gates else f"({finding.outcome})"
    if test is None:
        return (finding.label, *scores, "", "", "", word)
    margin = printed(test.margin, digits)
    return (finding.label, *scores, difference(test, digits), margin, str(test.n), word)


def difference(test: Test, digits: int) -> str:
    """Return a test's difference with its interval."""
    value, low, high = (
        printed(v, digits, sign=True) for v in (test.difference, test.low, test.high)
    )
    return f"{value} [{low}, {high}]"


def _legend(verdict: GateVerdict) -> Iterator[str]:
    gate = verdict.gate
    yield (
        f"[ ] is the {1 - 2 * gate.alpha:.0%} interval of the difference on the same questions,"
        " clustered by picture or video. A benchmark passes where no loss of the margin lies in it,"
        " and fails where nothing less does, by Holm's rule over all tests."
    )
    seen = [
        f"{finding.label} {printed(finding.test.effect, 1 if finding.scale == 'points' else 2)}"
        for finding in verdict.findings
        if finding.test
    ]
    if seen:
        yield (
            f"Smallest detectable effect, beyond the margin, with power {gate.power:g}:"
            f" {', '.join(seen)}."
        )
    if verdict.allow:
        yield f"Allowed on the command line: {', '.join(verdict.allow)}."
    yield from (f"{note[0].upper()}{note[1:]}." for note in verdict.notes)


def commands(verdict: GateVerdict) -> list[str]:
    """Return GitHub's workflow commands: an error a failing benchmark, a warning an open one.

    Their form and escapes are those of ``@actions/core``'s ``command.ts``.
    """
    lines = []
    for finding in verdict.findings:
        if finding.outcome == "pass":
            continue
        level = "error" if finding.outcome == "fail" and finding.gates else "warning"
        title = _escaped(f"evalkit gate {verdict.gate.name}: {finding.label}", ":,")
        cause = f" (most of it: {finding.cause})" if finding.cause else ""
        message = _escaped(f"{finding.outcome}: {'; '.join(finding.reasons)}{cause}")
        lines.append(f"::{level} title={title}::{message}")
    return lines


def _escaped(value: str, more: str = "") -> str:
    for mark in f"%\r\n{more}":
        value = value.replace(mark, f"%{ord(mark):02X}")
    return value


def tell_github(verdict: GateVerdict, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Append the job's summary and return annotations to print, each only inside such a job.

    Raises:
        RunError: the summary's file cannot be written.
    """
    if path := environment.get("GITHUB_STEP_SUMMARY"):
        try:
            with open(path, "a", encoding="utf-8") as file:
                file.write(summary_markdown(verdict))
        except OSError as error:
            raise RunError(f"cannot write $GITHUB_STEP_SUMMARY, {path}: {error}") from error
    return commands(verdict) if environment.get("GITHUB_ACTIONS") else []
