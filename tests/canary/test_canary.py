"""The canary reads: what a few of its answers are worth, and what its files are."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.__main__ import main
from evalkit.canary.checkpoint import WEIGHTS, checkpoint
from evalkit.published import for_model

PACKAGE = Path(__file__).parents[2] / "evalkit" / "canary"


@pytest.mark.parametrize("task", ["docvqa", "realworldqa", "videomme_subs"])
def test_it_reads_a_page_chooses_among_options_and_follows_a_clip(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    monkeypatch.chdir(tmp_path)
    assert main(["run", "-q", f"task={task}", "limit=6", "name=r"]) == 0
    summary = json.loads((tmp_path / f"runs/r/{task}/summary.json").read_text("utf-8"))
    assert summary["n"] == 6
    assert summary["metrics"][summary["primary"]] >= 80


def test_its_weights_come_with_the_package() -> None:
    weights = PACKAGE / WEIGHTS
    assert 1 << 20 < weights.stat().st_size <= 12 << 20
    assert (checkpoint() / "model.safetensors").read_bytes() == weights.read_bytes()


def test_what_is_expected_of_it_is_written_down_for_every_benchmark_of_the_default_run() -> None:
    expected = for_model("canary")
    assert expected is not None
    assert len(expected.tasks) == 12
    assert all(entry.n == 40 and entry.tolerance for entry in expected.entries)
    shares = [
        100 * entry.value / entry.n if entry.scale == "points" else entry.value
        for entry in expected.entries
    ]
    assert min(shares) >= 70
    assert sum(shares) / len(shares) >= 85
