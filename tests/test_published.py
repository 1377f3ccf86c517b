"""The published numbers: complete, sourced, and read as they were printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.errors import DataError
from evalkit.published import Entry, for_model, known, read

ROOT = Path(__file__).resolve().parents[1]

CARD = {
    "mmmu": ("MMMU", "41.1", "validation", 900),
    "docvqa": ("DocVQA", "90.1", "test", 5188),
    "infovqa": ("InfoVQA", "65.5", "test", 3288),
    "chartqa": ("ChartQA", "73.5", "test", 2500),
    "textvqa": ("TextVQA", "79.7", "validation", 5000),
    "ocrbench": ("OCRBench", "794", "test", 1000),
    "realworldqa": ("RealWorldQA", "62.9", "test", 765),
    "mmvet": ("MMVet", "49.5", "test", 218),
    "mathvista": ("MathVista", "43.0", "testmini", 1000),
    "mvbench": ("MVBench", "63.2", "train", 4000),
    "videomme": ("Video-MME (wo/ subs)", "55.6", "test", 2700),
    "videomme_subs": ("Video-MME (w/ subs)", "60.4", "test", 2700),
}
"""The model card of Qwen2-VL-2B-Instruct, row by row."""

OTHERS = {
    ("docvqa", 89.262), ("infovqa", 64.1), ("chartqa", 72.6), ("textvqa", 79.2),
    ("textvqa", 77.576), ("ocrbench", 780), ("ocrbench", 794), ("ocrbench", 812),
    ("realworldqa", 63),
}  # fmt: skip
"""Runs of other people that tolerances are argued with."""

SIZES = {
    "docvqa": {"validation": 5349, "test": 5188},
    "infovqa": {"validation": 2801, "test": 3288},
}


def every_entry() -> list[Entry]:
    """Every number that others published; what is expected of the canary is a run of ours."""
    names = [name for name in known() if name != "canary"]
    return [entry for name in names for entry in getattr(for_model(name), "entries", ())]


def test_the_card_is_complete_and_in_its_order() -> None:
    published = for_model("qwen2_vl_2b")
    assert published is not None
    card = [e for e in published.entries if e.kind == "published"]
    assert [e.task for e in card] == list(CARD)
    assert {e.task: (e.label, e.printed, e.split, e.n) for e in card} == CARD
    assert published.tasks[: len(CARD)] == tuple(CARD)


def test_the_authors_second_table_keeps_its_decimals() -> None:
    published = for_model("qwen2_vl_2b")
    assert published is not None
    second = {e.task: e for e in published.entries if e.kind == "published_quant"}
    assert {task: e.printed for task, e in second.items()} == {
        "mmmu": "41.88",
        "docvqa": "88.34",
        "mathvista": "44.40",
    }
    assert (second["mathvista"].value, second["mathvista"].digits) == (44.4, 2)
    assert second["docvqa"].split == "validation"


def test_runs_of_others_are_all_there() -> None:
    published = for_model("qwen2_vl_2b")
    assert published is not None
    found = {(e.task, e.value) for e in published.entries if e.kind == "others"}
    assert found >= OTHERS
    (own,) = published.of("infovqa", "authors")
    assert (own.value, own.split) == (64.2, "validation")


@pytest.mark.parametrize("entry", every_entry(), ids=lambda e: f"{e.task}-{e.printed}-{e.kind}")
def test_every_number_says_where_it_is_from_and_how_near_counts(entry: Entry) -> None:
    untraced = entry.kind == "others" and "no public thread" in entry.source
    assert untraced or "https://" in entry.source
    assert untraced or len(entry.date) == len("2024-08-29")
    assert entry.metric
    assert entry.task in CARD
    assert SIZES.get(entry.task, {}).get(entry.split, entry.n) == entry.n
    assert (entry.scale == "points") == (entry.task == "ocrbench")
    assert 0 < entry.value <= (1000 if entry.scale == "points" else 100)
    if entry.kind == "others":
        assert entry.tolerance is None
        assert entry.protocol
    else:
        least = 1.5 if entry.task in ("mmmu", "mathvista") else 1.0
        assert entry.tolerance is not None
        assert entry.tolerance >= (10 if entry.scale == "points" else least)
        assert entry.reason


def test_only_one_number_is_untraced() -> None:
    assert [e.task for e in every_entry() if "https://" not in e.source] == ["realworldqa"]


def test_the_judge_is_named_where_the_score_is_a_judges() -> None:
    for name in known():
        published = for_model(name)
        assert published is not None
        judged = set() if name == "canary" else {"mmvet"}
        assert {e.task for e in published.entries if e.judge} == judged


def test_every_file_is_found_and_no_other_name() -> None:
    files = sorted(path.stem for path in (ROOT / "results" / "published").glob("*.yaml"))
    assert known() == files
    assert "qwen2_vl_2b" in files
    assert for_model("qwen2_vl_3b") is None
    assert for_model("../published/qwen2_vl_2b") is None


@pytest.mark.parametrize(
    "text",
    [
        "model: m",
        "model: m\ntables: [{kind: rumour, title: t, source: s, entries: [{value: 1}]}]",
        "model: m\ntables: [{kind: others, title: t, entries: [{task: a, value: x}]}]",
        "just words",
        "a: [",
    ],
)
def test_a_malformed_file_is_one_error(text: str) -> None:
    with pytest.raises(DataError, match="published numbers odd"):
        read("odd", text)


def test_a_row_overrides_its_table() -> None:
    text = """
model: m
tables:
  - kind: others
    title: t
    source: https://one
    entries:
      - {task: a, value: 1.50, split: test, n: 3, metric: m}
      - {task: a, value: 2, split: test, n: 3, metric: m, source: https://two}
"""
    first, second = read("x", text).entries
    assert (first.source, second.source) == ("https://one", "https://two")
    assert (first.printed, first.value, first.digits, second.digits) == ("1.50", 1.5, 2, 0)
