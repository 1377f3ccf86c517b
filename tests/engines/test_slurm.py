"""A sweep through hydra-submitit-launcher, with its local executor in Slurm's place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("hydra_plugins.hydra_submitit_launcher")


@pytest.mark.slow
def test_a_sweep_is_one_job_a_combination(tmp_path: Path) -> None:
    root = str(Path(__file__).resolve().parents[2])
    words = [
        "run", "-m", "hydra/launcher=submitit_local", "task=[textvqa],[ocrbench]", "limit=2",
        "data=builtin", "hydra.launcher.timeout_min=10", "hydra.launcher.cpus_per_task=1",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "evalkit", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    summaries = sorted((tmp_path / "runs").glob("*/*/summary.json"))
    found = {path.parent.name: json.loads(path.read_text("utf-8")) for path in summaries}
    assert {name: summary["n"] for name, summary in found.items()} == {"ocrbench": 2, "textvqa": 2}
