"""The frame numbers that each harness picks out of a video, by its own arithmetic.

Every rule takes a ``Source`` and a protocol's ``Frames`` and returns frame numbers, ascending,
before ``keep``. ``evalkit.data.frames`` names the rules and says whose each is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from evalkit.errors import DataError, UsageError
from evalkit.types import Frames

__all__ = [
    "PAIR",
    "Source",
    "even",
    "linspace",
    "lmms_eval_subtitles",
    "mvbench",
    "mvbench_indices",
    "qwen3vl_subtitles",
    "qwen_vl_utils_down",
    "qwen_vl_utils_near",
    "vlmevalkit",
    "vlmevalkit_fps",
    "vlmevalkit_images",
]

PAIR = 2
"""Frames that share one layer of visual tokens; the model pads an odd number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is known of a video before decoding it."""

    frames: int
    """Frames of the whole file."""
    fps: float
    """Frames a second, on average."""
    height: int
    """Height in pixels, as shown."""
    width: int
    """Width in pixels, as shown."""
    start: float | None = None
    """Where a bounded clip starts, in seconds."""
    end: float | None = None
    """Where a bounded clip ends, in seconds."""
    folder: bool = False
    """Whether it is a folder of frames and not a video file."""
    codec: str = ""
    """The codec's name as FFmpeg has it; empty for a folder."""
    name: str = "video"
    """What messages call it."""

    @property
    def seconds(self) -> float:
        """The whole file's duration in seconds."""
        return self.frames / self.fps


def qwen_vl_utils_near(source: Source, frames: Frames) -> list[int]:
    """Return qwen-vl-utils 0.0.8's frames: their number is rounded to the nearest even one.

    Raises:
        DataError: fewer than two frames, or fewer than ``frames.count``.
        UsageError: neither or both of ``fps`` and ``count`` are set.
    """
    return _qwen_vl_utils(source, frames, down=False)


def qwen_vl_utils_down(source: Source, frames: Frames) -> list[int]:
    """Return the frames of qwen-vl-utils from 0.0.9 on: a rate's number is rounded down, to even.

    Raises:
        DataError: fewer than two frames, or fewer than ``frames.count``.
        UsageError: neither or both of ``fps`` and ``count`` are set.
    """
    return _qwen_vl_utils(source, frames, down=True)


def vlmevalkit(source: Source, frames: Frames) -> list[int]:
    """Return VLMEvalKit's frames for a video model: of a short video, as many as pair up."""
    low, high = span(source)
    total = high - low + 1
    if frames.count is not None and total < frames.count:
        return _spread(low, high, total // PAIR * PAIR, source, frames)
    return qwen_vl_utils_down(source, frames)


def vlmevalkit_images(source: Source, frames: Frames) -> list[int]:
    """Return VLMEvalKit's ``count`` frames for a picture model: inner points of equal steps."""
    low, high = span(source)
    count = int(_wanted(frames, "count"))
    step = (high - low + 1) / (count + 1)
    return [low + int(i * step) for i in range(1, count + 1)]


def vlmevalkit_fps(source: Source, frames: Frames) -> list[int]:
    """Return VLMEvalKit's ``fps`` frames a second for a picture model, from the first frame on.

    Raises:
        DataError: the video is too short to hold one.
    """
    low, high = span(source)
    rate = _wanted(frames, "fps")
    count = int((high - low + 1) / source.fps * rate)
    if count < 1:
        raise DataError(f"{source.name}: {source.seconds:g} seconds hold no frame at {rate:g} fps")
    return [low + int(i * (source.fps / rate)) for i in range(count)]


def lmms_eval_subtitles(source: Source, frames: Frames) -> list[int]:
    """Return the frames by which lmms-eval chooses subtitles: ``count``, evenly, rounded down."""
    import numpy as np

    count = int(_wanted(frames, "count"))
    return [int(i) for i in np.linspace(0, source.frames - 1, count, dtype=int)]


def qwen3vl_subtitles(source: Source, frames: Frames) -> list[int]:
    """Return the frames by which QwenLM/Qwen3-VL chooses subtitles: ``fps`` of whole seconds."""
    low, high = span(source)
    total = high - low + 1
    count = max(round(total / source.fps) * _wanted(frames, "fps"), frames.min_frames)
    count = min(count, frames.max_frames, total // PAIR * PAIR)
    return _spread(low, high, int(count), source, frames)


def mvbench(source: Source, frames: Frames) -> list[int]:
    """Return the middles of ``count`` equal segments, counted from 0 in a folder of frames too."""
    first = 1 if source.folder else 0
    bound = None
    if source.start is not None or source.end is not None:
        end = source.seconds if source.end is None else source.end
        bound = (source.start or 0.0, end)
    numbers = mvbench_indices(
        bound=bound,
        fps=source.fps,
        max_frame=source.frames - 1 + first,
        first=first,
        count=int(_wanted(frames, "count")),
    )
    if numbers[0] < first or numbers[-1] > source.frames - 1 + first or numbers[0] > numbers[-1]:
        raise _outside(source)
    return [number - first for number in numbers]


def mvbench_indices(
    *, bound: tuple[float, float] | None, fps: float, max_frame: int, first: int, count: int
) -> list[int]:
    """Return the middles of ``count`` equal segments, in the benchmark's own numbering.

    Args:
        bound: start and end in seconds; ``None`` for all of it.
        fps: frames a second.
        max_frame: the last number: frames less one of a video, the number of files of a folder.
        first: the first number: 0 of a video, 1 of a folder.
        count: the number of segments.
    """
    start, end = bound or (-100000.0, 100000.0)
    low = max(first, round(start * fps))
    high = min(round(end * fps), max_frame)
    segment = (high - low) / count
    return [int(low + segment / 2 + round(segment * i)) for i in range(count)]


def even(total: int, count: int) -> list[int]:
    """Return up to ``count`` different places of ``total``, both ends included, rounded down."""
    import numpy as np

    return [int(i) for i in np.unique(np.linspace(0, total - 1, count, dtype=int))]


def span(source: Source) -> tuple[int, int]:
    """Return the first and last frame number within a source's bounds.

    Raises:
        DataError: there is none.
    """
    low, high = 0, source.frames - 1
    if source.start is not None:
        low = math.ceil(max(0.0, min(source.start, source.seconds)) * source.fps)
    if source.end is not None:
        high = min(math.floor(max(0.0, min(source.end, source.seconds)) * source.fps), high)
    if low > high:
        raise _outside(source)
    return low, high


def _outside(source: Source) -> DataError:
    end = source.seconds if source.end is None else source.end
    return DataError(
        f"{source.name}: no frames between {source.start or 0:g} and {end:g} seconds"
        f" ({source.frames} frames, {source.seconds:g} seconds)"
    )


def _wanted(frames: Frames, field: str) -> float:
    value = frames.count if field == "count" else frames.fps
    if value is None or value <= 0:
        raise UsageError(f"the frame rule {frames.rule} needs frames.{field}, above zero")
    return value


def _qwen_vl_utils(source: Source, frames: Frames, *, down: bool) -> list[int]:
    if frames.count is not None and frames.fps is not None:
        raise UsageError(f"the frame rule {frames.rule} takes frames.fps or frames.count, not both")
    low, high = span(source)
    total = high - low + 1
    if frames.count is not None:
        count = round(_wanted(frames, "count") / PAIR) * PAIR
    else:
        least = math.ceil(frames.min_frames / PAIR) * PAIR
        most = math.floor(min(frames.max_frames, total) / PAIR) * PAIR
        wanted = min(max(total / source.fps * _wanted(frames, "fps"), least), most)
        count = (math.floor(wanted / PAIR) if down else round(wanted / PAIR)) * PAIR
    return _spread(low, high, count, source, frames)


def _spread(low: int, high: int, count: int, source: Source, frames: Frames) -> list[int]:
    """Return ``count`` frames evenly from ``low`` to ``high``, both included."""
    total = high - low + 1
    if not PAIR <= count <= total:
        raise DataError(
            f"{source.name}: {total} frames are too few for the frame rule {frames.rule},"
            f" which wants {max(count, PAIR)}"
        )
    return linspace(low, high, count)


def linspace(low: int, high: int, count: int) -> list[int]:
    """Return ``torch.linspace(low, high, count).round()``, without torch, which is slow to import.

    Its single-precision steps part from exact ones in videos of 10,000 frames. It counts them from
    the nearer end and, on every processor with fused multiplication, rounds once: double precision
    holds what comes before that exactly.
    """
    import numpy as np

    step = float(np.float32(high - low) / np.float32(count - 1))
    places = np.arange(count, dtype=np.float64)
    first, last = low + step * places, high - step * places[::-1]
    steps = np.where(places < count // 2, first, last).astype(np.float32)
    return [int(i) for i in np.rint(steps)]
