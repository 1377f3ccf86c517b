"""Baseline files: small, stable, read back as results, and never of a poor run."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from evalkit.baseline import check, read, text_of, write
from evalkit.errors import DataError, RunError, UsageError
from evalkit.items import PRINTED, SHORT
from evalkit.results import load
from evalkit.types import Record
from evalkit.verbs.gate import baseline as verb


def load_helper(name: str) -> ModuleType:
    """Import a helper that stands beside this file."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec
    assert spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


written = load_helper("written")


def odd_run(folder: Path) -> Path:
    """Write a run whose scores have every status, a fraction, and no cluster here and there."""
    pairs = written.draw(60)
    changes = {
        3: {"score": None, "status": "unparsed", "parsed": None},
        4: {"score": 2 / 3, "cluster": ""},
        5: {"score": None, "status": "failed", "parsed": None},
        6: {"truncated": True, "subsets": ("odd", "even")},
        7: {"score": None, "status": "unparsed", "truncated": True, "parsed": None},
        8: {"subsets": (), "score": 0.1 + 0.2},
    }
    for at, change in changes.items():
        pairs[at] = (replace(pairs[at][0], **change), pairs[at][1])
    written.write_run(folder, pairs)
    return Path(written.write_run(folder, written.draw(20), task="chartqa"))


def test_it_reads_back_as_the_run_that_it_was(tmp_path: Path) -> None:
    run = load(odd_run(tmp_path / "run"))
    write(tmp_path / "new" / "b.json", run)
    back = load(tmp_path / "new" / "b.json")
    assert [result.task for result in back] == ["chartqa", "docvqa"]
    for before, after in zip(run, back, strict=True):
        assert dict(after.summary) == dict(before.summary)
        assert dict(after.settings) == dict(before.settings)
        assert list(after.items) == list(before.items)
        numbers: dict[str, str] = {}
        for old, new in zip(before.items.values(), after.items.values(), strict=True):
            cluster = numbers.setdefault(old.record.cluster, new.record.cluster)
            assert new.record == replace(old.record, parsed=None, cluster=cluster)
            assert (not cluster) == (not old.record.cluster)
            assert new.prints == {k: v[:SHORT] for k, v in old.prints.items()}
        assert len(set(numbers.values())) == len(numbers)


def test_the_same_run_gives_the_same_bytes_and_they_are_few(tmp_path: Path) -> None:
    first, second = (load(odd_run(tmp_path / name)) for name in "ab")
    assert text_of(first) == text_of(second)
    items = [line for line in text_of(first).splitlines() if line.startswith('["')]
    assert len(items) == 80
    assert max(map(len, items)) < 120
    assert "mistake" not in text_of(first)


def test_a_change_of_one_question_is_a_change_of_one_line(tmp_path: Path) -> None:
    pairs = written.draw(30)
    before = text_of(load(written.write_run(tmp_path / "a", pairs))).splitlines()
    pairs[9] = (pairs[9][0], replace(pairs[9][1], text="other"))
    after = text_of(load(written.write_run(tmp_path / "b", pairs))).splitlines()
    assert sum(one != two for one, two in zip(before, after, strict=True)) == 1


def test_a_stage_that_no_question_knows_takes_no_room(tmp_path: Path) -> None:
    run = load(written.write_run(tmp_path / "a", [(r, None) for r, _ in written.draw(30)]))
    value = json.loads(text_of(run))
    assert value["tasks"][0]["stages"] == ["parsing"]
    assert set(PRINTED) > {"parsing"}
    write(tmp_path / "b.json", run)
    assert all(
        item.prints.keys() == {"parsing"} for item in read(tmp_path / "b.json")[0].items.values()
    )


LACKING = {
    "failed": {"score": None, "status": "failed", "parsed": None},
    "missing": {"score": None, "status": "missing", "parsed": None},
    "judge_failed": {"score": None, "status": "judge_failed"},
}


@pytest.mark.parametrize("name", LACKING)
def test_a_run_that_lacks_answers_is_refused_unless_that_is_said(tmp_path: Path, name: str) -> None:
    pairs = written.draw(30)
    pairs[2] = (replace(pairs[2][0], **LACKING[name]), pairs[2][1])
    run = load(written.write_run(tmp_path / "a", pairs))
    with pytest.raises(UsageError, match=f"1 of 30 questions are {name}; .* --allow {name}"):
        check(run, [other for other in LACKING if other != name])
    check(run, [name])


def test_partial_and_private_runs_are_always_refused(tmp_path: Path) -> None:
    every = list(LACKING)
    run = load(written.write_run(tmp_path / "a", written.draw(30), partial=True))
    with pytest.raises(UsageError, match="partial run: run it without limit="):
        check(run, every)
    private = [(replace(r, score=None), x) for r, x in written.draw(30)]
    run = load(written.write_run(tmp_path / "b", private, metrics={}))
    with pytest.raises(UsageError, match="no score: the split's answers are private"):
        check(run, every)
    with pytest.raises(UsageError, match="unknown thing to allow: partial"):
        check(run, ["partial"])


def test_the_verb_writes_where_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    written.write_run(Path("runs/main"), written.draw(30))
    assert verb(["write", "runs/main"]) == 0
    path = Path("results/baselines/main.json")
    assert capsys.readouterr().out.startswith(f"{path}: 30 questions of docvqa, ")
    assert read(path)[0].value == pytest.approx(100 * 5 / 30)
    assert verb(["write", str(path), "--out", "copy.json"]) == 0
    assert Path("copy.json").read_bytes() == path.read_bytes()
    with pytest.raises(UsageError, match="unknown action of evalkit baseline: wrte"):
        verb(["wrte", "runs/main"])
    with pytest.raises(RunError, match="cannot write"):
        verb(["write", "runs/main", "--out", "copy.json/b.json"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "cannot read"),
        ("[]", "its format is None"),
        ('{"format": "evalkit baseline 2", "tasks": []}', "its format is 'evalkit baseline 2'"),
        ('{"format": "evalkit baseline 1"}', "not as evalkit baseline write leaves it"),
        ('{"format": "evalkit baseline 1", "tasks": [{"summary": {"task": "t"}, "stages": [],'
         ' "subsets": [], "settings": {}, "items": [["1", 1.0, 0, [], "", ["odd"]]]}]}',
         "unknown word odd"),
        ('{"format": "evalkit baseline 1", "tasks": [{"summary": {"task": "t"}, "stages": [],'
         ' "subsets": [], "settings": {}, "items": [["1", 1.0, 0, [0], ""]]}]}', "IndexError"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(text, "utf-8")
    with pytest.raises(DataError, match=says) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_record_has_no_field_that_a_baseline_forgets() -> None:
    # A new field of Record must be kept here too, or be left out on purpose as `parsed` is.
    assert set(Record.__slots__) == {
        "cluster", "id", "parsed", "score", "status", "subsets", "truncated"
    }  # fmt: skip
