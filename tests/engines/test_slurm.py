"""A sweep through hydra-submitit-launcher, with its local executor in Slurm's place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.__main__ import main

pytest.importorskip("hydra_plugins.hydra_submitit_launcher")

ROOT = Path(__file__).resolve().parents[2]


def sweep(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # One folder for all jobs: submitit makes a job's own after it has started the job, which on a
    # busy machine looks for it first and dies.
    words = (
        "run", "-m", "hydra/launcher=submitit_local", "hydra.launcher.timeout_min=10",
        "hydra.launcher.cpus_per_task=1",
        "hydra.launcher.submitit_folder=${hydra.sweep.dir}/.submitit", *words,
    )  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "evalkit", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'engines'}"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def rows(path: Path, question: str) -> None:
    from PIL import Image

    Image.new("RGB", (56, 56)).save(path.with_suffix(".png"))
    row = {
        "questionId": "1", "question": question, "answers": ["a"], "ucsf_document_id": "d",
        "ucsf_document_page_no": "1", "image": path.with_suffix(".png").name,
    }  # fmt: skip
    path.write_text(json.dumps(row) + "\n")


def test_a_sweep_ends_with_the_worst_exit_code_and_names_the_jobs_that_failed(
    tmp_path: Path,
) -> None:
    rows(tmp_path / "rows.jsonl", "What?")
    (tmp_path / "answers.jsonl").write_text(json.dumps({"id": "1", "prediction": "a"}) + "\n")
    words = ["task=[docvqa]", "model=replay", "model.answers=answers.jsonl"]
    done = sweep(tmp_path, *words, "rows=rows.jsonl,no.jsonl", "hydra.sweep.dir=sweeps")
    assert done.returncode == 2, done.stderr[-2000:]
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("evalkit:")]
    assert said.startswith("evalkit: job 1 (task=[docvqa] model=replay")
    assert "no such file or folder" in said
    assert len(list((tmp_path / "runs").glob("*/docvqa/summary.json"))) == 1
    assert not list((tmp_path / "sweeps").glob(".sweep*"))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["hydra/launcher=submitit_slurm"], 3, 'the sweep broke off: Could not detect "srun"'),
        (["hydra/launcher=nothing"], 2, "pip install 'evalkit-vl[slurm]'"),
        (["hydra.launcher.partitions=gpu"], 2, "unknown key: hydra.launcher.partitions"),
        (["--cfg", "job"], 2, "Only one of"),
    ],
)
def test_what_is_wrong_with_a_sweep_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin/nowhere")
    assert main(["run", "-m", "task=[docvqa]", *words]) == code
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1


@pytest.mark.slow
def test_a_job_that_is_killed_is_one_line(tmp_path: Path) -> None:
    rows(tmp_path / "rows.jsonl", "always die")
    done = sweep(
        tmp_path, "task=[docvqa]", "rows=rows.jsonl", "model=replay",
        "model._target_=echo_backend.Echo", "model.answers=no", f"+model.folder={tmp_path}",
    )  # fmt: skip
    assert done.returncode == 3, done.stderr[-2000:]
    assert "evalkit: the sweep broke off: Job " in done.stderr
    assert "Traceback" not in done.stderr.partition("evalkit: ")[0]


@pytest.mark.slow
def test_a_sweep_is_one_job_a_combination(tmp_path: Path) -> None:
    done = sweep(tmp_path, "task=[textvqa],[ocrbench]", "limit=2", "data=builtin")
    assert done.returncode == 0, done.stderr[-2000:]
    summaries = sorted((tmp_path / "runs").glob("*/*/summary.json"))
    found = {path.parent.name: json.loads(path.read_text("utf-8")) for path in summaries}
    assert {name: summary["n"] for name, summary in found.items()} == {"ocrbench": 2, "textvqa": 2}
