"""Gates: what passes, fails or stays open, what is refused, and how a verdict is told."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from evalkit.baseline import write
from evalkit.errors import RunError, UsageError
from evalkit.gate import gate
from evalkit.gates.reports import commands, grid, summary_markdown, tell_github, text
from evalkit.gates.settings import gate_settings
from evalkit.gates.values import Finding, GateVerdict
from evalkit.items import Item, TaskResult
from evalkit.results import load, only
from evalkit.types import Record, Response
from evalkit.verbs.gate import gate as verb


def load_helper(name: str) -> ModuleType:
    """Import a helper that stands beside this file."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec
    assert spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


written = load_helper("written")
N = 400
Pair = tuple[Record, Response]


def lose(pairs: Sequence[Pair], share: float) -> list[Pair]:
    """Return a run that lost some share of all questions, with the pixels to blame."""
    changed = list(pairs)
    right = [at for at, (record, _) in enumerate(pairs) if record.score]
    for at in right[:: max(1, int(len(right) / (share * len(pairs))))] if share else []:
        record, answer = pairs[at]
        digests = {**answer.digests, "pixels": written.digest("pixels", at)}
        answer = replace(answer, text="nothing", digests=digests)
        changed[at] = (replace(record, score=0.0, parsed="nothing"), answer)
    return changed


def verdict(
    run: Path, base: Path, *words: str, name: str = "default", allow: str = ""
) -> GateVerdict:
    found = (only(load(path), path) for path in (run, base))
    places = (str(run), str(base))
    return gate(*found, gate_settings(name, words), allow=[allow], places=places)


def judged(
    folder: Path, before: Sequence[Pair], after: Sequence[Pair], *words: str, **more: Any
) -> Finding:
    """Return the one finding of a run held against another, both written and read back."""
    base = written.write_run(folder / "base", before)
    run = written.write_run(folder / "run", after, **more)
    (finding,) = verdict(run, base, *words).findings
    return finding


def test_a_run_that_lost_nothing_passes(tmp_path: Path) -> None:
    finding = judged(tmp_path, written.draw(N, size=1), written.draw(N, size=1))
    assert (finding.outcome, finding.gates, finding.reasons) == ("pass", True, ())
    assert finding.test
    assert (finding.test.difference, finding.test.n_differ, finding.test.margin) == (0.0, 0, 1.0)
    # The exact bound on a share that was never seen in 400 questions.
    assert finding.test.low == pytest.approx(-100 * (1 - 0.05 ** (1 / N)))
    assert finding.test.effect == pytest.approx(-finding.test.low)


def test_a_real_loss_fails_and_names_its_stage(tmp_path: Path) -> None:
    before = written.draw(N, size=1)
    finding = judged(tmp_path, before, lose(before, 0.1))
    assert finding.outcome == "fail"
    assert finding.test
    assert finding.test.p_fail < 1e-6
    assert finding.test.difference == pytest.approx(-100 * finding.test.n_differ / N)
    assert finding.reasons[0].startswith("anls lost ")
    assert finding.cause.startswith("decoded pixels (-")


def test_too_few_questions_say_how_many_would_settle_it(tmp_path: Path) -> None:
    before = written.draw(100, size=1)
    finding = judged(tmp_path, before, before)
    assert finding.outcome == "inconclusive"
    assert finding.test
    # ln(0.05) / ln(0.99): so many questions without a loss rule out one of a point.
    assert finding.test.needed == 299
    assert finding.reasons == ("about 299 questions would settle it, there are 100",)
    fewer = judged(tmp_path / "clusters", written.draw(N), written.draw(N))
    assert fewer.outcome == "inconclusive"
    assert fewer.test
    assert (fewer.test.n_clusters, fewer.test.needed) == (134, 893)


def test_a_loss_within_the_margin_passes_though_it_is_there(tmp_path: Path) -> None:
    before = written.draw(N, size=1)
    finding = judged(tmp_path, before, lose(before, 0.05), "margin=15", "subset_margin=null")
    assert finding.outcome == "pass"
    assert finding.test
    assert finding.test.high < 0


def test_points_have_their_margin_in_percent_of_the_questions(tmp_path: Path) -> None:
    before = written.draw(N, size=1)
    base = written.write_run(tmp_path / "a", before, scale="points")
    run = written.write_run(tmp_path / "b", lose(before, 0.1), scale="points")
    (finding,) = verdict(run, base).findings
    assert finding.test
    assert (finding.test.margin, finding.test.difference) == (4.0, -finding.test.n_differ)
    assert finding.outcome == "fail"


def test_a_macro_average_is_tested_as_one(tmp_path: Path) -> None:
    before = [
        (replace(r, subsets=("few" if at < 100 else "many",)), x)
        for at, (r, x) in enumerate(written.draw(N, size=1))
    ]
    after = [lose([p], 1.0)[0] if p[0].score and p[0].subsets == ("few",) else p for p in before]
    for name, pairs in (("base", before), ("run", after)):
        parts = [[r.score or 0.0 for r, _ in pairs[part]] for part in (slice(100), slice(100, N))]
        value = 50 * sum(sum(part) / len(part) for part in parts)
        written.write_run(tmp_path / name, pairs, metrics={"anls": value})
    (finding,) = verdict(tmp_path / "run", tmp_path / "base", "subset_margin=null").findings
    assert finding.test
    assert finding.test.difference == pytest.approx(-37.5)
    assert finding.test.difference == pytest.approx((finding.value or 0) - (finding.baseline or 0))
    assert "bootstrap" in finding.test.method


def test_a_subset_that_is_lost_fails_a_benchmark_that_holds_its_margin(tmp_path: Path) -> None:
    before = written.draw(N, size=1)
    after = [
        lose([p], 1.0)[0] if p[0].subsets == ("odd",) and p[0].score and at % 3 == 0 else p
        for at, p in enumerate(before)
    ]
    finding = judged(tmp_path, before, after, "margin=30")
    assert finding.outcome == "fail"
    assert [reason.split()[0] for reason in finding.reasons] == ["anls/odd"]
    assert {test.metric for test in finding.subsets} == {"anls/even", "anls/odd"}
    for words in (["subset_margin=null"], ["subset_items=300"], ["subset_margin=60"]):
        assert judged(tmp_path / words[0], before, after, "margin=30", *words).outcome == "pass"


def test_a_floor_and_a_margin_of_ones_own(tmp_path: Path) -> None:
    pairs = written.draw(N, size=1)
    run = written.write_run(tmp_path / "a", pairs, metrics={"anls": 75.0, "anls/odd": 70.0})
    (finding,) = verdict(run, run, "floors.docvqa.anls/odd=80").findings
    assert finding.reasons == ("anls/odd is 70.00, below the floor of 80",)
    assert verdict(run, run, "floors={docvqa: {anls: 75}}").outcome == "pass"
    assert verdict(run, run, "margins.docvqa=0.1").outcome == "inconclusive"
    with pytest.raises(UsageError, match="unknown metric of docvqa: anl"):
        verdict(run, run, "floors.docvqa.anl=1")
    with pytest.raises(UsageError, match="unknown benchmark of the baseline: docqva"):
        verdict(run, run, "margins.docqva=1")


@pytest.mark.parametrize("name", ["unparsed", "failed", "truncated"])
def test_caps_count_what_the_baseline_does_not_have(tmp_path: Path, name: str) -> None:
    def spoil(count: int) -> list[Pair]:
        change: dict[str, Any] = {"truncated": True}
        if name != "truncated":
            change = {"score": None, "status": name, "parsed": None}
        pairs = written.draw(N, size=1)
        return [
            (replace(r, **change), x) if at < count else (r, x) for at, (r, x) in enumerate(pairs)
        ]

    few = 0 if name == "failed" else 4
    assert judged(tmp_path / "few", spoil(3), spoil(3 + few)).outcome == "pass"
    finding = judged(tmp_path / "many", spoil(3), spoil(4 + few))
    assert finding.reasons == (f"{4 + few} of 400 questions {name}, 3 in the baseline",)
    assert judged(tmp_path / "free", spoil(3), spoil(8), f"caps.{name}=null").outcome == "pass"


def other_digest(stage: str, which: Callable[[int], bool] = lambda at: True) -> Any:
    def change(pairs: list[Pair]) -> list[Pair]:
        return [
            (r, replace(x, digests={**x.digests, stage: written.digest("other", at)}))
            if which(at)
            else (r, x)
            for at, (r, x) in enumerate(pairs)
        ]

    return change


def fewer(pairs: list[Pair]) -> list[Pair]:
    return pairs[5:]


def absent(pairs: list[Pair]) -> list[Pair]:
    gone = replace(pairs[0][0], score=None, status="missing", parsed=None)
    return [(gone, None), *pairs[1:]]  # type: ignore[list-item]


def ungraded(pairs: list[Pair]) -> list[Pair]:
    return [(replace(pairs[0][0], score=None, status="judge_failed"), pairs[0][1]), *pairs[1:]]


def same(pairs: list[Pair]) -> list[Pair]:
    return pairs


UNLIKE: Mapping[str, tuple[Any, dict[str, Any], str, str]] = {
    "fewer": (fewer, {}, "missing", "5 of 400 questions are missing"),
    "limit": (
        fewer,
        {"partial": True},
        "missing",
        "5 of 400 questions are missing (the run is partial)",
    ),
    "partial": (same, {"partial": True}, "missing", "the run is partial: 400 questions compared"),
    "absent": (absent, {}, "missing", "1 of 400 questions are missing"),
    "judge failed": (
        ungraded,
        {},
        "missing",
        "1 of 400 questions have no grade now: the judge failed",
    ),
    "scorer": (
        same,
        {"scorer": "paper"},
        "scorer",
        "other scorer: official in the baseline, paper now",
    ),
    "version": (
        same,
        {"version": "2"},
        "scorer",
        "other version of the task: 1 in the baseline, 2 now",
    ),
    "protocol": (
        same,
        {"protocol": "mixin"},
        "protocol",
        "other protocol: release in the baseline, mixin now",
    ),
    "split": (
        same,
        {"split": "test"},
        "split",
        "other split: validation in the baseline, test now",
    ),
    "builtin": (same, {"data": "builtin"}, "split", "one of the two is on the built-in set"),
    "judge": (same, {"judge": "gpt"}, "judge", "other judge: none in the baseline, gpt now"),
    "row": (other_digest("row"), {}, "fingerprint", "other row on 400 of 400 questions"),
    "prompt": (
        other_digest("prompt", lambda at: at == 7),
        {},
        "fingerprint",
        "other prompt text on 1 of 400 questions",
    ),
    "media": (
        other_digest("media"),
        {},
        "fingerprint",
        "other media bytes on 400 of 400 questions",
    ),
    "generation": (
        other_digest("generation"),
        {},
        "fingerprint",
        "other generation settings on 400 of 400 questions",
    ),
}


@pytest.mark.parametrize(("change", "more", "kind", "says"), UNLIKE.values(), ids=UNLIKE)
def test_what_is_unlike_never_passes_unless_it_is_allowed_and_then_it_is_written_down(
    tmp_path: Path, change: Any, more: dict[str, Any], kind: str, says: str
) -> None:
    base = written.write_run(tmp_path / "base", written.draw(N, size=1))
    run = written.write_run(tmp_path / "run", change(written.draw(N, size=1)), **more)
    found = verdict(run, base, "judged=gate")
    (finding,) = found.findings
    assert (found.outcome, found.exit_code) == ("fail", 1)
    assert finding.reasons[0] == says
    assert finding.obstacles[0].kind == kind
    allowed = verdict(run, base, "judged=gate", allow=kind)
    assert allowed.outcome == "pass"
    assert allowed.allow == (kind,)
    assert [obstacle.text for obstacle in allowed.findings[0].allowed] == [says]
    assert f"allowed: {says}" in allowed.findings[0].notes
    assert f"allowed: {kind}" in allowed.line
    others = ",".join(
        word
        for word in ("missing", "scorer", "protocol", "split", "judge", "fingerprint")
        if word != kind
    )
    assert verdict(run, base, "judged=gate", allow=others).outcome == "fail"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"primary": "f1", "metrics": {"f1": 75.0}}, "other metric: anls in the baseline, f1 now"),
        ({"scale": "points"}, "other scale: percent in the baseline, points now"),
        ({"metrics": {}}, "the run has no score: the answers are private"),
    ],
)
def test_another_metric_cannot_be_allowed(tmp_path: Path, more: Any, says: str) -> None:
    base = written.write_run(tmp_path / "base", written.draw(N))
    run = written.write_run(tmp_path / "run", written.draw(N), **more)
    found = verdict(run, base, allow="missing,scorer,protocol,split,judge,fingerprint")
    assert found.outcome == "fail"
    assert says in found.findings[0].reasons
    assert found.findings[0].test is None


@pytest.mark.parametrize("stage", ["pixels", "tokens"])
def test_other_pixels_and_tokens_are_what_a_gate_is_for(tmp_path: Path, stage: str) -> None:
    after = other_digest(stage)(written.draw(N, size=1))
    assert judged(tmp_path, written.draw(N, size=1), after).outcome == "pass"


def test_what_one_side_does_not_know_is_said_and_not_taken_for_equal(tmp_path: Path) -> None:
    bare = [(r, replace(x, digests={})) for r, x in written.draw(N, size=1)]
    finding = judged(tmp_path, bare, written.draw(N, size=1))
    assert finding.outcome == "pass"
    assert finding.unknown == dict.fromkeys(("row", "prompt", "media", "generation"), N)
    assert finding.notes == (
        "not known on both sides, and so not checked: row, prompt text, media bytes,"
        " generation settings",
    )


def test_a_baseline_file_is_as_good_as_its_run(tmp_path: Path) -> None:
    before = written.draw(N)
    base = written.write_run(tmp_path / "base", before)
    write(tmp_path / "b.json", load(base))
    run = written.write_run(tmp_path / "run", other_digest("prompt")(lose(before, 0.1)))
    one, two = (verdict(run, place).findings[0] for place in (base, tmp_path / "b.json"))
    assert one == two
    assert any(reason.startswith("other prompt text") for reason in one.reasons)


def test_what_a_judge_scored_is_reported_and_gates_only_when_asked(tmp_path: Path) -> None:
    before = written.draw(N, size=1)
    for name, pairs in (("base", before), ("run", lose(before, 0.2))):
        written.write_run(tmp_path / name, before)
        written.write_run(tmp_path / name, pairs, task="mmvet", judge="gpt")
    run, base = tmp_path / "run", tmp_path / "base"
    found = verdict(run, base)
    assert found.outcome == "pass"
    assert [(f.task, f.outcome, f.gates) for f in found.findings] == [
        ("docvqa", "pass", True),
        ("mmvet", "fail", False),
    ]
    assert "(fail)" in text(found, 120)
    assert verdict(run, base, "judged=gate").outcome == "fail"
    with pytest.raises(UsageError, match="mmvet: scored by a judge, and so only reported"):
        verdict(run, base, "benchmarks=mmvet")


def test_a_benchmark_that_the_run_lacks_is_missing(tmp_path: Path) -> None:
    for name in ("base", "run"):
        written.write_run(tmp_path / name, written.draw(N, size=1))
    written.write_run(tmp_path / "base", written.draw(N, size=1), task="chartqa")
    written.write_run(tmp_path / "run", written.draw(N, size=1), task="textvqa")
    run, base = tmp_path / "run", tmp_path / "base"
    found = verdict(run, base)
    assert found.outcome == "fail"
    assert found.findings[0].reasons[0] == "the run has no result of it"
    assert found.notes == ("not in the baseline: textvqa",)
    assert verdict(run, base, allow="missing").outcome == "pass"
    assert verdict(run, base, "benchmarks=[docvqa]").outcome == "pass"
    with pytest.raises(UsageError, match="no benchmark in common: the run has docvqa, textvqa"):
        verdict(run, base, "benchmarks=[chartqa]")


def test_fail_outweighs_inconclusive_outweighs_pass(tmp_path: Path) -> None:
    before = written.draw(N, size=1)
    for name in ("base", "run"):
        written.write_run(tmp_path / name, before)
        written.write_run(tmp_path / name, written.draw(50), task="mmmu")
    run, base = tmp_path / "run", tmp_path / "base"
    assert verdict(run, base).outcome == "inconclusive"
    assert verdict(run, base).line == "gate default: INCONCLUSIVE: 1 pass, 1 inconclusive (mmmu)"
    written.write_run(tmp_path / "run", lose(before, 0.2), task="chartqa")
    written.write_run(tmp_path / "base", before, task="chartqa")
    found = verdict(run, base)
    assert (found.outcome, found.exit_code) == ("fail", 1)
    assert found.line.startswith("gate default: FAIL: ")


def test_failing_goes_by_holms_rule_over_all_benchmarks(tmp_path: Path) -> None:
    # A loss whose own p-value is just below 0.05 fails alone, and not as one of ten.
    before = written.draw(N, size=1)
    rows = [(at, p) for at, p in enumerate(before) if p[0].score]
    some = dict([(at, lose([p], 1.0)[0]) for at, p in rows[:: len(rows) // 11]][:11])
    after = [some.get(at, p) for at, p in enumerate(before)]
    for at in range(10):
        for name, pairs in (("base", before), ("run", after if at == 0 else before)):
            written.write_run(tmp_path / name, pairs, task=f"task{at}")
    run, base = tmp_path / "run", tmp_path / "base"
    words = ("subset_margin=null", "benchmarks=[task0]")
    alone = verdict(run, base, *words).findings[0].test
    assert alone
    assert 0.005 < alone.p_fail < 0.05
    found = verdict(run, base, "subset_margin=null").findings[0]
    assert found.test
    assert found.test.p_fail == pytest.approx(10 * alone.p_fail)
    assert found.outcome == "inconclusive"
    assert found.test.needed
    assert found.test.needed > N


def test_a_gate_for_small_sets_passes_what_is_unchanged(tmp_path: Path) -> None:
    pairs = written.draw(12)
    base = written.write_run(tmp_path / "base", pairs)
    assert verdict(base, base).outcome == "inconclusive"
    found = verdict(base, base, name="smoke")
    assert found.outcome == "pass"
    assert found.findings[0].notes[-1].startswith("every reply is the baseline's")
    changed = [(pairs[0][0], replace(pairs[0][1], text="other")), *pairs[1:]]
    run = written.write_run(tmp_path / "run", changed)
    assert verdict(run, base, name="smoke").outcome == "inconclusive"


def one(task: str, scores: Any, clusters: Sequence[str]) -> TaskResult:
    items = {
        str(at): Item(record=Record(id=str(at), score=s, status="ok", cluster=c), prints={})
        for at, (s, c) in enumerate(zip(scores, clusters, strict=True))
    }
    value = 100 * sum(scores) / len(scores)
    summary = {"task": task, "primary": "m", "metrics": {"m": value}, "scale": "percent"}
    return TaskResult(place=task, summary=summary, items=items)


def test_error_rates_hold_over_a_thousand_simulated_pairs() -> None:
    """Two benchmarks that lose exactly the margin: passing and failing are both errors there.

    With 1,000 repeats a rate of 5 % has a standard error of 0.7 points, of two together 0.5.
    """
    n, noise, loss = 120, 0.3, 0.05
    clusters = [f"page{at // 2}" for at in range(n)]
    rng = np.random.default_rng(11)
    settings = gate_settings("default", ["margin=5"])
    passed, failed = np.zeros(2), 0
    for _ in range(1000):
        run, base = {}, {}
        for task in "ab":
            # Half of the clusters' questions flip together, down a little more often than up.
            roll = rng.random(n)
            roll[1::2] = np.where(rng.random(n // 2) < 0.5, roll[::2], roll[1::2])
            before = np.where(roll < noise / 2, 0.0, 1.0)
            down = (roll > 0.5) & (roll < 0.5 + noise / 2 + loss)
            base[task] = one(task, before.tolist(), clusters)
            run[task] = one(task, np.where(roll < noise / 2, 1.0, ~down).tolist(), clusters)
        found = gate(run, base, settings)
        passed += [finding.outcome == "pass" for finding in found.findings]
        failed += found.outcome == "fail"
    # Never much above what is allowed; nor is the gate mute, since at the boundary of a test its
    # errors come close to that.
    assert all(0.03 <= rate <= 0.07 for rate in passed / 1000), passed
    assert 0.04 <= passed.sum() / 2000 <= 0.06
    assert 0.02 <= failed / 1000 <= 0.065


SUITE = {
    "testsuites": ({"testsuite"}, {"name", "time", "tests", "failures", "errors"}, set()),
    "testsuite": (
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
        {"name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp",
         "hostname", "id", "package", "file", "log", "url", "version"},
        {"name", "tests", "failures", "errors"},
    ),
    "properties": ({"property"}, set(), set()),
    "property": (set(), {"name", "value"}, {"name", "value"}),
    "testcase": (
        {"skipped", "errors", "failure", "system-out", "system-err"},
        {"name", "time", "classname", "group"},
        {"name"},
    ),
    "failure": (set(), {"type", "message"}, set()),
    "skipped": (set(), {"type", "message"}, set()),
}  # fmt: skip
"""By element the children, the attributes, and the attributes that it must have: what the schema
``junit-10.xsd`` of Jenkins' xunit plugin allows of what is used here."""


def valid(element: ElementTree.Element) -> None:
    children, attributes, needed = SUITE[element.tag]
    assert {child.tag for child in element} <= children, element.tag
    assert needed <= set(element.attrib) <= attributes, element.tag
    if element.tag != "testcase" and element.tag not in ("failure", "skipped"):
        assert not (element.text or "").strip()
    for child in element:
        valid(child)


def test_the_junit_file_is_what_ci_systems_read(tmp_path: Path) -> None:
    before = written.draw(N, size=1)
    bad = lose(before, 0.1)
    for name in ("base", "run"):
        written.write_run(tmp_path / name, before, task="chartqa")
        written.write_run(tmp_path / name, written.draw(50), task="mmmu")
        asked = {"judge": "gpt", "protocol": f"{name}\x01 <&>"}
        written.write_run(tmp_path / name, before, task="mmvet", **asked)
        written.write_run(tmp_path / name, bad if name == "run" else before)
    assert verb([str(tmp_path / "run"), "--baseline", str(tmp_path / "base")]) == 1
    path = tmp_path / "run" / "gate" / "junit.xml"
    root = ElementTree.parse(path).getroot()
    valid(root)
    (suite,) = root
    assert suite.attrib | {"name": ""} == {
        "name": "", "tests": "4", "failures": "1", "errors": "0", "skipped": "2"
    }  # fmt: skip
    cases = {case.attrib["name"]: list(case) for case in suite.iter("testcase")}
    assert {name: [child.tag for child in found] for name, found in cases.items()} == {
        "chartqa[default]": [],
        "docvqa[default]": ["failure"],
        "mmmu[default]": ["skipped"],
        "mmvet[default]": ["skipped"],
    }
    (failure,) = cases["docvqa[default]"]
    said = failure.attrib["message"]
    for words in ("anls lost ", "difference -", " [-", "smallest detectable effect beyond it "):
        assert words in said
    assert "first differing stage: decoded pixels" in said
    assert "about 880 questions would settle it" in cases["mmmu[default]"][0].attrib["message"]
    assert "run? <&> now" in cases["mmvet[default]"][0].attrib["message"]
    figures = {p.attrib["name"]: p.attrib["value"] for p in suite.iter("property")}
    assert float(figures["docvqa.difference"]) < -5
    with pytest.raises(AssertionError):
        valid(ElementTree.fromstring('<testcase name="a"><properties/></testcase>'))


def test_a_verdict_on_disk_holds_all_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written.draw(N, size=1)
    base = written.write_run(tmp_path / "base", before)
    run = written.write_run(tmp_path / "run", lose(before, 0.1), scorer="paper")
    words = [str(run), "--baseline", str(base), "--allow", "scorer", "margin=0.5"]
    assert verb([*words, "--out", str(tmp_path / "out")]) == 1
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["junit.xml", "verdict.json"]
    value = json.loads((tmp_path / "out" / "verdict.json").read_text("utf-8"))
    assert (value["outcome"], value["exit_code"]) == ("fail", 1)
    assert (value["allow"], value["gate"]["margin"]) == (["scorer"], 0.5)
    assert (value["run"], value["baseline"]) == (str(run), str(base))
    (finding,) = value["findings"]
    assert finding["allowed"][0]["kind"] == "scorer"
    assert finding["test"]["margin"] == 0.5
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == "gate default: FAIL: 1 fail (docvqa); allowed: scorer"
    assert "Smallest detectable effect" in said


def test_inside_a_github_job_it_annotates_and_appends_a_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written.draw(N, size=1)
    for name in ("base", "run"):
        written.write_run(tmp_path / name, written.draw(50), task="mmmu")
        written.write_run(tmp_path / name, lose(before, 0.1) if name == "run" else before)
    place = tmp_path / "summary.md"
    place.write_text("before\n", "utf-8")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place))
    assert verb([str(tmp_path / "run"), "--baseline", str(tmp_path / "base")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("::error title=evalkit gate default%3A docvqa::fail: anls lost ")
    assert lines[1].startswith("::warning title=evalkit gate default%3A mmmu::inconclusive: about")
    found = place.read_text("utf-8")
    assert found.startswith("before\n### gate default: FAIL: ")
    assert "| docvqa | 75.00 |" in found
    outside = verdict(tmp_path / "run", tmp_path / "base")
    assert tell_github(outside, {}) == []
    assert place.read_text("utf-8") == found
    with pytest.raises(RunError, match="cannot write \\$GITHUB_STEP_SUMMARY"):
        tell_github(outside, {"GITHUB_STEP_SUMMARY": str(tmp_path)})


def test_annotations_escape_what_github_reads_as_marks(tmp_path: Path) -> None:
    base = written.write_run(tmp_path / "a", written.draw(50))
    found = verdict(base, base)
    finding = replace(found.findings[0], label="a,b:c", reasons=("100 %\nlost",), cause="")
    (line,) = commands(replace(found, findings=(finding,)))
    assert line == "::warning title=evalkit gate default%3A a%2Cb%3Ac::inconclusive: 100 %25%0Alost"
    assert grid(found).rows[0][0] == "docvqa"
    assert "docvqa" in summary_markdown(found)


@pytest.mark.parametrize(
    ("name", "words", "says"),
    [
        ("defalt", [], "unknown gate: defalt. Did you mean default?"),
        ("nowhere.yaml", [], "cannot read the gate nowhere.yaml"),
        ("default", ["margn=1"], "unknown key of the gate: margn. Did you mean margin?"),
        ("default", ["caps.faild=1"], "unknown key of the gate: caps.faild. Did you mean"),
        ("default", ["margin"], "cannot read 'margin': write key=value"),
        ("default", ["margin=0"], "margin=0 must lie between"),
        ("default", ["margin=big"], "margin=big is no number"),
        ("default", ["margin=true"], "margin=True is no number"),
        ("default", ["confidence=95"], "confidence=95 must lie between"),
        ("default", ["judged=maybe"], "unknown judged: maybe. Known: gate, report"),
        ("default", ["unchanged=ok"], "unknown unchanged: ok. Known: pass, test"),
        ("default", ["floors.docvqa=80"], "floors.docvqa names no metric"),
        ("default", ["floors.docvqa.anls=x"], "floors.docvqa.anls=x is no number"),
        ("default", ["margins.docvqa=-1"], "margins.docvqa=-1 must lie between"),
        ("default", ["caps.failed=-1"], "caps.failed=-1 must lie between 0 and 100"),
    ],
)  # fmt: skip
def test_a_gates_mistakes_are_one_line(name: str, words: list[str], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        gate_settings(name, words)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_is_a_gate_over_the_default_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("margin: 2.0\nfloors: {docvqa: {anls: 70}}\ncaps: {failed: null}\n", "utf-8")
    found = gate_settings(str(path), ["confidence=0.9"])
    assert (found.name, found.margin, found.confidence) == ("mine", 2.0, 0.9)
    assert found.caps == {"unparsed": 1.0, "truncated": 1.0, "failed": None}
    assert found.floors == {"docvqa": {"anls": 70}}
    path.write_text("colour: red\n", "utf-8")
    with pytest.raises(UsageError, match="unknown key of the gate: colour"):
        gate_settings(str(path))
    path.write_text("- a\n", "utf-8")
    with pytest.raises(UsageError, match="is no mapping"):
        gate_settings(str(path))


def test_exit_codes_from_the_shell(tmp_path: Path) -> None:
    def shell(*words: str, code: int, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "evalkit", *words],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    before = written.draw(N, size=1)
    written.write_run(tmp_path / "base", before)
    written.write_run(tmp_path / "bad", lose(before, 0.1))
    written.write_run(tmp_path / "few", written.draw(50))
    assert "1 questions" not in shell("baseline", "write", "base", "--out", "b.json", code=0)
    assert "gate default: PASS: 1 pass\n" in shell("gate", "base", "--baseline", "b.json", code=0)
    assert "FAIL" in shell("gate", "bad", "--baseline", "b.json", code=1)
    said = shell("gate", "bad", "--baseline", "b.json", "margn=1", code=2)
    assert said.startswith("evalkit: unknown key of the gate: margn")
    assert "required: --baseline" in shell("gate", "bad", code=2)
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    assert "docvqa" in shell("show", "task=docvqa", code=3, **offline)
    assert "INCONCLUSIVE" in shell("gate", "few", "--baseline", "few", code=4)
    assert "decoded pixels" in shell("explain", "base", "bad", code=0)
