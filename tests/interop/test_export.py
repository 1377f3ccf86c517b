"""Runs in other tools' formats, and back again with every score."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from evalkit.store import read_records, read_summary, record_line, write_results
from evalkit.types import Record

TASKS = ["docvqa", "ocrbench", "mathvista", "mmmu"]
ROUND = ["lm_eval", "lmms_eval", "inspect"]


@pytest.fixture
def make(said: Any, writers: Any, run: Any, tmp_path: Path) -> Callable[..., Path]:
    """A function that makes a run on the built-in set, with replies of every kind."""
    from evalkit.canary.sets import rows

    def call(task: str, lone: str = "\ud83d") -> Path:
        names = {"docvqa": "questionId", "mathvista": "pid", "mmmu": "id"}
        found = list(rows(task))
        keys = [str(row.get(names.get(task, ""), n)) for n, row in enumerate(found)]
        replies: dict[str, dict[str, Any]] = {}
        for n, (key, row) in enumerate(zip(keys, found, strict=True)):
            gold = row.get("answer", row.get("answers"))
            text = gold if isinstance(gold, str) else str(gold[0])
            replies[key] = {"prediction": (text, "", 'odd "\n\u2028 text', lone)[n // 2 % 4]}
        file = writers.plain(tmp_path, task, said(task, "builtin", replies)[:-1])
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        lines[1]["prediction"] = None
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        out = tmp_path / f"run-{task}"
        done = run("import", file, "--task", task, "--rows", "builtin", "--out", out)
        assert done.code == 0, done.err
        return out

    return call


@pytest.mark.parametrize("questions", [False, True])
@pytest.mark.parametrize("form", ROUND)
@pytest.mark.parametrize("task", TASKS)
def test_round_trips_keep_every_score(
    task: str, form: str, questions: bool, make: Any, run: Any, tmp_path: Path
) -> None:
    first = make(task, "odd" if form == "inspect" else "\ud83d")
    words = ["--questions"] if questions else []
    done = run("export", first, "--format", form, "--out", tmp_path / "logs", *words)
    assert done.code == 0, done.err
    files = [Path(line) for line in done.out.splitlines()]
    assert {path.parent for path in files} == {tmp_path / "logs"}
    summary = read_summary(first / task)
    assert {record.status for record in read_records(first / task)} >= {"failed", "missing", "ok"}
    for number, file in enumerate(files):
        again = tmp_path / f"again{number}"
        done = run("import", file, "--out", again)
        assert done.code == 0, done.err
        assert (again / task / "scores.jsonl").read_bytes() == (
            first / task / "scores.jsonl"
        ).read_bytes()
        assert read_summary(again / task) == summary
        anew = tmp_path / f"anew{number}"
        done = run("import", file, "--rows", "builtin", "--out", anew)
        assert done.code == 0, done.err
        assert read_summary(anew / task)["metrics"] == summary["metrics"]
        assert texts(anew / task) == texts(first / task)


def texts(folder: Path) -> dict[str, Any]:
    lines = (folder / "responses.jsonl").read_text().split("\n")
    found = [json.loads(line) for line in lines if line]
    return {line["id"]: line.get("text") for line in found if "text" in line}


def test_a_run_keeps_its_fingerprints_and_cut_replies(make: Any, run: Any, tmp_path: Path) -> None:
    first = make("docvqa")
    path = first / "docvqa/responses.jsonl"
    lines = [json.loads(line) for line in path.read_text().split("\n") if line]
    lines[0] |= {"digests": {"row": "aa", "tokens": "bb"}, "finish_reason": "length"}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for form in ROUND:
        done = run("export", first, "--format", form, "--out", tmp_path / form)
        file = done.out.splitlines()[-1]
        run("import", file, "--rows", "builtin", "--out", tmp_path / f"again-{form}")
        again = (tmp_path / f"again-{form}/docvqa/responses.jsonl").read_text().split("\n")
        found = json.loads(again[0])
        assert (found["digests"], found["finish_reason"]) == (lines[0]["digests"], "length")
        assert read_records(tmp_path / f"again-{form}/docvqa")[0].truncated


def test_lm_eval_files_have_its_keys(make: Any, run: Any, tmp_path: Path) -> None:
    first = make("docvqa")
    done = run("export", first, "--format", "lm_eval", "--questions", "--out", tmp_path / "logs")
    results, samples = map(Path, done.out.splitlines())
    assert results.name.startswith("results_20")
    assert samples.name.startswith("samples_docvqa_20")
    content = json.loads(results.read_text())
    anls = read_summary(first / "docvqa")["metrics"]["anls"]
    assert content["results"]["docvqa"]["anls,none"] == pytest.approx(anls / 100)
    assert content["results"]["docvqa"]["anls_stderr,none"] > 0
    assert content["n-samples"]["docvqa"] == {"original": 40, "effective": 40}
    keys = "group_subtasks configs versions n-shot higher_is_better config git_hash date model_name"
    assert content.keys() >= set(keys.split())
    line = json.loads(samples.read_text().split("\n")[0])
    keys = (
        "doc_id doc target arguments resps filtered_resps filter metrics doc_hash prompt_hash anls"
    )
    assert line.keys() >= set(keys.split())
    prompt = line["arguments"]["gen_args_0"]["arg_0"]
    assert prompt.startswith(f"<image>{line['doc']['question']}\n")
    assert line["resps"] == [[json.loads(texts_line(first))["text"]]]


def texts_line(run: Path) -> str:
    return (run / "docvqa/responses.jsonl").read_text().split("\n")[0]


def test_points_stay_points(make: Any, run: Any, tmp_path: Path) -> None:
    first = make("ocrbench")
    done = run("export", first, "--format", "lmms_eval", "--out", tmp_path / "logs")
    content = json.loads(Path(done.out.splitlines()[0]).read_text())
    metrics = read_summary(first / "ocrbench")["metrics"]
    assert content["results"]["ocrbench"]["points,none"] == metrics["points"] > 1


def test_inspect_logs_mark_what_nobody_scored(make: Any, run: Any, tmp_path: Path) -> None:
    done = run("export", make("docvqa"), "--format", "inspect", "--out", tmp_path / "logs")
    log = json.loads(Path(done.out.strip()).read_text())
    assert log["samples"][6]["output"]["completion"] == "\ufffd"
    assert (log["version"], log["status"], log["eval"]["task"]) == (2, "success", "docvqa")
    assert len(log["samples"]) == log["results"]["total_samples"] == 40
    failed = log["samples"][1]
    assert failed["error"]["message"] == "no prediction"
    assert failed["output"]["choices"] == []
    value = failed["scores"]["anls"]["value"]
    assert value != value, "NaN is inspect's sign for unscored"


def summary_of(**more: Any) -> dict[str, Any]:
    return {
        "task": "docvqa",
        "version": "1",
        "protocol": "release",
        "scorer": "official",
        "split": "validation",
        "n": 2,
        "n_unparsed": 1,
        "metrics": {"anls": 61.23456789, "anls/hard": 50.0},
        "primary": "anls",
        "scale": "percent",
        "partial": False,
        "judge": None,
        "model": "their-model",
        "data": "hub",
        **more,
    }


def folder_of(tmp_path: Path, **more: Any) -> Path:
    """A folder as ``evalkit score`` writes it."""
    folder = tmp_path / "scored"
    folder.mkdir()
    records = [Record(id=str(n), score=0.5, status="ok", parsed=f"a{n}") for n in (1, 2)]
    write_results(folder, records, summary_of(**more))
    return folder


def test_eval_results_of_a_model_s_repository(run: Any, tmp_path: Path) -> None:
    from huggingface_hub import parse_eval_result_entries

    folder = folder_of(tmp_path)
    words = ["--out", tmp_path / "model", "--source", "https://example.org/run"]
    done = run("export", folder, "--format", "hf", *words)
    assert done.out.strip() == str(tmp_path / "model/.eval_results/docvqa.yaml")
    (entry,) = parse_eval_result_entries(yaml.safe_load(Path(done.out.strip()).read_text()))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("lmms-lab/DocVQA", "DocVQA", 61.2346)
    assert (entry.source_url, entry.source_name) == ("https://example.org/run", "evalkit")
    assert "protocol release; scorer official; split validation; n 2; 1 unparsed" in entry.notes


def test_model_index_of_a_model_card(run: Any, tmp_path: Path) -> None:
    from huggingface_hub import ModelCardData

    done = run("export", folder_of(tmp_path), "--format", "model_index", "--out", tmp_path / "card")
    content = yaml.safe_load(Path(done.out.strip()).read_text())
    card = ModelCardData(**content)
    assert card.model_name == "their-model"
    found = {result.metric_name: result.metric_value for result in card.eval_results}
    assert found == {"anls": 61.2346, "anls/hard": 50.0}
    assert card.eval_results[0].dataset_split == "validation"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"partial": True}, "it is partial, of 2 rows"),
        ({"data": "builtin"}, "the built-in set, which is no benchmark"),
        ({"metrics": {}}, "its answers are private"),
    ],
)
@pytest.mark.parametrize("form", ["hf", "model_index"])
def test_no_number_on_a_model_s_page_that_is_none(
    form: str, more: dict[str, Any], says: str, run: Any, tmp_path: Path
) -> None:
    done = run("export", folder_of(tmp_path, **more), "--format", form, "--out", tmp_path / "out")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert says in done.err
    assert not (tmp_path / "out").exists()


def test_a_submission_has_one_entry_a_question(make: Any, run: Any, tmp_path: Path) -> None:
    first = make("docvqa")
    done = run("export", first, "--format", "rrc", "--out", tmp_path / "out")
    entries = json.loads(Path(done.out.strip()).read_text())
    records = read_records(first / "docvqa")
    assert [entry["questionId"] for entry in entries] == [int(record.id) for record in records]
    assert all(isinstance(entry["answer"], str) for entry in entries)
    again = tmp_path / "again"
    words = ["--task", "docvqa", "--rows", "builtin", "--out", again]
    assert run("import", done.out.strip(), *words).code == 0
    assert read_summary(again / "docvqa")["metrics"] == read_summary(first / "docvqa")["metrics"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("absent --format hf --out x", "no results in absent"),
        ("scored --format lm_eval --out x", "scored holds no replies: only hf"),
        ("scored --format pdf --out x", "argument --format: invalid choice: 'pdf'"),
        ("scored --format hf --questions --out x", "--questions is for logs of samples"),
        ("scored --format rrc --source u --out x", "--source is for hf and model_index"),
        ("run-ocrbench --format rrc --out x", "ocrbench is no task of the RRC server"),
        ("bare --format inspect --questions --out x", "bare has no config.yaml"),
    ],
)
def test_wrong_words_are_one_line(
    words: str, says: str, make: Any, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path)
    make("ocrbench")
    bare = make("docvqa").rename(tmp_path / "bare")
    (bare / "config.yaml").unlink()
    done = run("export", *words.split())
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert says in done.err
    assert not Path("x").exists()


def test_a_damaged_export_is_refused(make: Any, run: Any, tmp_path: Path) -> None:
    first = make("docvqa")
    done = run("export", first, "--format", "lm_eval", "--out", tmp_path / "logs")
    samples = Path(done.out.splitlines()[1])
    lines = samples.read_text().split("\n")
    samples.write_text("\n".join(lines[:5]) + "\n")
    done = run("import", samples, "--out", tmp_path / "again")
    assert (done.code, "holds 5 of the 40 answers" in done.err) == (2, True)
    line = json.loads(lines[0])
    line["evalkit"]["record"] = {"odd": 1}
    samples.write_text("\n".join([json.dumps(line), *lines[1:]]))
    done = run("import", samples, "--out", tmp_path / "again")
    assert (done.code, "its record is not evalkit's" in done.err) == (2, True)
    assert done.err.count("\n") == 1
    assert record_line(read_records(first / "docvqa")[0])["status"]
