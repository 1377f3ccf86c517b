"""Files of every harness, from drawn rows: the same scores as from lines of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evalkit.compare import compare
from evalkit.compose import compose
from evalkit.config import benches
from evalkit.explain import explain_runs
from evalkit.interop.importing import card_of
from evalkit.predictions import read_predictions
from evalkit.results import load
from evalkit.score import score
from evalkit.store import read_records, read_summary

ROWS = [
    {
        "questionId": str(900 - number),
        "question": f"What is on line {number}?",
        "answers": [f"line {number}", f"the line {number}"],
        "ucsf_document_id": f"doc{number // 3}",
        "ucsf_document_page_no": "1",
    }
    for number in range(12)
]
REPLIES = [f"line {n}" if n % 3 else f"lime {n}!" for n in range(12)]
FORMATS = ["lmms_eval", "lm_eval", "xlsx", "tsv", "csv", "json", "inspect", "eval", "rrc", "plain"]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


@pytest.fixture
def drawn(rows: Path, said: Any) -> Any:
    replies = {
        str(row["questionId"]): {"prediction": text, "score": 1.0 if n % 3 else 0.75}
        for n, (row, text) in enumerate(zip(ROWS, REPLIES, strict=True))
    }
    return said("docvqa", str(rows), replies)


def write(writers: Any, kind: str, folder: Path, drawn: Any, task: str = "docvqa") -> Path:
    if kind in ("xlsx", "tsv", "csv", "json"):
        return Path(writers.vlmevalkit(folder, task, drawn, kind))
    if kind == "eval":
        return Path(writers.inspect(folder, task, drawn, packed=True))
    return Path(getattr(writers, kind)(folder, task, drawn))


def scored(rows: Path, predictions: Path, out: Path, *words: str) -> Path:
    settings = ["task=docvqa", f"rows={rows}", f"predictions={predictions}", f"out={out}"]
    score(compose("score", [*settings, *words]))
    return out


@pytest.mark.parametrize("kind", FORMATS)
def test_scored_as_lines_of_ours(
    kind: str, writers: Any, drawn: Any, rows: Path, run: Any, tmp_path: Path
) -> None:
    file = write(writers, kind, tmp_path, drawn)
    out = tmp_path / "run"
    done = run(
        "import", file, "--rows", rows, "--out", out, "--task", "docvqa", "--scorer", "official"
    )
    assert done.code == 0, done.err
    ours = scored(
        rows, writers.plain(tmp_path, "docvqa", drawn), tmp_path / "ours", "scorer=official"
    )
    assert (out / "docvqa/scores.jsonl").read_bytes() == (ours / "scores.jsonl").read_bytes()
    summary, other = read_summary(out / "docvqa"), read_summary(ours)
    assert summary["metrics"] == other["metrics"]
    assert 90 < summary["metrics"]["anls"] < 100
    lines = (out / "docvqa/responses.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == REPLIES
    manifest = json.loads((out / "manifest.json").read_text())
    (source,) = manifest["imported"]
    assert source["file"] == str(file)
    assert len(source["sha256"]) == 64


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "plain"])
def test_read_by_the_score_verb(
    kind: str, writers: Any, drawn: Any, rows: Path, tmp_path: Path
) -> None:
    file = write(writers, kind, tmp_path, drawn)
    card = card_of("docvqa") | {"protocol": "release"}
    (bench,) = benches({"tasks": {"docvqa": card}, "rows": str(rows), "data": "hub"})
    found = read_predictions(file, bench.task, bench.rows)
    assert {key: response.text for key, response in found.items()} == {
        str(row["questionId"]): text for row, text in zip(ROWS, REPLIES, strict=True)
    }


@pytest.mark.parametrize("kind", ["lmms_eval", "lm_eval", "xlsx", "tsv", "inspect", "eval"])
def test_without_rows_the_harness_s_own_scores_stand(
    kind: str, writers: Any, drawn: Any, run: Any, tmp_path: Path
) -> None:
    file = write(writers, kind, tmp_path, drawn)
    out = tmp_path / "run"
    done = run("import", file, "--out", out)
    assert done.code == 0, done.err
    assert "give --rows to score the replies anew" in done.err
    summary = read_summary(out / "docvqa")
    own = [1.0 if n % 3 else 0.75 for n in range(12)]
    if kind in ("lm_eval", "inspect", "eval"):  # their fixtures know right and wrong only
        own = [1.0] * 12
    assert [record.score for record in read_records(out / "docvqa")] == own
    assert summary["metrics"]["anls"] == pytest.approx(100 * sum(own) / 12)
    assert ":" in summary["scorer"]
    assert summary["version"] == ""


def test_what_the_file_says_of_itself_is_kept(
    writers: Any, drawn: Any, rows: Path, run: Any, tmp_path: Path
) -> None:
    file = write(writers, "lmms_eval", tmp_path, drawn)
    done = run("import", file, "--rows", rows, "--out", tmp_path / "run")
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert manifest["model"] == "org/their-model"
    assert manifest["versions"] == {"transformers": "4.45.0"}
    assert manifest["scored_with"]["evalkit"]
    assert manifest["imported"][0]["git"] == "0123abc"
    summary = read_summary(tmp_path / "run/docvqa")
    assert (summary["protocol"], summary["scorer"]) == ("lmms_eval", "lmms_eval")
    original = (tmp_path / "run/docvqa/original_scores.jsonl").read_text().splitlines()
    assert json.loads(original[0]) == {"id": "900", "number": 0, "scores": {"anls": 0.75}}
    assert "its own anls differs from our score on 4 of 12" in done.out


def test_results_bring_the_samples_that_lie_beside_them(
    writers: Any, drawn: Any, rows: Path, run: Any, tmp_path: Path
) -> None:
    write(writers, "lmms_eval", tmp_path, drawn)
    results = tmp_path / "20260102_030405_results.json"
    assert run("import", results, "--rows", rows, "--out", tmp_path / "run").code == 0
    assert len(read_records(tmp_path / "run/docvqa")) == 12


def test_totals_alone_become_a_table_and_nothing_to_pair(
    writers: Any, drawn: Any, run: Any, tmp_path: Path
) -> None:
    write(writers, "lmms_eval", tmp_path, drawn).unlink()
    results = tmp_path / "20260102_030405_results.json"
    done = run("import", results, "--out", tmp_path / "run")
    assert done.code == 0
    assert "no question can be compared" in done.err
    summary = read_summary(tmp_path / "run/docvqa")
    assert (summary["metrics"], summary["primary"], summary["n"]) == (
        {"anls,none": 0.5},
        "anls,none",
        12,
    )
    assert compare([tmp_path / "run"]).rows[0].cells[0].value == 0.5


def test_the_other_verbs_take_an_imported_run(
    writers: Any, drawn: Any, rows: Path, run: Any, tmp_path: Path
) -> None:
    for kind in ("xlsx", "lmms_eval"):
        file = write(writers, kind, tmp_path, drawn)
        words = ["--rows", rows, "--out", tmp_path / kind, "--scorer", "official"]
        assert run("import", file, *words).code == 0
    table = compare([tmp_path / "xlsx", tmp_path / "lmms_eval"])
    assert table.rows[0].gaps[0].kind == "paired"
    assert table.rows[0].gaps[0].value == 0
    assert explain_runs(tmp_path / "xlsx", tmp_path / "lmms_eval", 1)
    assert len(load(tmp_path / "xlsx")[0].items) == 12


def test_a_limit_leaves_rows_out_and_lacking_answers_count_as_wrong(
    writers: Any, drawn: Any, rows: Path, run: Any, tmp_path: Path
) -> None:
    file = write(writers, "xlsx", tmp_path, drawn[:6])
    words = ["--rows", rows, "--scorer", "official"]
    done = run("import", file, *words, "--out", tmp_path / "all")
    assert "6 of 12 rows have no answer in the file and count as wrong" in done.err
    assert read_summary(tmp_path / "all/docvqa")["n_missing"] == 6
    done = run("import", file, *words, "--limit", 6, "--out", tmp_path / "first")
    summary = read_summary(tmp_path / "first/docvqa")
    assert (summary["n"], summary["n_missing"], summary["partial"]) == (6, 0, True)


def test_empty_cells_are_counted_and_nothing_is_made_up(
    writers: Any, drawn: Any, rows: Path, run: Any, sheet: Callable[..., Path], tmp_path: Path
) -> None:
    table = writers.table("docvqa", drawn)
    table[3]["prediction"] = None
    table[4]["prediction"] = "None"
    table[5]["prediction"] = "=line 5"
    table[6]["prediction"] = "line\r\n6 _x0041_"
    table[7]["prediction"] = 7.5
    table[8]["prediction"] = "Failed to obtain answer via API."
    header = list(table[0])
    cells = [header, *(list(row.values()) for row in table)]
    file = sheet(tmp_path / "Their-Model_DocVQA_VAL.xlsx", cells)
    done = run("import", file, "--rows", rows, "--out", tmp_path / "run")
    assert "1 predictions are empty cells and read as empty replies" in done.err
    assert "1 predictions are stored as numbers" in done.err
    lines = (tmp_path / "run/docvqa/responses.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert [found[n]["text"] for n in (3, 4, 5, 6, 7)] == [
        "",
        "None",
        "=line 5",
        "line\r\n6 _x0041_",
        "7.5",
    ]
    assert "text" not in found[8]
    assert read_summary(tmp_path / "run/docvqa")["n_failed"] == 1


def test_a_formula_is_the_text_that_it_was(
    rows: Path, writers: Any, drawn: Any, run: Any, tmp_path: Path
) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    path = writers.vlmevalkit(tmp_path, "docvqa", drawn)
    book = openpyxl.load_workbook(path)
    cell = book.active.cell(row=2, column=4)
    assert cell.value == REPLIES[0]
    cell.value = "=1+1"
    assert cell.data_type == "f"
    book.save(path)
    run("import", path, "--rows", rows, "--out", tmp_path / "run")
    first = (tmp_path / "run/docvqa/responses.jsonl").read_text().splitlines()[0]
    assert json.loads(first)["text"] == "=1+1"


def test_a_judge_s_grades_and_extractions_come_along(
    writers: Any, said: Any, run: Any, tmp_path: Path
) -> None:
    from evalkit.canary.sets import rows as drawn_rows

    grades = {
        str(r["question_id"]): {"prediction": "x", "judge": "0.5"} for r in drawn_rows("mmvet")
    }
    pids = {
        str(r["pid"]): {"prediction": "so it is.", "extraction": str(r["answer"])}
        for r in drawn_rows("mathvista")
    }
    for task, replies in (("mmvet", grades), ("mathvista", pids)):
        for kind in ("xlsx", "lmms_eval"):
            (tmp_path / kind).mkdir(exist_ok=True)
            file = write(writers, kind, tmp_path / kind, said(task, "builtin", replies), task)
            out = tmp_path / kind / task
            done = run("import", file, "--rows", "builtin", "--out", out, "--protocol", "official")
            assert done.code == 0, done.err
            found = read_summary(out / task)
            assert found["metrics"][found["primary"]] == (50.0 if task == "mmvet" else 100.0)


def test_several_files_become_one_run(
    writers: Any, drawn: Any, rows: Path, run: Any, tmp_path: Path
) -> None:
    halves = []
    for name, part in (("a", drawn[:6]), ("b", drawn[6:])):
        (tmp_path / name).mkdir()
        halves.append(write(writers, "xlsx", tmp_path / name, part))
    assert run("import", *halves, "--rows", rows, "--out", tmp_path / "run").code == 0
    assert len(read_records(tmp_path / "run/docvqa")) == 12
    done = run("import", halves[0], halves[0], "--rows", rows, "--out", tmp_path / "twice")
    assert done.code == 2
    assert "is answered in another of the files too" in done.err
    assert not (tmp_path / "twice/docvqa").exists()


def test_the_parts_of_mvbench_become_one_run(
    writers: Any, said: Any, run: Any, tmp_path: Path
) -> None:
    from evalkit.canary.sets import rows as drawn_rows

    found = list(drawn_rows("mvbench"))
    replies = {str(n): {"prediction": row["answer"]} for n, row in enumerate(found)}
    whole = said("mvbench", "builtin", replies)
    files = []
    for config in dict.fromkeys(row["config"] for row in found):
        part = [s for s in whole if s.row["config"] == config]
        numbered = [replace(s, number=n, score=1.0) for n, s in enumerate(part)]
        file = writers.lmms_eval(tmp_path, "mvbench", numbered)
        files.append(file.rename(tmp_path / f"20260102_030405_samples_mvbench_{config}.jsonl"))
    (tmp_path / "20260102_030405_results.json").unlink()
    assert len(files) > 1
    done = run("import", *files, "--rows", "builtin", "--out", tmp_path / "run")
    assert done.code == 0, done.err
    lines = (tmp_path / "run/mvbench/responses.jsonl").read_text().splitlines()
    texts = {line["id"]: line["text"] for line in map(json.loads, lines)}
    assert texts == {key: reply["prediction"] for key, reply in replies.items()}
    done = run("import", *files, "--out", tmp_path / "bare")
    assert (done.code, "counts its own questions, add --rows" in done.err) == (2, True)
    done = run("import", files[0], "--out", tmp_path / "bare")
    assert read_summary(tmp_path / "bare/mvbench")["metrics"] == {"accuracy": 100.0}


def test_a_run_is_never_written_over(
    writers: Any, drawn: Any, rows: Path, run: Any, tmp_path: Path
) -> None:
    file = write(writers, "xlsx", tmp_path, drawn)
    assert run("import", file, "--rows", rows, "--out", tmp_path / "run").code == 0
    done = run("import", file, "--rows", rows, "--out", tmp_path / "run")
    assert (done.code, "holds a run already" in done.err) == (2, True)


@pytest.mark.parametrize("task", ["docvqa", "mathvista", "mmmu"])
def test_a_card_is_read_as_hydra_composes_it(task: str) -> None:
    composed = compose("score", [f"task={task}", "protocol=release"])["tasks"][task]
    assert card_of(task) | {"protocol": "release"} == composed
