"""Drifts planted at every stage, and what is said where a stage is not known."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from evalkit.baseline import write
from evalkit.errors import DataError, UsageError
from evalkit.explain import Explanation, Part, explain_runs
from evalkit.explain_text import render
from evalkit.items import STAGES, fingerprint
from evalkit.results import load
from evalkit.types import Record, Response
from evalkit.verbs.gate import explain as verb


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


def rescore(record: Record, **more: Any) -> Record:
    """Return a score that is right where it was wrong, and the other way round."""
    return replace(record, score=1.0 - (record.score or 0.0), **more)


def drift(pair: Pair, stage: str) -> Pair:
    """Return a question whose pipeline changed at one stage, with all that follows from it."""
    record, answer = pair
    names = list(STAGES)
    later = names[names.index(stage) :]
    moved = {s: written.digest("drift", s, record.id) for s in later if s in written.ASKED}
    text = f"other {record.id}" if "output" in later else answer.text
    parsed = f"read {record.id}" if "parsing" in later else record.parsed
    return (
        rescore(record, parsed=parsed),
        replace(answer, text=text, digests={**answer.digests, **moved}),
    )


def parts(explanation: Explanation) -> Mapping[str, Part]:
    return {part.stage: part for part in explanation.parts}


def both(folder: Path, before: list[Pair], after: list[Any], **more: Any) -> Explanation:
    """Return the explanation of two runs that are written and read back."""
    first = written.write_run(folder / "a", before, **more)
    second = written.write_run(folder / "b", after, **more)
    (found,) = explain_runs(first, second)
    return found


@pytest.mark.parametrize("how", ["run", "baseline"])
def test_a_drift_at_every_stage_is_named_on_every_question(tmp_path: Path, how: str) -> None:
    before = written.draw(N)
    places = random.Random(1).sample(range(N), 40 * len(STAGES))
    planted = dict(zip(places, [*STAGES] * 40, strict=True))
    after = [drift(p, planted[at]) if at in planted else p for at, p in enumerate(before)]
    first = written.write_run(tmp_path / "a", before)
    if how == "baseline":
        write(tmp_path / "a.json", load(first))
        first = tmp_path / "a.json"
    (found,) = explain_runs(first, written.write_run(tmp_path / "b", after), examples=N)
    assert [part.stage for part in found.parts] == list(STAGES)
    named = {e.id: part.stage for part in found.parts for e in part.examples}
    right = sum(named.get(str(at)) == stage for at, stage in planted.items())
    assert right >= 0.99 * len(planted)
    assert set(named) == {str(at) for at in planted}
    assert found.same == N - len(planted)
    assert sum(part.points for part in found.parts) == pytest.approx(found.difference)


def test_points_are_won_and_lost_on_the_metrics_scale(tmp_path: Path) -> None:
    before = written.draw(N)
    after = [drift(p, "pixels") if at < 100 and at % 2 else p for at, p in enumerate(before)]
    won = sum(not record.score for record, _ in before[1:100:2])
    found = both(tmp_path, before, after)
    pixels = parts(found)["pixels"]
    assert (pixels.differ, pixels.rescored) == (50, 50)
    assert (pixels.gained, pixels.lost) == pytest.approx((won * 100 / N, (won - 50) * 100 / N))
    points = both(tmp_path / "points", before, after, scale="points")
    assert (points.values[0], points.difference) == (300.0, pytest.approx(2 * won - 50))
    assert parts(points)["pixels"].gained == pytest.approx(won)


def test_what_differs_without_another_score_is_counted(tmp_path: Path) -> None:
    before = written.draw(N)
    longer = written.digest("longer")
    after = [
        (record, replace(answer, digests={**answer.digests, "generation": longer}))
        for record, answer in before
    ]
    after[150] = drift(after[150], "output")
    found = both(tmp_path, before, after)
    (part,) = found.parts
    assert (part.stage, part.differ, part.rescored) == ("generation", N, 1)
    assert part.points == pytest.approx(-100 / N)


def without(answer: Response, *stages: str) -> Response:
    return replace(answer, digests={k: v for k, v in answer.digests.items() if k not in stages})


def test_a_stage_that_one_side_does_not_know_is_never_taken_for_equal(tmp_path: Path) -> None:
    before = written.draw(N)
    after = [(r, without(x, "tokens", "pixels")) for r, x in (drift(p, "output") for p in before)]
    found = both(tmp_path, before, after)
    (part,) = found.parts
    assert (part.stage, part.unsure) == ("output", N)
    assert part.examples[0].unknown == ("pixels", "tokens")
    assert found.unknown == {"pixels": N, "tokens": N}


def test_without_replies_the_answer_that_was_read_tells_parsing_from_scoring(
    tmp_path: Path,
) -> None:
    before = [(record, None) for record, _ in written.draw(N)]
    after = list(before)
    for at in range(40):
        record = before[at][0]
        parsed = f"read {at}" if at < 20 else record.parsed
        after[at] = (rescore(record, parsed=parsed), None)
    found = both(tmp_path, before, after)
    got = {part.stage: (part.rescored, part.unsure) for part in found.parts}
    assert got == {"parsing": (20, 20), "scorer": (20, 20)}
    assert set(found.unknown) == set(STAGES) - {"parsing", "scorer"}


def test_nothing_known_but_another_score_is_an_unknown_stage(tmp_path: Path) -> None:
    before = [(replace(record, parsed=None), None) for record, _ in written.draw(N)]
    after = [
        (replace(r, score=1.0), None) if at == 3 else (r, None) for at, (r, _) in enumerate(before)
    ]
    found = both(tmp_path, before, after)
    (part,) = found.parts
    assert (part.stage, part.rescored) == ("unknown", 1)


@pytest.mark.parametrize(
    ("leads", "said"),
    [
        ((0.3, 0.4), "2 of them were close"),
        ((0.3, 4.0), "0 of them were close"),
        ((0.3, -3.0), "0 of them were close"),
        ((None, -3.0), "0 of them were close"),
        ((None,) * 2, ""),
    ],
)
def test_replies_that_turned_are_told_as_close_calls_or_not(
    tmp_path: Path, leads: tuple[float | None, ...], said: str
) -> None:
    def led(pair: Pair, lead: float | None) -> Pair:
        return pair[0], replace(pair[1], details={} if lead is None else {"lead": lead})

    pairs = written.draw(4)
    other = [drift(pair, "output") for pair in pairs[:2]] + pairs[2:]
    before, after = (
        [led(p, lead) for p in some] for some, lead in zip((pairs, other), leads, strict=True)
    )
    found = both(tmp_path, before, after)
    text = render([found], "markdown", 200)
    assert found.parts[0].stage == "output"
    assert said in text
    assert ("close calls" in text) == bool(said)


def test_a_request_that_failed_was_no_close_call(tmp_path: Path) -> None:
    pairs = [(record, replace(answer, details={"lead": 0.1})) for record, answer in written.draw(4)]
    record, answer = pairs[0]
    failed = replace(record, score=0.0, status="failed", parsed=None)
    lost = (failed, replace(answer, text=None, error="out of memory", details={}))
    found = both(tmp_path, pairs, [lost, *pairs[1:]])
    assert [(part.stage, part.differ, part.close) for part in found.parts] == [("output", 1, 0)]


def test_a_failed_request_parts_at_the_output(tmp_path: Path) -> None:
    before, after = written.draw(N), written.draw(N)
    record, answer = after[260]
    after[260] = (
        replace(record, score=None, status="failed", parsed=None),
        replace(without(answer, *written.ASKED[2:]), text=None, error="out of memory"),
    )
    found = both(tmp_path, before, after)
    (part,) = found.parts
    assert (part.stage, part.points) == ("output", pytest.approx(-100 / N))
    (example,) = part.examples
    assert example.statuses == ("ok", "failed")


def test_an_answer_that_could_not_be_read_parts_at_parsing(tmp_path: Path) -> None:
    before, after = written.draw(N), written.draw(N)
    after[260] = (replace(after[260][0], score=None, status="unparsed", parsed=None), after[260][1])
    assert parts(both(tmp_path, before, after))["parsing"].rescored == 1


def test_questions_of_one_side_and_another_number_of_them_are_told_apart(tmp_path: Path) -> None:
    before, after = written.draw(N), written.draw(N)[: N - 100]
    after[0] = (replace(after[0][0], score=None, status="judge_failed"), after[0][1])
    found = both(tmp_path, before, after)
    assert found.n == N - 100
    got = parts(found)
    assert (got["only_a"].differ, got["only_a"].points) == (100, pytest.approx(-75 * 100 / N))
    assert got["weights"].points == pytest.approx(100 * 225 * (1 / (N - 101) - 1 / N))
    assert sum(part.points for part in found.parts) == pytest.approx(found.difference)


def test_a_macro_average_weighs_its_subsets(tmp_path: Path) -> None:
    def grouped(pairs: list[Pair]) -> list[Pair]:
        return [
            (replace(r, subsets=("few" if at < 40 else "many",)), x)
            for at, (r, x) in enumerate(pairs)
        ]

    def macro(pairs: list[Pair]) -> dict[str, Any]:
        few, many = ([r.score or 0.0 for r, _ in pairs[s]] for s in (slice(40), slice(40, N)))
        value = 50 * (sum(few) / len(few) + sum(many) / len(many))
        return {"metrics": {"anls": value}}

    before = grouped(written.draw(N))
    after = [drift(before[0], "output"), *before[1:]]
    first = written.write_run(tmp_path / "a", before, **macro(before))
    second = written.write_run(tmp_path / "b", after, **macro(after))
    (found,) = explain_runs(first, second)
    assert [part.points for part in found.parts] == [pytest.approx(50 / 40)]


def test_a_metric_of_its_own_keeps_its_remainder(tmp_path: Path) -> None:
    first = written.write_run(tmp_path / "a", written.draw(N), metrics={"anls": 10.0})
    second = written.write_run(tmp_path / "b", written.draw(N), metrics={"anls": 12.0})
    (found,) = explain_runs(first, second)
    assert [(part.stage, part.points) for part in found.parts] == [("weights", pytest.approx(2.0))]


def test_settings_that_differ_are_listed_and_unknown_ones_are_not_made_up(tmp_path: Path) -> None:
    pairs = written.draw(N)
    config = {
        "protocol": "release",
        "limit": None,
        "out": "runs",
        "tasks": {
            "docvqa": {
                "protocol": "release",
                "protocols": {
                    "release": {"min_pixels": 1, "source": "a"},
                    "other": {"min_pixels": 7, "source": "b"},
                },
                "rows": {"split": "validation"},
                "file": "/home/somebody/rows.jsonl",
            }
        },
    }
    first = written.write_run(tmp_path / "a", pairs)
    second = written.write_run(
        tmp_path / "b", pairs, settings={"versions": {"torch": "2.14.0"}}, scorer="paper"
    )
    for run, pixels in ((first, 1), (second, 2)):
        config["tasks"]["docvqa"]["protocols"]["release"]["min_pixels"] = pixels  # type: ignore[index]
        config["out"] = str(run)
        (run / "config.yaml").write_text(json.dumps(config), "utf-8")
    (found,) = explain_runs(first, second)
    assert found.settings == (
        ("summary.scorer", "official", "paper"),
        ("protocol.min_pixels", "1", "2"),
        ("versions.torch", "2.13.0", "2.14.0"),
    )
    assert "protocol.source" not in load(first)[0].settings
    assert load(first)[0].settings["task.file"] == "rows.jsonl"
    for name in ("manifest.json", "config.yaml"):
        (second / name).unlink()
    (found,) = explain_runs(first, second)
    assert found.settings == (("summary.scorer", "official", "paper"),)
    assert found.silent == (str(second / "docvqa"),)


def test_a_folder_of_one_scorer_finds_the_replies_one_level_up(tmp_path: Path) -> None:
    pairs = written.draw(N)
    for name, best in (("official", 0), ("paper", 5)):
        records = [replace(r, score=1.0) if at < best else r for at, (r, _) in enumerate(pairs)]
        (place := tmp_path / "out" / name).mkdir(parents=True)
        written.write_results(place, records, written.summary(records, scorer=name))
    lines = "".join(json.dumps({"id": x.id, "text": x.text}) + "\n" for _, x in pairs)
    (tmp_path / "out" / "responses.jsonl").write_text(lines, "utf-8")
    (found,) = explain_runs(tmp_path / "out" / "official", tmp_path / "out" / "paper")
    assert [(part.stage, part.rescored) for part in found.parts] == [("scorer", 5)]
    assert "output" not in found.unknown
    with pytest.raises(UsageError, match="several results of docvqa: name the folder of one"):
        explain_runs(tmp_path / "out", tmp_path / "out" / "paper")


def test_the_last_of_several_responses_counts(tmp_path: Path) -> None:
    pairs = written.draw(N)
    run = written.write_run(tmp_path / "a", pairs)
    path = run / "docvqa" / "responses.jsonl"
    again = json.dumps({"id": "3", "text": "later", "key": "k"})
    path.write_text(path.read_text("utf-8") + again + '\n{"id": "4", "te', "utf-8")
    (result,) = load(run)
    assert (result.items["3"].text, result.items["4"].text) == ("later", "mistake 4")


def test_texts_of_all_forms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = written.draw(N)
    after = [drift(p, "pixels") if 100 < at < 120 else p for at, p in enumerate(before)]
    after[0] = (replace(after[0][0], score=1.0, parsed="read|0"), after[0][1])
    a = written.write_run(tmp_path / "a", before)
    b = written.write_run(tmp_path / "b", after, settings={"versions": {"torch": "3"}})
    assert verb([str(a), str(b), "-n", "1"]) == 0
    said = capsys.readouterr().out
    for line in (
        "docvqa: anls 75.00 in A, 80.00 in B (percent)",
        "parsing                           1         1  +0.25",
        "versions.torch        2.13.0  3",
        "mistake 0 (read as read|0)",
        "380 of 400 questions: nothing is known to differ.",
    ):
        assert line in said, said
    assert verb([str(a), str(b), "--format", "markdown"]) == 0
    said = capsys.readouterr().out
    assert "| parsing | 1 | 1 | +0.25 | 0.00 | +0.25 |" in said
    assert "read\\|0" in said
    assert verb([str(a), str(b), "--format", "json", "-n", "0"]) == 0
    (value,) = json.loads(capsys.readouterr().out)
    assert value["difference"] == pytest.approx(5.0)
    assert [part["stage"] for part in value["parts"]] == ["pixels", "parsing"]
    assert value["chief"] == "pixels"


def test_long_settings_are_shown_where_they_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "the same beginning of two prompts that goes on and on and then "
    for name, end in (("a", "ends"), ("b", "stops")):
        settings = {"identity": {"prompt": long + end}}
        written.write_run(tmp_path / name, written.draw(8), settings=settings)
    write(tmp_path / "a.json", load(tmp_path / "a"))
    assert verb([str(tmp_path / "a.json"), str(tmp_path / "b")]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"A  {tmp_path / 'a.json'}\nB  {tmp_path / 'b'}\n\ndocvqa: anls")
    assert "identity.prompt       …nd on and then ends  …nd on and then stops" in said, said


def refuse_scale(a: Path, b: Path) -> None:
    path = b / "docvqa" / "summary.json"
    path.write_text(path.read_text("utf-8").replace("percent", "points"), "utf-8")


def refuse_line(a: Path, b: Path) -> None:
    (b / "docvqa" / "responses.jsonl").write_text("[]\n", "utf-8")


def refuse_scores(a: Path, b: Path) -> None:
    (b / "docvqa" / "scores.jsonl").write_text('{"id": "1"}\n', "utf-8")


def refuse_none(a: Path, b: Path) -> None:
    (b / "docvqa" / "scores.jsonl").write_text("", "utf-8")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (refuse_scale, "docvqa: one score is in percent, the other in points"),
        (refuse_line, "the line at byte 0 is not a response"),
        (refuse_scores, "scores.jsonl or summary.json is not evalkit's"),
        (refuse_none, "holds no scores: nothing to pair by question"),
    ],
)
def test_what_cannot_be_explained_is_refused(
    tmp_path: Path, spoil: Callable[[Path, Path], None], says: str
) -> None:
    a, b = (written.write_run(tmp_path / name, written.draw(8)) for name in "ab")
    spoil(a, b)
    with pytest.raises(UsageError, match=says):
        explain_runs(a, b)


def test_places_without_a_common_task_are_refused(tmp_path: Path) -> None:
    a = written.write_run(tmp_path / "a", written.draw(8))
    b = written.write_run(tmp_path / "b", written.draw(8), task="chartqa")
    with pytest.raises(UsageError, match=r"no task in common: .* has docvqa, .* has chartqa"):
        explain_runs(a, b)
    with pytest.raises(UsageError, match="no such run or baseline"):
        explain_runs(a, tmp_path / "nowhere")
    with pytest.raises(DataError, match="is no baseline"):
        explain_runs(a, a / "manifest.json")
    with pytest.raises(UsageError, match="-n -1: write a number of examples"):
        verb([str(a), str(b), "-n", "-1"])


def test_a_fingerprint_is_a_digest_or_becomes_one() -> None:
    assert fingerprint("0123abcd") == "0123abcd"
    assert fingerprint(written.digest(1)) == written.digest(1)
    assert len(fingerprint("unreadable:page.png")) == 32
    assert fingerprint("\ud800") != fingerprint("failed")
