"""What other harnesses call our benchmarks.

Names are those of lmms-eval 75571cfe (its YAML files' ``task``), VLMEvalKit e8e78f05 (its datasets)
and lm-evaluation-harness 0.4.13; they are looked up without case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from evalkit.catalogue import cards
from evalkit.errors import UsageError

__all__ = ["LMMS_EVAL", "LM_EVAL", "VLMEVALKIT", "Known", "dataset_in", "find", "known_as"]

LMMS_EVAL, LM_EVAL, VLMEVALKIT = "lmms-eval", "lm-evaluation-harness", "VLMEvalKit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One of our benchmarks, as another harness's name picks it."""

    task: str
    """Our name."""
    split: str | None = None
    """The split, where the name says another than our card."""
    protocol: str | None = None
    """The protocol, where the name picks one."""
    part: str = ""
    """The value of the column ``config`` of the rows that the name is about; empty for all."""


NAMES = {
    "docvqa_val": Known(task="docvqa"),
    "docvqa_test": Known(task="docvqa", split="test"),
    "infovqa_val": Known(task="infovqa"),
    "infovqa_test": Known(task="infovqa", split="test"),
    "chartqa": Known(task="chartqa"),
    "chartqa_test": Known(task="chartqa"),
    "textvqa_val": Known(task="textvqa"),
    "textvqa_test": Known(task="textvqa", split="test"),
    "ocrbench": Known(task="ocrbench"),
    "mmmu_val": Known(task="mmmu"),
    "mmmu_dev_val": Known(task="mmmu"),
    "mmmu_test": Known(task="mmmu", split="test"),
    "mathvista_mini": Known(task="mathvista"),
    "mathvista_testmini_format": Known(task="mathvista", protocol="lmms_eval"),
    "mathvista_testmini_cot": Known(task="mathvista", protocol="lmms_eval_cot"),
    "mathvista_testmini_solution": Known(task="mathvista", protocol="lmms_eval_solution"),
    "mathvista_test": Known(task="mathvista", split="test"),
    "mmvet": Known(task="mmvet"),
    "realworldqa": Known(task="realworldqa"),
    "videomme": Known(task="videomme"),
    "video-mme": Known(task="videomme"),
    "video-mme_subs": Known(task="videomme_subs"),
    "videomme_w_subtitle": Known(task="videomme_subs"),
    "mvbench": Known(task="mvbench"),
    "mvbench_mp4": Known(task="mvbench"),
}
"""Our benchmarks by the others' names, in lower case."""

PARTS = {"mvbench_": "mvbench", "mmmu_val_": "mmmu"}
"""Beginnings of names that each stand for a part of one of our benchmarks."""

DATASETS = (
    "DocVQA_VAL",
    "DocVQA_TEST",
    "InfoVQA_VAL",
    "InfoVQA_TEST",
    "ChartQA_TEST",
    "TextVQA_VAL",
    "OCRBench",
    "MMMU_DEV_VAL",
    "MMMU_TEST",
    "MathVista_MINI",
    "MMVet",
    "RealWorldQA",
    "Video-MME",
    "MVBench_MP4",
    "MVBench",
)
"""VLMEvalKit's datasets, whose names stand in the names of its files."""


def known_as(harness: str, name: str, wanted: str | None = None) -> Known:
    """Return the benchmark that a file is about.

    Args:
        harness: who wrote the file.
        name: what it calls the benchmark; empty where it does not say.
        wanted: our name of it, where the user gave one.

    Raises:
        UsageError: nobody says which benchmark it is, or the name is not known.
    """
    found = find(harness, name)
    if wanted is not None:
        return found if found is not None and found.task == wanted else Known(task=wanted)
    if found is not None:
        return found
    ours = [card.name for card in cards("task")]
    called = f"calls the benchmark {name}" if name else "does not say which benchmark it is of"
    raise UsageError(f"the file {called}: add --task NAME, one of {', '.join(ours)}")


def find(harness: str, name: str) -> Known | None:
    """Return the benchmark that a harness has under a name, or ``None``."""
    lower = name.lower()
    if lower == "realworldqa" and harness == LMMS_EVAL:
        # lmms-eval reads the Hub's rows, whose questions are not VLMEvalKit's.
        return Known(task="realworldqa_hub")
    if lower in NAMES:
        return NAMES[lower]
    for start, task in PARTS.items():
        if lower.startswith(start):
            return Known(task=task, part=lower.removeprefix(start) if task == "mvbench" else "")
    return Known(task=name) if any(card.name == name for card in cards("task")) else None


def dataset_in(stem: str) -> tuple[str, str]:
    """Return model and dataset of ``<model>_<dataset>[_<judge>…]``, VLMEvalKit's file names.

    What follows Video-MME says whether subtitles were shown: ``_8frame_subs``, ``_8frame_nosubs``.
    """
    for dataset in DATASETS:
        if match := re.match(rf"(.*?)_?{re.escape(dataset)}(?=$|[_.-])", stem, re.IGNORECASE):
            shown = dataset == "Video-MME" and "_subs" in stem[match.end() :]
            return match[1], f"{dataset}_subs" if shown else dataset
    return stem, ""
