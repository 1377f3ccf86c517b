"""The size that a picture or a frame has when Qwen2-VL sees it.

The rules of qwen-vl-utils 0.0.8 (QwenLM/Qwen2-VL 35ba6e18, the release of September 2024), whose
sizes are fixed points of the resizing in transformers' image processor. transformers' own rule
parts from them for sides under half a factor: of 13x2000 it makes 28x700, these 28x1988.
"""

from __future__ import annotations

import math

from evalkit.errors import DataError

__all__ = ["FACTOR", "MAX_RATIO", "smart_resize"]

FACTOR = 28
"""Pixels on a side of one visual token: patches of 14, merged two by two."""

MAX_RATIO = 200
"""The greatest ratio of a picture's sides."""


def smart_resize(
    height: int, width: int, *, factor: int = FACTOR, min_pixels: float, max_pixels: float
) -> tuple[int, int]:
    """Return the height and width, in pixels, that a picture is resized to.

    Both are multiples of ``factor``, their product lies between the two limits wherever multiples
    allow it, and their ratio stays near the picture's.

    Args:
        height: the picture's height in pixels.
        width: the picture's width in pixels.
        factor: what both sides become a multiple of.
        min_pixels: the least area; a smaller picture is enlarged.
        max_pixels: the greatest area; a fraction where frames share a video's budget.

    Raises:
        DataError: a side of zero, a ratio above 200, or a limit so small that a side would vanish.
    """
    _check(height, width)
    rows = max(factor, round(height / factor) * factor)
    columns = max(factor, round(width / factor) * factor)
    if rows * columns > max_pixels:
        scale = math.sqrt((height * width) / max_pixels)
        rows = math.floor(height / scale / factor) * factor
        columns = math.floor(width / scale / factor) * factor
    elif rows * columns < min_pixels:
        scale = math.sqrt(min_pixels / (height * width))
        rows = math.ceil(height * scale / factor) * factor
        columns = math.ceil(width * scale / factor) * factor
    if min(rows, columns) < 1:
        raise DataError(
            f"a picture of {width}x{height} pixels does not fit into"
            f" max_pixels={max_pixels:g}: a side would vanish; raise max_pixels"
        )
    return rows, columns


def _check(height: int, width: int) -> None:
    if min(height, width) < 1:
        raise DataError(f"a picture of {width}x{height} pixels has nothing to show")
    if max(height, width) / min(height, width) > MAX_RATIO:
        raise DataError(
            f"a picture of {width}x{height} pixels is too narrow:"
            f" no side may be more than {MAX_RATIO} times the other"
        )
