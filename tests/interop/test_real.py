"""Real predictions, rebuilt into other harnesses' files: they give the published numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.catalogue import cards
from evalkit.store import read_summary

KINDS = ["lm_eval", "tsv", "json", "inspect", "eval", "plain"]
STEMS = [
    "chartqa__vila_8b",
    "docvqa__qwen2_vl_2b_instruct_val1000",
    "docvqa__qwen2_vl_7b_instruct_val1000",
    "mathvista__instruct_blip2_vicuna_13b",
    "mathvista__llava_llama_2_13b",
    "mathvista__random_guess",
    "mmmu__llava15_13b",
    "mmvet__llava15_13b",
    "ocrbench__vila_8b",
    "realworldqa__vila_8b",
    "textvqa__qwen3vl2b_lora",
    "textvqa__vila_8b",
    "videomme__videoxl2_pure",
]
BARE = ("inspect", "eval", "lm_eval")
"""Formats without a place for what a judge said."""

CASES = [
    (stem, kind)
    for place, stem in enumerate(STEMS)
    for kind in ("lmms_eval", "xlsx", KINDS[place % 6], KINDS[(place + 3) % 6])
    if not (stem.startswith(("mmvet", "mathvista")) and kind in BARE)
]
"""Two formats for all, and of the others two in turn: each has several benchmarks."""


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def write(writers: Any, kind: str, folder: Path, task: str, said: Any) -> Path:
    if kind in ("xlsx", "tsv", "json"):
        return Path(writers.vlmevalkit(folder, task, said, kind))
    if kind == "eval":
        return Path(writers.inspect(folder, task, said, packed=True))
    return Path(getattr(writers, kind)(folder, task, said))


@pytest.mark.parametrize(("stem", "kind"), CASES)
def test_published_numbers(
    stem: str, kind: str, real: Path, said: Any, writers: Any, run: Any, tmp_path: Path
) -> None:
    task = stem.partition("__")[0]
    if all(card.name != task for card in cards("task")):
        pytest.skip(f"no task {task} yet")
    predictions = f"predictions/{stem}.jsonl"
    cases = [c for c in read_jsonl(real / "expected.jsonl") if c["predictions"] == predictions]
    rows = real / "rows" / f"{task}.jsonl"
    replies = {line["id"]: line for line in read_jsonl(real / predictions)}
    file = write(writers, kind, tmp_path, task, said(task, str(rows), replies))
    for scorer in dict.fromkeys(case["scorer"] for case in cases):
        words = ["--rows", rows, "--scorer", scorer, "--protocol", "model_card", "--task", task]
        words += ["--limit", len(replies)] if "val1000" in stem else []
        out = tmp_path / scorer
        done = run("import", file, *words, "--out", out)
        assert done.code == 0, done.err
        metrics = read_summary(out / task)["metrics"]
        for case in cases:
            if case["scorer"] == scorer:
                value = metrics[case["metric"]]
                assert abs(value - case["value"]) <= case["tolerance"], (case, value)
