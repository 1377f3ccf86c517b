"""A real model from the command line: bad pictures, kills, and what a run keeps."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

SMALL = [
    "tasks.chartqa.protocols.model_card.min_pixels=3136",
    "tasks.chartqa.protocols.model_card.max_pixels=50176",
]
"""Small pictures, so that a test is quick."""


def evalkit(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evalkit", *words],
        cwd=folder, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One cache for the built-in checkpoint."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVALKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def charts(tmp_path: Path) -> Path:
    """Twenty rows on ten pictures; the picture of row 17 is cut off."""
    from PIL import Image

    rows = []
    for number in range(20):
        name = f"chart{number // 2}.png" if number != 17 else "broken.png"
        colour = (25 * (number // 2), 99, 7)
        Image.new("RGB", (60 + number, 90), colour).save(tmp_path / name)
        rows.append(
            {"type": "human_test", "question": f"q {number}?", "answer": "1", "image": name}
        )
    whole = (tmp_path / "broken.png").read_bytes()
    (tmp_path / "broken.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_a_corrupt_picture_is_one_failed_answer(charts: Path) -> None:
    done = evalkit(charts, "run", "task=chartqa", "rows=rows.jsonl", "name=r", *SMALL)
    assert done.returncode == 0, done.stderr
    answers = {line["id"]: line for line in lines(charts / "runs/r/chartqa/responses.jsonl")}
    assert len(answers) == 20
    assert [name for name, line in answers.items() if "error" in line] == ["17"]
    assert "row 17: cannot decode" in answers["17"]["error"]
    assert "\n" not in answers["17"]["error"]
    stages = {"row", "media", "prompt", "pixels", "tokens", "generation"}
    assert answers["3"]["digests"].keys() == stages
    assert all(answers["3"]["digests"].values())
    found = json.loads((charts / "runs/r/chartqa/summary.json").read_text())
    assert (found["n"], found["n_failed"]) == (20, 1)
    assert "1 failed" in done.stdout


def test_kill_9_and_resume_give_the_same_scores_to_the_byte(charts: Path) -> None:
    words = ["run", "task=chartqa", "rows=rows.jsonl", *SMALL]
    whole = evalkit(charts, *words, "name=whole")
    assert whole.returncode == 0, whole.stderr
    child = subprocess.Popen(
        [sys.executable, "-m", "evalkit", *words, "name=killed"],
        cwd=charts, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    path = charts / "runs/killed/chartqa/responses.jsonl"
    while child.poll() is None and not (path.exists() and path.read_bytes().count(b"\n") >= 3):
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    before = path.read_bytes()
    kept = before[: before.rfind(b"\n") + 1]
    assert evalkit(charts, *words, "name=killed").returncode == 0
    assert path.read_bytes().startswith(kept)
    answered = [line["key"] for line in lines(path) if "error" not in line]
    assert len(answered) == len(set(answered)) == 19
    for name in ("scores.jsonl", "summary.json"):
        assert (charts / "runs/whole/chartqa" / name).read_bytes() == (
            path.parent / name
        ).read_bytes()


def test_a_checkpoint_of_another_model_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/config.json").write_text('{"model_type": "llama"}')
    done = evalkit(tmp_path, "run", "task=docvqa", "model.path=other", "limit=1")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "llama" in done.stderr
    assert {p.name for p in tmp_path.iterdir()} == {"other", "runs"}
    assert not list((tmp_path / "runs").iterdir())


def test_weights_that_are_not_here_say_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    done = evalkit(tmp_path, "run", "model=qwen2_vl_2b", "task=docvqa", "data=builtin", "limit=1")
    assert done.returncode in (2, 3)
    assert done.stderr.count("\n") == 1
    assert "hf download Qwen/Qwen2-VL-2B-Instruct" in done.stderr
