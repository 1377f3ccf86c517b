"""Sizes against what qwen-vl-utils' own code gave, and the same package as it is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.data.resize import smart_resize
from evalkit.errors import DataError

GOLDEN = Path(__file__).parents[1] / "golden" / "video_geometry.jsonl"
CASES = [
    case
    for case in map(json.loads, filter(None, GOLDEN.read_text("utf-8").split("\n")))
    if case["evaluator"].endswith("smart_resize")
]
OURS = [case for case in CASES if case["evaluator"] == "qwen_vl_utils==0.0.8 smart_resize"]
THEIRS = [case for case in CASES if case not in OURS]
NOT_OURS = {
    "transformers==5.23.0 smart_resize": "lets a side under 14 pixels round to nothing, and so"
    " takes the other branch; it only ever sees sizes that were resized before",
}


def check(case: dict[str, Any]) -> None:
    if isinstance(case["score"], str):
        with pytest.raises(DataError, match="too narrow"):
            smart_resize(**case["prediction"])
    else:
        assert smart_resize(**case["prediction"]) == tuple(case["score"])


@pytest.mark.parametrize("case", OURS, ids=lambda case: json.dumps(case["prediction"]))
def test_qwen_vl_utils(case: dict[str, Any]) -> None:
    check(case)


@pytest.mark.parametrize("case", THEIRS, ids=lambda case: json.dumps(case["prediction"]))
def test_other_rules_agree_where_no_side_vanishes(case: dict[str, Any]) -> None:
    assert case["evaluator"] in NOT_OURS
    if min(case["prediction"]["height"], case["prediction"]["width"]) >= 14:
        check(case)


def test_thin_picture() -> None:
    limits = {"min_pixels": 3136, "max_pixels": 602112}
    assert smart_resize(13, 2000, **limits) == (28, 1988)


def test_sizes_stay_when_resized_again() -> None:
    for height, width in [(1, 1), (480, 640), (3000, 4000), (57, 9000), (1, 200)]:
        limits = {"min_pixels": 78400, "max_pixels": 1003520}
        once = smart_resize(height, width, **limits)
        assert smart_resize(*once, **limits) == once
        assert all(side % 28 == 0 for side in once)


def test_live_against_the_installed_package() -> None:
    utils = pytest.importorskip("qwen_vl_utils.vision_process")
    sides = (1, 13, 14, 27, 42, 70, 98, 333, 1080, 4001, 20000)
    for limits in ((3136, 12845056), (1003520, 12845056), (100352, 602112), (3136, 3136)):
        for height in sides:
            for width in sides:
                try:
                    expected = utils.smart_resize(height, width, 28, *limits)
                except ValueError:
                    expected = None
                if expected is None or 0 in expected:
                    with pytest.raises(DataError):
                        smart_resize(height, width, min_pixels=limits[0], max_pixels=limits[1])
                    continue
                found = smart_resize(height, width, min_pixels=limits[0], max_pixels=limits[1])
                assert found == expected


@pytest.mark.parametrize(
    ("height", "width", "message"),
    [
        (0, 10, "10x0 pixels has nothing to show"),
        (10, 0, "0x10 pixels has nothing to show"),
        (1, 201, "201x1 pixels is too narrow"),
        (20, 400, "a side would vanish; raise max_pixels"),
    ],
)
def test_what_cannot_be_sized(height: int, width: int, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        smart_resize(height, width, min_pixels=784, max_pixels=3136)
    assert "\n" not in str(caught.value)
