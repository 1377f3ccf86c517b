"""Frame rules against what the harnesses' own code gave, and the plans that follow from them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from evalkit.data.frames import (
    RULES,
    Source,
    frame_indices,
    frame_size,
    plan_frames,
    visual_tokens,
)
from evalkit.data.sampling import linspace, mvbench_indices
from evalkit.errors import DataError, UsageError
from evalkit.types import Frames, Pixels

GOLDEN = Path(__file__).parents[1] / "golden"
LARGE_BUDGET = 90316800
"""The budget of qwen-vl-utils from 0.0.9 on, in pixels."""


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (GOLDEN / name).read_text("utf-8").split("\n") if line]


GEOMETRY = read("video_geometry.jsonl")
FETCH = [case for case in GEOMETRY if case["evaluator"].endswith("fetch_video")]
MVBENCH = [case for case in GEOMETRY if case["evaluator"] == "mvbench_official get_index"]
PARITY = [case for case in read("prompt_parity.jsonl") if case.get("video")]


def as_frames(evaluator: str, element: dict[str, Any]) -> Frames:
    """Translate a video element of qwen-vl-utils into a protocol's settings."""
    version = evaluator.removeprefix("qwen_vl_utils==").removesuffix(" fetch_video")
    old = version == "0.0.8"
    settings = dict(element)
    if "nframes" in settings:
        settings["count"] = settings.pop("nframes")
    else:
        settings.setdefault("fps", 2.0)
    if old and "max_pixels" in settings:
        # There an explicit limit replaces the budget, whatever the element says of it.
        settings["total_pixels"] = None
    elif not old:
        settings.setdefault("total_pixels", LARGE_BUDGET)
    return Frames(rule=f"qwen_vl_utils_{version}", **settings)


def source(total: int = 1800, fps: float = 30.0, **more: Any) -> Source:
    return Source(**{"frames": total, "fps": fps, "height": 720, "width": 1280, **more})


def test_places_are_those_of_torch() -> None:
    import torch

    if torch.backends.cpu.get_cpu_capability() == "DEFAULT":
        pytest.skip("torch rounds twice here, as no processor of these years does")
    draw = random.Random(0)
    for _ in range(3000):
        high = draw.randrange(2, draw.choice([500, 20_000, 400_000]))
        low = draw.choice([0, draw.randrange(high)])
        count = draw.randrange(2, max(3, min(769, high - low + 2)))
        wanted = torch.linspace(low, high, count).round().long().tolist()
        assert linspace(low, high, count) == wanted, (low, high, count)


def test_places_of_long_videos_are_not_the_exact_ones() -> None:
    # An hour at 29.97 frames a second: 53312.502 exactly, and 53734.501; torch gives what is here.
    found = linspace(0, 107891, 768)
    assert (found[379], found[382]) == (53312, 53734)
    assert linspace(0, 107891, 180)[72] == 43398, "exactly 43397.497"
    assert linspace(0, 3, 4) == [0, 1, 2, 3]
    assert linspace(5, 10, 2) == [5, 10]


@pytest.mark.parametrize("case", FETCH, ids=lambda case: json.dumps(case["prediction"]))
def test_fetch_video(case: dict[str, Any]) -> None:
    given, expected = case["prediction"], case["score"]
    video = source(
        given["total_frames"], given["video_fps"], height=given["height"], width=given["width"]
    )
    frames = as_frames(case["evaluator"], given["ele"])
    if isinstance(expected, str):
        with pytest.raises(DataError):
            plan_frames(video, frames)
        return
    plan = plan_frames(video, frames)
    assert {
        "nframes": len(plan.indices),
        "height": plan.height,
        "width": plan.width,
        "llm_video_tokens": plan.tokens,
        "idx_first8": list(plan.indices[:8]),
        "idx_last3": list(plan.indices[-3:]),
    } == expected


@pytest.mark.parametrize("case", MVBENCH, ids=lambda case: json.dumps(case["prediction"]))
def test_mvbench(case: dict[str, Any]) -> None:
    given = case["prediction"]
    indices = mvbench_indices(
        bound=given["bound"] and tuple(given["bound"]),
        fps=given["fps"],
        max_frame=given["max_frame"],
        first=given["first_idx"],
        count=given["num_segments"],
    )
    assert indices == case["score"]


def test_every_geometry_case_is_used_here_or_beside() -> None:
    elsewhere = ("smart_resize", "load_subtitles", "subtitles for nframe", "(srt, encoding utf-8)")
    rest = [case for case in GEOMETRY if case not in FETCH and case not in MVBENCH]
    assert [case["evaluator"] for case in rest if not case["evaluator"].endswith(elsewhere)] == []
    assert len(FETCH) > 200
    assert MVBENCH


def test_folder_counts_from_zero() -> None:
    case = next(case for case in MVBENCH if case["prediction"]["bound"] == [0, 7.0])
    frames = Frames(rule="mvbench", count=8)
    folder = source(180, 3.0, start=0.0, end=7.0, folder=True)
    assert frame_indices(folder, frames) == [number - 1 for number in case["score"]]


def plans() -> dict[str, dict[str, Any]]:
    """Return the harnesses' recorded plans for one video, by protocol."""
    return {case["protocol"]: case["video"] for case in PARITY if case["benchmark"] == "videomme"}


def test_release_sends_eight_pictures() -> None:
    recorded = plans()["release"]
    pixels = Pixels(min_pixels=1003520, max_pixels=4014080)
    plan = plan_frames(source(), Frames(rule="vlmevalkit_images", count=8, as_images=True), pixels)
    assert list(plan.indices) == recorded["frame_indices"]
    assert [plan.height, plan.width] == recorded["resized_hw"]
    assert plan.tokens == recorded["tokens"]


@pytest.mark.parametrize("rule", ["qwen_vl_utils_0.0.8", "qwen_vl_utils_0.0.14"])
def test_lmms_eval_keeps_thirty_two_of_a_larger_set(rule: str) -> None:
    recorded = plans()["lmms_eval"]
    old = rule == "qwen_vl_utils_0.0.8"
    frames = Frames(
        rule=rule, fps=2.0, min_pixels=3136, total_pixels=None if old else LARGE_BUDGET, keep=32
    )
    plan = plan_frames(source(), frames)
    assert list(plan.indices) == recorded["frame_indices"]
    assert [plan.height, plan.width] == recorded["resized_hw"]
    assert plan.tokens == recorded["tokens"]


def test_qwen3vl() -> None:
    recorded = plans()["qwen3vl_repo"]["plan_cli"]["utils_0.0.14_real"]
    frames = Frames(rule="qwen_vl_utils_0.0.14", fps=2.0, max_frames=512, max_pixels=401408)
    plan = plan_frames(source(), frames)
    assert (len(plan.indices), plan.height, plan.width, plan.tokens) == (
        recorded["nframes"],
        recorded["h"],
        recorded["w"],
        recorded["video_tokens"],
    )


def test_qwen3vl_subtitles() -> None:
    case = next(c for c in PARITY if c["protocol"] == "qwen3vl_repo" and c.get("frame_indices"))
    frames = Frames(rule="qwen3vl_subtitles", fps=2.0, max_frames=512)
    assert frame_indices(source(), frames) == case["frame_indices"]
    # 11.7 seconds round to 12 here, while the video itself gets 22 frames.
    assert len(frame_indices(source(351), frames)) == 24


def test_vlmevalkit_on_video() -> None:
    recorded = plans()["vlmevalkit_head"]["plan"]
    assert isinstance(recorded, str)
    assert recorded == "0.5 fps -> 30 frames, 756x1344"
    frames = Frames(
        rule="vlmevalkit",
        fps=0.5,
        min_pixels=1003520,
        max_pixels=12845056,
        total_pixels=LARGE_BUDGET,
    )
    plan = plan_frames(source(), frames)
    assert (len(plan.indices), plan.height, plan.width) == (30, 756, 1344)


def test_vlmevalkit_takes_what_a_short_video_has() -> None:
    assert frame_indices(source(7), Frames(rule="vlmevalkit", count=8)) == [0, 1, 2, 4, 5, 6]
    with pytest.raises(DataError, match="7 frames are too few"):
        frame_indices(source(7), Frames(rule="qwen_vl_utils_0.0.14", count=8))


def test_vlmevalkit_fps_grid() -> None:
    case = next(c for c in PARITY if c.get("dataset_name") == "Video-MME_0.5fps_subs")
    assert frame_indices(source(), Frames(rule="vlmevalkit_fps", fps=0.5)) == case["frame_indices"]
    with pytest.raises(DataError, match="hold no frame"):
        frame_indices(source(10), Frames(rule="vlmevalkit_fps", fps=0.5))


def test_lmms_eval_subtitles() -> None:
    lists = json.loads((GOLDEN / "subtitles_same_frames.json").read_text("utf-8"))["frame_lists"]
    frames = Frames(rule="lmms_eval_subtitles", count=32)
    assert frame_indices(source(), frames) == lists["lmms_32"]


@pytest.mark.parametrize(
    ("total", "tokens"),
    [(300, 7200), (960, 23040), (1800, 23400), (3600, 22800), (5520, 22080), (36000, 46080)],
)
def test_model_card_budget(total: int, tokens: int) -> None:
    plan = plan_frames(source(total), Frames(rule="qwen_vl_utils_0.0.8", fps=2.0))
    assert plan.tokens == tokens


def test_bounds_cut_by_frame_number() -> None:
    frames = Frames(rule="qwen_vl_utils_0.0.8", fps=2.0)
    plan = plan_frames(source(start=10.0, end=20.01), frames)
    assert (plan.indices[0], plan.indices[-1], len(plan.indices)) == (300, 600, 20)
    open_ended = plan_frames(source(start=50.0), frames)
    assert (open_ended.indices[0], open_ended.indices[-1]) == (1500, 1799)


@pytest.mark.parametrize("rule", ["qwen_vl_utils_0.0.8", "mvbench", "vlmevalkit_images"])
def test_bounds_after_the_end(rule: str) -> None:
    settings: dict[str, Any] = {"fps": 2.0} if rule.startswith("qwen") else {"count": 8}
    video = source(start=70.0, end=80.0, name="a.mp4")
    with pytest.raises(DataError, match=r"a\.mp4: no frames between 70 and 80 seconds"):
        frame_indices(video, Frames(rule=rule, **settings))


def test_odd_frames_pair_up() -> None:
    assert visual_tokens(31, 56, 56) == 16 * 4
    assert visual_tokens(31, 56, 56, as_images=True) == 31 * 4


def test_one_frame_is_too_few() -> None:
    with pytest.raises(DataError, match=r"video: 1 frames are too few .* wants 2"):
        frame_indices(source(1), Frames(rule="qwen_vl_utils_0.0.8", fps=2.0))


def test_count_rounds_half_to_even() -> None:
    assert len(frame_indices(source(), Frames(rule="qwen_vl_utils_0.0.8", count=5))) == 4
    assert len(frame_indices(source(), Frames(rule="qwen_vl_utils_0.0.8", count=7))) == 8


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (Frames(rule="qwen_vl_util"), "Did you mean qwen_vl_utils_0.0.8"),
        (Frames(rule="qwen_vl_utils_0.0.8"), "needs frames.fps"),
        (Frames(rule="qwen_vl_utils_0.0.8", fps=2.0, count=8), "not both"),
        (Frames(rule="mvbench"), "needs frames.count"),
        (Frames(rule="vlmevalkit_images", count=0), "needs frames.count, above zero"),
    ],
)
def test_settings_that_a_rule_cannot_use(frames: Frames, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        plan_frames(source(), frames)
    assert "\n" not in str(caught.value)


def test_pictures_need_their_pixels() -> None:
    with pytest.raises(UsageError, match="as_images"):
        plan_frames(source(), Frames(rule="vlmevalkit_images", count=8, as_images=True))


def test_live_against_the_installed_package() -> None:
    utils = pytest.importorskip("qwen_vl_utils.vision_process")
    frames = Frames(rule="qwen_vl_utils_0.0.14", fps=2.0)
    for total in (4, 5, 17, 88, 351, 1799, 40000):
        for rate in (10.0, 23.976, 30.0, 60.0):
            expected = utils.smart_nframes({"fps": 2.0}, total_frames=total, video_fps=rate)
            assert len(frame_indices(source(total, rate), frames)) == expected


@pytest.mark.parametrize("rule", sorted(RULES))
def test_every_rule_stays_inside_the_video(rule: str) -> None:
    count = None if rule in ("vlmevalkit_fps", "qwen3vl_subtitles") else 8
    frames = Frames(rule=rule, count=count, fps=None if count else 2.0)
    for total in (16, 17, 31, 300, 107999):
        indices = frame_indices(source(total), frames)
        assert indices == sorted(indices)
        assert indices[0] >= 0
        assert indices[-1] < total
        assert min(frame_size(len(indices), source(total), frames)) >= 28
