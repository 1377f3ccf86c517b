"""Subtitles in prompts: chosen by the right frames, once a video, or refused by name."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from evalkit.data import filling
from evalkit.data.filling import fill, preview
from evalkit.data.frames import plan_frames
from evalkit.data.video import probe
from evalkit.errors import DataError
from evalkit.types import Frames, Media, Pixels, Request, Subtitled, Subtitles

GOLDEN = Path(__file__).parents[1] / "golden"
SAME = json.loads((GOLDEN / "subtitles_same_frames.json").read_text("utf-8"))
SHOWN = Frames(rule="qwen_vl_utils_0.0.8", fps=2.0)
PIXELS = Pixels(min_pixels=3136, max_pixels=100352)
HOW = Subtitles(rule="qwen3vl", listing="[{text}]", absent=None, empty=None)
LISTS = {
    "vlmevalkit_8frame": Frames(rule="vlmevalkit_images", count=8),
    "lmms_32": Frames(rule="lmms_eval_subtitles", count=32),
    "qwen_2fps_120": SHOWN,
}
RULES = {"vlmevalkit": "vlmevalkit", "lmms_eval": "lmms_eval", "qwen3vl_repo": "qwen3vl"}


def film(*, count: int = 1800, rate: int = 30, stamps: list[int] | None = None) -> bytes:
    """Return a video of small grey frames; ``stamps`` are their times in milliseconds."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width = stream.height = 32
        if stamps:
            stream.codec_context.time_base = Fraction(1, 1000)
        picture = av.VideoFrame(32, 32, "yuv420p")
        for number in range(len(stamps or range(count))):
            picture.pts = stamps[number] if stamps else number
            picture.time_base = Fraction(1, 1000 if stamps else rate)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.fixture(scope="module")
def minute() -> Media:
    """A video of the length that the golden texts were made for."""
    return Media(kind="video", data=film(), name="minute.mp4")


def asked(video: Media, how: Subtitles = HOW, **settings: Any) -> Request:
    text = Subtitled(before="<", after=">", how=how, video=video, srt=SAME["srt"])
    return Request(
        id="q",
        parts=(video, replace(text, **settings)),
        pixels=PIXELS,
        max_new_tokens=1,
        frames=SHOWN,
    )


def filled(video: Media, how: Subtitles = HOW, **settings: Any) -> Any:
    return fill(asked(video, how, **settings)).parts[1]


@pytest.mark.parametrize("frames", LISTS)
@pytest.mark.parametrize("harness", RULES)
def test_the_texts_of_the_harnesses(harness: str, frames: str, minute: Media) -> None:
    chosen = preview(minute, LISTS[frames], PIXELS).shown
    assert list(chosen.indices) == SAME["frame_lists"][frames]
    how = replace(HOW, rule=RULES[harness], frames=LISTS[frames])
    assert filled(minute, how) == f"<[{SAME[harness][frames]}]>"


def test_without_frames_of_its_own_a_rule_goes_by_those_shown(minute: Media) -> None:
    assert filled(minute) == f"<[{SAME['qwen3vl_repo']['qwen_2fps_120']}]>"
    kept = replace(asked(minute), frames=replace(SHOWN, keep=2))
    assert fill(kept).parts[1] == "<[past the end]>"


NOTHING = "1\n00:10:00,000 --> 00:10:01,000\nlater\n"


@pytest.mark.parametrize(
    ("srt", "absent", "empty", "text"),
    [
        (None, None, None, "<>"),
        (None, "", None, "<[]>"),
        (None, "none", "", "<[none]>"),
        (NOTHING, "none", None, "<>"),
        (NOTHING, "none", "", "<[]>"),
        ("", "none", "", "<[]>"),
    ],
)
def test_no_subtitles(
    srt: str | None, absent: str | None, empty: str | None, text: str, minute: Media
) -> None:
    assert filled(minute, replace(HOW, absent=absent, empty=empty), srt=srt) == text


def test_a_text_with_braces_and_marks_of_its_own(minute: Media) -> None:
    srt = "1\n00:00:00,000 --> 00:01:00,000\n{subtitles} {text} {0}\n"
    assert filled(minute, srt=srt, before="{text}", after="{}") == (
        "{text}[{subtitles} {text} {0}]{}"
    )


def test_a_video_without_subtitles_need_not_be_there() -> None:
    absent = Media(kind="video", name="gone.mp4")
    assert filled(absent, srt=None) == "<>"
    with pytest.raises(DataError, match=r"gone\.mp4: the row came without this video"):
        filled(absent)


def test_nobody_knows_whether_there_are_subtitles(minute: Media) -> None:
    with pytest.raises(DataError, match=r"minute\.mp4: nothing says whether .* rows\.media"):
        filled(minute, srt=None, known=False)


def test_questions_on_one_video_share_its_index(
    minute: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    original = filling.open_video

    def count(video: Media) -> Any:
        opened.append(video.name)
        return original(video)

    monkeypatch.setattr(filling, "open_video", count)
    filling.preview.cache_clear()
    filling._selected.cache_clear()
    for number in range(3):
        again = Media(kind="video", data=bytes(bytearray(minute.data or b"")), name="minute.mp4")
        fill(replace(asked(again), id=str(number)))
    assert opened == ["minute.mp4"]


def test_other_parts_are_left_alone(minute: Media) -> None:
    request = asked(minute)
    plain = replace(request, parts=(minute, "text"))
    assert fill(plain) is plain
    assert fill(request).parts[0] is minute


def test_frames_are_shown_when_the_file_says() -> None:
    stamps = [0, 100, 200, 300, 4000, 4100, 4200, 4300]
    video = Media(kind="video", data=film(stamps=stamps), name="uneven.mp4")
    shown = preview(video, Frames(rule="vlmevalkit_images", count=7), PIXELS).shown
    assert [round(time, 3) for time in shown.times] == [stamps[i] / 1000 for i in shown.indices]
    srt = "1\n00:00:03,900 --> 00:00:04,050\nhere\n\n2\n00:00:02,000 --> 00:00:03,000\nnever\n"
    how = replace(HOW, frames=Frames(rule="vlmevalkit_images", count=7))
    assert filled(video, how, srt=srt) == "<[here]>"


def test_a_folder_of_frames(tmp_path: Path) -> None:
    for number in range(1, 13):
        Image.new("RGB", (64, 64)).save(tmp_path / f"{number:05}.jpg")
    folder = Media(kind="video", path=str(tmp_path), name="folder", fps=3.0)
    found = preview(folder, Frames(rule="mvbench", count=4), PIXELS)
    assert list(found.shown.times) == [index / 3 for index in found.plan.indices]
    assert found.plan == plan_frames(probe(folder), Frames(rule="mvbench", count=4), PIXELS)
