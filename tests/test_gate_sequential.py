"""A gate that stops early: its order, its verdicts, and how often it errs."""

from __future__ import annotations

import importlib.util
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from evalkit.errors import UsageError
from evalkit.gate import gate as held_against
from evalkit.gates.early import plans, waves
from evalkit.gates.sequential import Asked, SequentialGate, asked_of
from evalkit.gates.settings import gate_settings
from evalkit.gates.values import GateVerdict
from evalkit.items import Item, TaskResult
from evalkit.results import load, only
from evalkit.types import Record, Response


def load_helper(name: str) -> ModuleType:
    """Import a helper that stands beside this file."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec
    assert spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


written = load_helper("written")
Pair = tuple[Record, Response]


def questions(n: int, size: int = 1, score: float = 1.0) -> dict[str, Asked]:
    return {str(at): Asked(score=score, cluster=f"page{at // size}") for at in range(n)}


def feed(gate: SequentialGate, scores: dict[str, float | None]) -> int:
    """Give answers in the gate's order and return how many it took."""
    given = 0
    for names in gate.order:
        for name in names:
            given += 1
            if gate.add(name, scores[name]) != "continue":
                return given
    return given


def test_the_order_is_drawn_picture_by_picture_and_can_be_drawn_again() -> None:
    asked = questions(60, size=3)
    first, again, other = (SequentialGate(asked, 0.01, seed=s).order for s in (1, 1, 2))
    assert first == again != other
    assert Counter(name for names in first for name in names) == Counter(list(asked))
    assert all(len({asked[name].cluster for name in names}) == 1 for names in first)
    assert first != [[str(at), str(at + 1), str(at + 2)] for at in range(0, 60, 3)]


def test_questions_that_share_nothing_are_clusters_of_their_own() -> None:
    asked = {str(at): Asked(score=1.0) for at in range(20)}
    assert sorted(map(len, SequentialGate(asked, 0.01).order)) == [1] * 20


@pytest.mark.parametrize("count", [1, 3, 8, 50])
def test_waves_are_the_order_in_parts(count: int) -> None:
    gate = SequentialGate(questions(61, size=2), 0.01)
    waves = list(gate.waves(count))
    assert [name for wave in waves for name in wave] == [n for names in gate.order for n in names]
    assert len(waves) <= count
    assert max(map(len, waves)) - min(map(len, waves[:-1] or waves)) <= 1


def test_it_passes_what_is_equal_and_fails_what_is_lost_before_all_is_asked() -> None:
    asked = questions(1000)
    equal = SequentialGate(asked, 0.02)
    assert 149 <= feed(equal, dict.fromkeys(asked, 1.0)) < 400
    assert equal.state == "pass"
    worse = SequentialGate(asked, 0.02)
    lost = {name: float(at % 8 > 0) for at, name in enumerate(asked)}
    assert feed(worse, lost) < 500
    assert worse.state == "fail"
    assert worse.look
    assert worse.look.high < -0.02
    near = SequentialGate(asked, 0.02)
    assert feed(near, {name: float(at % 50 > 0) for at, name in enumerate(asked)}) == 1000
    assert near.state == "continue"


def test_the_order_of_arrival_changes_nothing() -> None:
    asked = questions(900, size=3)
    scores: dict[str, float | None] = {name: float(at % 6 > 0) for at, name in enumerate(asked)}
    planned = SequentialGate(asked, 0.02, seed=3)
    feed(planned, scores)
    arrived = SequentialGate(asked, 0.02, seed=3)
    names = list(scores)
    random.Random(0).shuffle(names)
    states = [arrived.add(name, scores[name]) for name in names]
    assert (arrived.state, arrived.look) == (planned.state, planned.look) != ("continue", None)
    assert states[0] == "continue"


def test_what_has_no_grade_is_left_out_and_strangers_are_passed_over() -> None:
    asked = questions(600)
    gate = SequentialGate(asked, 0.02)
    assert gate.add("stranger", 0.0) == "continue"
    scores: dict[str, float | None] = {name: None if int(name) % 2 else 1.0 for name in asked}
    feed(gate, scores)
    assert gate.state == "pass"
    assert gate.look
    assert gate.look.n < 400


def test_a_baseline_gives_the_questions_that_it_graded() -> None:
    records = [
        Record(id="1", score=0.5, status="ok", cluster="page"),
        Record(id="2", score=None, status="unparsed"),
        Record(id="3", score=None, status="judge_failed"),
    ]
    items = {record.id: Item(record=record, prints={}) for record in records}
    found = asked_of(TaskResult(place="", summary={}, items=items))
    assert found == {"1": Asked(score=0.5, cluster="page"), "2": Asked(score=0.0)}


def test_error_rates_hold_wherever_it_stops() -> None:
    """At a loss of exactly the margin both outcomes are errors, and each is allowed 5 %."""
    rng = random.Random(5)
    states: Counter[str] = Counter()
    for at in range(150):
        asked = {}
        scores: dict[str, float | None] = {}
        for name in map(str, range(300)):
            roll = rng.random()
            asked[name] = Asked(score=float(roll >= 0.05), cluster=f"page{int(name) // 2}")
            scores[name] = 1.0 if roll < 0.05 else float(roll >= 0.15)
        gate = SequentialGate(asked, 0.05, seed=at)
        feed(gate, scores)
        states[gate.state] += 1
    # Three standard errors above 5 % of 150.
    assert states["pass"] <= 15
    assert states["fail"] <= 15


def test_mistakes_are_one_line() -> None:
    with pytest.raises(UsageError, match="needs questions and a margin, not 0"):
        SequentialGate(questions(3), 0.0)
    with pytest.raises(UsageError, match="needs questions"):
        SequentialGate({}, 0.01)


N = 2000


def stop(baseline: Path | None, gate: str = "default", seed: int = 0) -> dict[str, object]:
    return {"baseline": None if baseline is None else str(baseline), "gate": gate, "seed": seed}


def stopped(folder: Path, base: Path, answers: Sequence[Pair], seed: int = 0) -> Path:
    """Write what a run leaves that asks by waves and stops: the work of the run verb in small."""
    (plan,) = plans(stop(base, seed=seed), ["docvqa"]).values()
    asked: list[Pair] = []
    for wave in waves(plan):
        assert wave is not None
        for record, answer in answers:
            if record.id in wave:
                asked.append((record, answer))
                plan.add(record)
    return Path(written.write_run(folder, asked, partial=len(asked) < N, stopped=plan.told))


def verdict(run: Path, base: Path, *words: str) -> GateVerdict:
    return held_against(
        *(only(load(path), path) for path in (run, base)), gate_settings("default", words)
    )


def test_a_stopped_run_passes_and_fails_by_its_own_answers(tmp_path: Path) -> None:
    before = written.draw(N, size=1)
    lost = [
        (replace(r, score=0.0), replace(x, text="no")) if at % 9 == 4 else (r, x)
        for at, (r, x) in enumerate(before)
    ]
    base = written.write_run(tmp_path / "base", before)
    same, worse = (
        stopped(tmp_path / name, base, pairs) for name, pairs in (("same", before), ("worse", lost))
    )
    (finding,) = verdict(same, base).findings
    assert (finding.outcome, finding.obstacles) == ("pass", ())
    assert finding.test
    assert finding.test.early
    assert -1 < finding.test.low < 0
    assert len(load(same)[0].items) < N
    (finding,) = verdict(worse, base).findings
    assert finding.outcome == "fail"
    assert finding.cause.startswith("output text (-")
    assert "asked in an order of seed 0" in finding.notes[0]
    (known,) = load(worse)
    assert len(known.items) == N // 8
    # What it says of itself changes nothing, nor does a gate that asks for more.
    again = [pair for pair in lost if pair[0].id in known.items]
    told = {"outcome": "pass", "seed": 0}
    liar = written.write_run(tmp_path / "liar", again, partial=True, stopped=told)
    assert verdict(liar, base).outcome == "fail"
    finding = verdict(same, base, "margin=0.1").findings[0]
    assert finding.outcome == "inconclusive"
    assert finding.reasons[0].startswith("nothing is settled after ")


def test_answers_out_of_the_drawn_order_settle_nothing(tmp_path: Path) -> None:
    before = written.draw(N, size=1)
    base = written.write_run(tmp_path / "base", before)
    chosen = stopped(tmp_path / "run", base, before, seed=3)
    (known,) = load(chosen)
    asked = [pair for pair in before if pair[0].id in known.items]
    moved = written.write_run(
        tmp_path / "moved", asked, partial=True, stopped={"outcome": "pass", "seed": 4}
    )
    assert verdict(chosen, base).outcome == "pass"
    assert verdict(moved, base).outcome == "inconclusive"


def test_each_of_several_benchmarks_spends_its_share_of_the_error(tmp_path: Path) -> None:
    pairs = written.draw(60, size=1)
    for task in ("docvqa", "chartqa"):
        written.write_run(tmp_path / "base", pairs, task=task)
    alone, shared = (plans(stop(tmp_path / "base"), t) for t in (["docvqa"], ["docvqa", "chartqa"]))
    assert list(shared) == ["docvqa", "chartqa"]
    for plan in (alone["docvqa"], shared["docvqa"]):
        for record, _ in pairs:
            plan.add(replace(record, score=1.0 - (record.score or 0.0)))
    one, two = (plan["docvqa"].gate.look for plan in (alone, shared))
    assert one
    assert two
    assert two.low < one.low < one.high < two.high or one.n < two.n


def test_without_a_baseline_everything_is_asked_at_once(tmp_path: Path) -> None:
    assert plans(stop(None), ["docvqa"]) == {}
    assert list(waves(None)) == [None]
    base = written.write_run(tmp_path / "base", written.draw(8))
    with pytest.raises(UsageError, match="has no benchmark of this run: chartqa"):
        plans(stop(base), ["chartqa"])
    with pytest.raises(UsageError, match="no such run or baseline"):
        plans(stop(tmp_path / "nowhere"), ["docvqa"])
