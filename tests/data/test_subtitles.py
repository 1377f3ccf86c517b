"""Subtitle rules against what the harnesses' own code gave for the same file and frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.data.frames import Source, frame_indices
from evalkit.data.subtitles import (
    RULES,
    Shown,
    parse_srt,
    read_srt,
    select_subtitles,
)
from evalkit.errors import UsageError
from evalkit.types import Frames

GOLDEN = Path(__file__).parents[1] / "golden"
SAME = json.loads((GOLDEN / "subtitles_same_frames.json").read_text("utf-8"))
GEOMETRY = [
    json.loads(line)
    for line in (GOLDEN / "video_geometry.jsonl").read_text("utf-8").split("\n")
    if line
]
PARSED = next(case for case in GEOMETRY if case["evaluator"].startswith("pysubs2"))
CHOSEN = [case for case in GEOMETRY if "subtitles" in case["evaluator"]]
HARNESSES = {"vlmevalkit": "vlmevalkit", "lmms_eval": "lmms_eval", "qwen3vl_repo": "qwen3vl"}
ITALIC = "1\n00:00:01,000 --> 00:00:02,000\n<i>one</i> &amp; {two}\nthree\n\n"


@pytest.mark.parametrize("frames", sorted(SAME["frame_lists"]))
@pytest.mark.parametrize("harness", sorted(HARNESSES))
def test_same_file_and_frames(harness: str, frames: str) -> None:
    shown = Shown.at(SAME["frame_lists"][frames], 30.0)
    text = select_subtitles(SAME["srt"].encode(), HARNESSES[harness], shown)
    assert text == SAME[harness][frames]


def test_parsed_cues() -> None:
    cues = parse_srt(PARSED["prediction"])
    expected = [[start, end, text.replace("\\N", " ")] for start, end, text in PARSED["score"]]
    assert [list(cue) for cue in cues] == expected


@pytest.mark.parametrize("case", CHOSEN, ids=lambda case: case["evaluator"])
def test_chosen_text(case: dict[str, Any]) -> None:
    given = case["prediction"]
    total, fps = given["total_frames"], given["video_fps"]
    source = Source(frames=total, fps=fps, height=720, width=1280)
    data = PARSED["prediction"].encode()
    if case["evaluator"].startswith("vlmevalkit"):
        frames = Frames(rule="vlmevalkit_images", count=given["nframe"])
        indices, rule = frame_indices(source, frames), "vlmevalkit"
        assert indices == given["indices"]
    else:
        frames = Frames(rule="qwen_vl_utils_0.0.8", count=given["n"])
        indices, rule = frame_indices(source, frames), "qwen3vl"
        assert [index / fps for index in indices[:4]] == given["frame_timestamps"][:4]
    assert select_subtitles(data, rule, Shown.at(indices, fps)) == case["score"]


def test_every_subtitle_case_is_used() -> None:
    assert [case for case in GEOMETRY if case["benchmark"] == "Video-MME"] == [PARSED, *CHOSEN]


def test_model_card_shows_no_marks() -> None:
    shown = Shown.at([15], 10.0)
    assert select_subtitles(ITALIC.encode(), "qwen3vl", shown) == (
        "{\\i1}one{\\i0} &amp; {two} three"
    )
    assert select_subtitles(ITALIC.encode(), "model_card", shown) == "one &amp; {two} three"


def test_all_cues_whatever_is_shown() -> None:
    text = select_subtitles(SAME["srt"].encode(), "all", Shown.at([], 30.0))
    assert text is not None
    assert text.split("\n")[:2] == [
        "welcome back to the channel",
        "today we look at three decorations",
    ]
    assert len(text.split("\n")) == 16


@pytest.mark.parametrize("rule", sorted(RULES))
def test_no_file_and_empty_file(rule: str) -> None:
    shown = Shown.at([0, 30], 30.0)
    assert select_subtitles(None, rule, shown) is None
    assert select_subtitles(b"", rule, shown) == ""
    assert select_subtitles(b"<!DOCTYPE html><html>no</html>", rule, shown) == ""


@pytest.mark.parametrize("rule", sorted(RULES))
def test_line_ends_and_byte_order_mark(rule: str) -> None:
    shown = Shown.at(SAME["frame_lists"]["lmms_32"], 30.0)
    plain = select_subtitles(SAME["srt"].encode(), rule, shown)
    windows = SAME["srt"].replace("\n", "\r\n").encode("utf-8-sig")
    assert select_subtitles(windows, rule, shown) == plain
    assert select_subtitles("\ufeff" + SAME["srt"], rule, shown) == plain


def test_latin_1() -> None:
    text = "1\n00:00:00,000 --> 00:00:09,000\n‘café’\n"
    assert read_srt(text.encode("cp1252")) == text
    assert read_srt(b"caf\xe9\x81") == "caf\xe9\x81"
    assert select_subtitles(text.encode("cp1252"), "qwen3vl", Shown.at([30], 30.0)) == "‘café’"


def test_ends_do_not_count() -> None:
    data = b"1\n00:00:02,300 --> 00:00:02,500\nx\n\n"
    for rule in ("vlmevalkit", "qwen3vl", "model_card"):
        assert select_subtitles(data, rule, Shown.at([23, 25], 10.0)) == ""
        assert select_subtitles(data, rule, Shown.at([24], 10.0)) == "x"


def test_overlap() -> None:
    data = b"1\n00:00:00,000 --> 00:00:04,000\nold\n\n2\n00:00:01,000 --> 00:00:03,000\nnew\n\n"
    shown = Shown.at([20, 25], 10.0)
    assert select_subtitles(data, "vlmevalkit", shown) == "old\nold"
    assert select_subtitles(data, "qwen3vl", shown) == "old new"


def test_lmms_eval_goes_in_a_set_s_order() -> None:
    cue = '{}\n00:00:00,000 --> 00:00:00,{:03}\n<font color="white" size=".72c">{}</font>\n\n'
    data = "".join(cue.format(i + 1, 100 + i, i) for i in range(36)).encode()
    # Cues 28 to 35 last until this frame; CPython keeps eight numbers in a table of 32 places.
    text = select_subtitles(data, "lmms_eval", Shown.at([127], 1000.0))
    assert text == "\n".join(["32", "33", "34", "35", "28", "29", "30", "31"])


def test_lmms_eval_drops_what_it_cannot_read() -> None:
    font = '<font color="white" size=".72c">{}</font>'
    data = (
        f"1\nno times here\n{font.format('a')}\n\n"
        f"\n2\n00:00:00,000 --> 00:00:09,000\n{font.format('b')}\n{font.format('c')}\n\n"
        "3\n00:00:00,000 --> 00:00:08,000\nplain\n\n"
    ).encode()
    assert select_subtitles(data, "lmms_eval", Shown.at([30], 30.0)) == "b"


def test_unknown_rule() -> None:
    with pytest.raises(UsageError, match="Did you mean qwen3vl"):
        select_subtitles(b"", "qwen3_vl", Shown.at([], 30.0))
