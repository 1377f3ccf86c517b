"""The command line as a contract: what each verb prints, imports and exits with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import evalkit
from evalkit.__main__ import main
from evalkit.catalogue import KINDS

HEAVY = ("torch", "transformers", "datasets", "hydra", "numpy", "rich", "pandas")


def imported(*words: str) -> set[str]:
    """Return which heavy libraries a command line imports."""
    script = "import sys; from evalkit.__main__ import main; main(sys.argv[1:]); "
    script += f"print(*[m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.fixture
def rows(tmp_path: Path) -> dict[str, Path]:
    """ChartQA rows without pictures, and predictions for them."""
    data = [("human_test", "How many?", "14", "14"), ("augmented_test", "Which?", "Lamb", "lamb"),
            ("human_test", "How much?", "100", "95.2")]  # fmt: skip
    paths = {"rows": tmp_path / "rows.jsonl", "predictions": tmp_path / "predictions.jsonl"}
    with paths["rows"].open("w") as file, paths["predictions"].open("w") as said:
        for number, (kind, question, answer, prediction) in enumerate(data):
            file.write(json.dumps({"type": kind, "question": question, "answer": answer}) + "\n")
            said.write(json.dumps({"id": str(number), "prediction": prediction}) + "\n")
    return paths


def test_help_and_list_import_nothing_heavy() -> None:
    assert imported("--help") == set()
    assert imported("list") == set()
    assert imported("list", "protocols") == set()


def test_show_imports_no_model_library(rows: dict[str, Path]) -> None:
    found = imported("show", "task=chartqa", f"rows={rows['rows']}")
    assert not found & {"torch", "transformers", "datasets", "pandas"}


def test_show_counts_a_video_s_tokens_without_torch() -> None:
    found = imported("show", "task=videomme_subs", "data=builtin", "limit=1")
    assert "numpy" in found, "the clip was looked at"
    assert not found & {"torch", "transformers", "datasets", "pandas"}


def test_score_imports_no_model_library(rows: dict[str, Path], tmp_path: Path) -> None:
    words = [f"{key}={path}" for key, path in rows.items()]
    found = imported("score", "task=chartqa", *words, f"out={tmp_path}/out")
    assert not found & {"torch", "transformers", "datasets", "pandas"}


def score(rows: dict[str, Path], out: Path, *words: str) -> dict[str, Any]:
    given = [f"{key}={path}" for key, path in rows.items()]
    assert main(["score", "task=chartqa", *given, f"out={out}", *words]) == 0
    return dict(json.loads((out / "summary.json").read_text()))


def test_score_writes_what_the_contract_names(rows: dict[str, Path], tmp_path: Path) -> None:
    found = score(rows, tmp_path / "out", "protocol=release")
    names = {"task", "protocol", "scorer", "n", "n_missing", "n_unparsed", "n_failed", "metrics"}
    assert names | {"primary"} <= found.keys()
    assert (found["task"], found["protocol"], found["scorer"]) == (
        "chartqa",
        "release",
        "vlmevalkit_2024",
    )
    assert found["metrics"]["relaxed_accuracy"] == pytest.approx(200 / 3)
    assert found["metrics"]["relaxed_accuracy/human_test"] == pytest.approx(50)
    lines = (tmp_path / "out" / "scores.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == {
        "id": "0", "score": 1.0, "status": "ok", "parsed": "14", "subsets": ["human_test"],
        "cluster": "", "truncated": False,
    }  # fmt: skip
    assert score(rows, tmp_path / "o", "scorer=official")["metrics"]["relaxed_accuracy"] == 100


def test_a_row_without_a_prediction_is_missing_and_wrong(
    rows: dict[str, Path], tmp_path: Path
) -> None:
    rows["predictions"].write_text('{"id": "0", "prediction": "14"}\n')
    found = score(rows, tmp_path / "out")
    assert (found["n"], found["n_missing"]) == (3, 2)
    assert found["metrics"]["relaxed_accuracy"] == pytest.approx(100 / 3)


def test_all_scorers_stand_side_by_side(
    rows: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [f"{key}={path}" for key, path in rows.items()]
    main(["score", "task=chartqa", *given, f"out={tmp_path}/out", "--all-scorers"])
    said = capsys.readouterr().out
    for name in ("official", "vlmevalkit_2024", "vlmevalkit", "lmms_eval", "qwen_vl", "pix2struct"):
        assert name in said
    (parting,) = [json.loads(x) for x in (tmp_path / "out/parting.jsonl").read_text().splitlines()]
    assert parting["id"] == "2"
    assert parting["scores"]["official"] == 1.0
    assert parting["scores"]["vlmevalkit_2024"] == 0.0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["runn"], "unknown verb: runn. Did you mean run?"),
        (["score"], "say which task: task=NAME, one of "),
        (["score", "task=chartqa"], "say which predictions: predictions=FILE"),
        (["score", "task=chartqa", "predictions=no.jsonl", "out=o"], "no such predictions file"),
        (["score", "--all"], "unrecognized arguments: --all; see evalkit score --help"),
        (["list", "task"], "unknown kind: task. Did you mean tasks?"),
        (["compare"], "the following arguments are required: RUN"),
        (["compare", "nowhere"], "nowhere"),
        (["show", "task=docvqa", "rows=nowhere.jsonl"], "nowhere.jsonl"),
        (["show", "task=docvqa", "limit=0", "data=builtin"], "limit=0"),
        (["run", "task=docvqa", "limit=x"], "limit=x: write a number of rows from 1"),
        (["run", "task=docvqa", "limit=-1"], "limit=-1: write a number of rows from 1"),
        (["run", "task=docvqa", "limit=1.5"], "limit=1.5: write a number of rows from 1"),
        (["run", "task=docvqa", "limit=true"], "limit=True: write a number of rows from 1"),
        (["run", "task=docvqa", "limit="], "limit=: write a number of rows from 1"),
        (["run", "task=docvqa", "retry_failed=perhaps"], "retry_failed=perhaps: write true or"),
        (["run", "tasks=docvqa"], "tasks=docvqa would replace a group of settings"),
        (["run", "tasks=[docvqa]"], "cannot set tasks=[docvqa]"),
        (["run", "task=docvqa", "tasks.docvqa=null"], "tasks.docvqa=None would replace a group"),
        (["run", "task=docvqa", "tasks.docvqa.rows=x"], "tasks.docvqa.rows=x would replace"),
        (["run", "task=docvqa", "tasks.docvqa.rows.file=1.5"], "no such file or folder"),
        (["run", "task=docvqa", "tasks.docvqa.rows.file=true"], "tasks.docvqa.rows.file=True"),
        (["run", "task=docvqa", "tasks.docvqa.protocols=1"], "protocols=1 would replace"),
        (
            ["run", "task=docvqa", "tasks.docvqa.protocols.model_card=1"],
            "protocols.model_card=1 would replace",
        ),
        (
            ["run", "task=docvqa", "tasks.docvqa.protocols.model_card.until=1"],
            "until=1: write a list",
        ),
        (
            ["run", "task=docvqa", "tasks.docvqa.protocols.model_card.max_pixels=x"],
            "max_pixels=x: write a whole number",
        ),
        (["run", "task=docvqa", "model=1"], "write GROUP=NAME, such as model=canary"),
        (["run", "task=docvqa", "model=[1]"], "write GROUP=NAME, such as model=canary"),
        (["run", "task=docvqa", "protocol=[1]"], "protocol=[1]: write a name"),
        (["run", "task=docvqa", "name=true"], "name=True: write a name"),
        (["run", "task=docvqa", "out=null"], "out=None: write a name"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    said = capsys.readouterr()
    assert says in said.err
    assert said.err.startswith("evalkit: ")
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (['{"id": "0", "prediction": "a"}', "{"], "line 2 is not JSON"),
        (['{"prediction": "a"}'], 'line 1 has no "id"'),
        (['{"id": "0"}'], 'line 1 has no "prediction"'),
        (['{"id": "0", "prediction": "a"}'] * 2, "line 2: a second prediction for id 0"),
        (['{"id": "9", "prediction": "a"}'], "no row has the id 9 that the predictions name"),
        ([], "holds no predictions"),
    ],
)
def test_bad_predictions_are_named(
    rows: dict[str, Path],
    tmp_path: Path,
    lines: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows["predictions"].write_text("".join(line + "\n" for line in lines))
    given = [f"{key}={path}" for key, path in rows.items()]
    assert main(["score", "task=chartqa", *given, f"out={tmp_path}/out"]) == 2
    assert says in capsys.readouterr().err


def test_show_prints_one_line_a_row(
    rows: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["show", "task=chartqa", "protocol=lmms_eval", f"rows={rows['rows']}", "limit=1"]) == 0
    )
    (line,) = capsys.readouterr().out.splitlines()
    shown = json.loads(line)
    question = "How many?\nAnswer the question with a single word."
    assert shown["parts"] == [
        {"type": "image", "value": "<image>"},
        {"type": "text", "value": question},
    ]
    assert shown["rendered"] == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        f"<|vision_start|><|image_pad|><|vision_end|>{question}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert (shown["max_new_tokens"], shown["min_pixels"], shown["max_pixels"]) == (16, 3136, 602112)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_listed_with_one_line_each(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", kind]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines), lines


def test_version_is_the_changelogs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"evalkit {evalkit.__version__}\n"
    text = (Path(__file__).resolve().parents[1] / "CHANGELOG.md").read_text("utf-8")
    (top, *_) = [line for line in text.splitlines() if line.startswith("## ")]
    assert top.startswith(f"## {evalkit.__version__}")


def test_exported_names_exist() -> None:
    assert all(hasattr(evalkit, name) for name in evalkit.__all__)


@pytest.mark.parametrize("verb", ["run", "score", "show", "compare", "list"])
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([verb, "--help"])
    assert stopped.value.code == 0
    assert f"evalkit {verb}" in capsys.readouterr().out


def test_a_pipe_that_closes_is_no_error(rows: dict[str, Path]) -> None:
    line = f"{sys.executable} -m evalkit show task=chartqa rows={rows['rows']} | head -n 1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert done.stderr == ""
