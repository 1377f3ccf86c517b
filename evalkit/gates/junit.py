"""Verdicts as JUnit XML, in the form that pytest calls xunit2 and Jenkins validates.

The schema allows properties on a suite and not on a case, so numbers stand on the suite under the
case's name (``junit-10.xsd`` of Jenkins' xunit plugin, https://github.com/jenkinsci/xunit-plugin).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from evalkit.gates.values import Finding, GateVerdict

__all__ = ["case_name", "junit", "message"]

FIGURES = ("difference", "low", "high", "margin", "effect", "n", "n_differ", "p_pass", "p_fail")
"""What is told of a test."""

UNPRINTABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not allow, such as those a reply may hold."""


def junit(verdicts: Sequence[GateVerdict]) -> str:
    """Return a document with a suite for each gate and a case for each benchmark."""
    suites = ElementTree.Element("testsuites", name="evalkit")
    for verdict in verdicts:
        words = [finding.outcome if finding.gates else "reported" for finding in verdict.findings]
        suite = ElementTree.SubElement(
            suites,
            "testsuite",
            name=f"evalkit.gate.{verdict.gate.name}",
            tests=str(len(words)),
            failures=str(words.count("fail")),
            errors="0",
            skipped=str(words.count("inconclusive") + words.count("reported")),
        )
        properties = ElementTree.SubElement(suite, "properties")
        for name, value in _properties(verdict):
            ElementTree.SubElement(properties, "property", name=_clean(name), value=_clean(value))
        for finding in verdict.findings:
            _case(suite, verdict, finding)
    ElementTree.indent(suites)
    text = ElementTree.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def case_name(verdict: GateVerdict, finding: Finding) -> str:
    """Return what a case is called: ``benchmark[gate]``."""
    return f"{finding.task}[{verdict.gate.name}]"


def message(finding: Finding) -> str:
    """Return what a case says: the reasons, the difference, what could be seen, and the cause."""
    parts = [*finding.reasons]
    if test := finding.test:
        parts.append(
            f"difference {test.difference:+.2f} [{test.low:+.2f}, {test.high:+.2f}] on {test.n}"
            f" questions, margin {test.margin:g}, smallest detectable effect beyond it"
            f" {test.effect:.2f}"
        )
    if finding.cause:
        parts.append(f"first differing stage: {finding.cause}")
    return "; ".join([*parts, *finding.notes])


def _properties(verdict: GateVerdict) -> Iterator[tuple[str, str]]:
    yield "run", verdict.run
    yield "baseline", verdict.baseline
    yield "outcome", verdict.outcome
    yield "allowed", ", ".join(verdict.allow) or "nothing"
    for finding in verdict.findings:
        yield f"{finding.task}.baseline", str(finding.baseline)
        yield f"{finding.task}.value", str(finding.value)
        for figure in FIGURES if finding.test else ():
            yield f"{finding.task}.{figure}", str(getattr(finding.test, figure))


def _case(suite: ElementTree.Element, verdict: GateVerdict, finding: Finding) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=f"evalkit.gate.{verdict.gate.name}",
        name=_clean(case_name(verdict, finding)),
        time="0",
    )
    text = _clean(message(finding))
    if finding.gates and finding.outcome == "fail":
        ElementTree.SubElement(case, "failure", type="evalkit.gate", message=text).text = text
    elif finding.gates and finding.outcome == "inconclusive":
        told = f"inconclusive: {text}"
        ElementTree.SubElement(case, "skipped", type="evalkit.gate", message=told).text = told
    elif not finding.gates:
        told = f"reported only, {finding.outcome}: {text}"
        ElementTree.SubElement(case, "skipped", type="evalkit.gate", message=told).text = told


def _clean(text: str) -> str:
    return UNPRINTABLE.sub("?", text)
