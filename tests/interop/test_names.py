"""What other harnesses call our benchmarks."""

from __future__ import annotations

import pytest

from evalkit.catalogue import cards
from evalkit.errors import UsageError
from evalkit.interop.names import (
    DATASETS,
    LM_EVAL,
    LMMS_EVAL,
    NAMES,
    PARTS,
    VLMEVALKIT,
    Known,
    dataset_in,
    find,
    known_as,
)


@pytest.mark.parametrize(
    ("harness", "name", "known"),
    [
        (LMMS_EVAL, "docvqa_val", Known(task="docvqa")),
        (LMMS_EVAL, "docvqa_test", Known(task="docvqa", split="test")),
        (VLMEVALKIT, "InfoVQA_TEST", Known(task="infovqa", split="test")),
        (LMMS_EVAL, "realworldqa", Known(task="realworldqa_hub")),
        (VLMEVALKIT, "RealWorldQA", Known(task="realworldqa")),
        (
            LMMS_EVAL,
            "mathvista_testmini_cot",
            Known(task="mathvista", protocol="lmms_eval_cot"),
        ),
        (LMMS_EVAL, "mvbench_action_antonym", Known(task="mvbench", part="action_antonym")),
        (VLMEVALKIT, "MVBench_MP4", Known(task="mvbench")),
        (VLMEVALKIT, "Video-MME_subs", Known(task="videomme_subs")),
        (LM_EVAL, "mmmu_val_accounting", Known(task="mmmu")),
        ("inspect", "docvqa", Known(task="docvqa")),
    ],
)
def test_names_are_known(harness: str, name: str, known: Known) -> None:
    assert known_as(harness, name) == known


def test_a_name_that_is_not_ours_is_asked_for() -> None:
    assert find(LM_EVAL, "gsm8k") is None
    with pytest.raises(
        UsageError, match="calls the benchmark gsm8k: add --task NAME, one of chartqa"
    ):
        known_as(LM_EVAL, "gsm8k")
    with pytest.raises(UsageError, match="does not say which benchmark"):
        known_as(VLMEVALKIT, "")
    assert known_as(LM_EVAL, "gsm8k", "docvqa") == Known(task="docvqa")
    assert known_as(LMMS_EVAL, "docvqa_test", "docvqa").split == "test"


@pytest.mark.parametrize(
    ("stem", "model", "dataset"),
    [
        ("Qwen2-VL-2B-Instruct_DocVQA_VAL", "Qwen2-VL-2B-Instruct", "DocVQA_VAL"),
        ("VILA1.5-8b_Video-MME_8frame_nosubs", "VILA1.5-8b", "Video-MME"),
        ("VILA1.5-8b_Video-MME_8frame_subs", "VILA1.5-8b", "Video-MME_subs"),
        ("m_MathVista_MINI_gpt-4-turbo", "m", "MathVista_MINI"),
        ("m_MVBench_MP4_64frame", "m", "MVBench_MP4"),
        ("llava_MMVet_gpt-4-turbo", "llava", "MMVet"),
        ("a_MMVetHard", "a_MMVetHard", ""),
        ("answers", "answers", ""),
    ],
)
def test_files_of_vlmevalkit_name_model_and_dataset(stem: str, model: str, dataset: str) -> None:
    assert dataset_in(stem) == (model, dataset)


def test_every_name_leads_to_a_benchmark_of_ours() -> None:
    ours = {card.name for card in cards("task")}
    assert {known.task for known in NAMES.values()} | set(PARTS.values()) <= ours
    assert all(find(VLMEVALKIT, name) for name in DATASETS)
    assert len(NAMES) > 20
