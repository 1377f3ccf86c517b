"""Which frames of a video a protocol shows, and how large: all that can be known before decoding.

``plan_frames`` takes what a probe tells of a video and a protocol's ``Frames``, and returns the
frames' numbers, their size and the visual tokens they cost. A rule's name says whose arithmetic:

``qwen_vl_utils_0.0.8``
    QwenLM/Qwen2-VL 35ba6e18, September 2024: ``fps`` frames a second within ``min_frames`` and
    ``max_frames``, rounded to an even number, or ``count`` frames; first and last included. The
    frames share ``total_pixels``; ``None`` stands for its callers' explicit ``max_pixels``, which
    there replaces the budget.
``qwen_vl_utils_0.0.10``, ``qwen_vl_utils_0.0.14``
    The same, but the number of frames is rounded down, and ``max_pixels`` and the budget bind
    together. Their own budget is 90316800 pixels.
``vlmevalkit``
    VLMEvalKit e8e78f05's video path for Qwen2-VL: as ``qwen_vl_utils_0.0.14``, with ``count``
    lowered to what a short video has.
``vlmevalkit_images``, ``vlmevalkit_fps``
    Its frames for picture models, 9a57ff1c to e8e78f05, by which it chooses subtitles too.
``mvbench``
    OpenGVLab/Ask-Anything 4dd8210b: the middles of ``count`` equal segments.
``lmms_eval_subtitles``, ``qwen3vl_subtitles``
    The frames by which lmms-eval 75571cfe and QwenLM/Qwen3-VL c4dcdb4 choose subtitles. Their
    videos go by the rules of the qwen-vl-utils release they run on; lmms-eval then keeps 32 of the
    frames that were sized together (``keep``).

Frame numbers count from 0 in the order of display, in a folder of frames in the order of names. A
bounded clip is cut by frame number, as qwen-vl-utils does since 0.0.11; ``mvbench`` has a way of
its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from evalkit.data import sampling
from evalkit.data.resize import FACTOR, smart_resize
from evalkit.data.sampling import PAIR, Source, even
from evalkit.errors import UsageError, nearest
from evalkit.types import Frames, Pixels

__all__ = [
    "RULES",
    "Plan",
    "Rule",
    "Source",
    "frame_indices",
    "frame_size",
    "plan_frames",
    "visual_tokens",
]

_UTILS_CAP = 768 * FACTOR * FACTOR
"""The most pixels of a frame in qwen-vl-utils from 0.0.9 on, whatever its caller asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The frames that a protocol shows of one video."""

    indices: tuple[int, ...]
    """Frame numbers, ascending; a short clip may repeat some."""
    height: int
    """Height of each frame in pixels after resizing."""
    width: int
    """Width of each frame in pixels after resizing."""
    tokens: int
    """Visual tokens of all frames."""


class Rule(NamedTuple):
    """How one harness chooses and sizes frames."""

    indices: Callable[[Source, Frames], list[int]]
    """The frame numbers, before ``keep``."""
    size: Callable[[int, Source, Frames], tuple[int, int]]
    """Height and width, from the number of frames before ``keep``."""


def plan_frames(source: Source, frames: Frames, pixels: Pixels | None = None) -> Plan:
    """Return what a protocol shows of a video.

    Args:
        source: what a probe told of the video.
        frames: the protocol's sampling and sizing.
        pixels: how pictures are sized: needed, and used, where frames are sent as pictures.

    Raises:
        DataError: the video is too short for the rule, or its bounds hold no frames.
        UsageError: there is no such rule, or the rule lacks a setting.
    """
    indices = frame_indices(source, frames)
    if frames.as_images:
        if pixels is None:
            raise UsageError(
                "frames.as_images needs the protocol's pixels, by which they are sized"
            )
        height, width = smart_resize(
            source.height,
            source.width,
            min_pixels=pixels.min_pixels,
            max_pixels=pixels.max_pixels,
        )
    else:
        height, width = frame_size(len(indices), source, frames)
    if frames.keep is not None:
        indices = [indices[place] for place in even(len(indices), frames.keep)]
    tokens = visual_tokens(len(indices), height, width, as_images=frames.as_images)
    return Plan(indices=tuple(indices), height=height, width=width, tokens=tokens)


def frame_indices(source: Source, frames: Frames) -> list[int]:
    """Return the frame numbers that a rule chooses, before ``keep``.

    Raises:
        DataError: the video is too short for the rule, or its bounds hold no frames.
        UsageError: there is no such rule, or the rule lacks a setting.
    """
    return _rule(frames).indices(source, frames)


def frame_size(count: int, source: Source, frames: Frames) -> tuple[int, int]:
    """Return the height and width, in pixels, of each of ``count`` frames that share a budget."""
    return _rule(frames).size(count, source, frames)


def visual_tokens(count: int, height: int, width: int, *, as_images: bool = False) -> int:
    """Return how many tokens frames cost: one for 28x28 pixels, for two frames of a video together.

    Args:
        count: the number of frames.
        height: their height in pixels, a multiple of 28.
        width: their width in pixels, a multiple of 28.
        as_images: whether they are separate pictures, which do not pair.
    """
    layers = count if as_images else math.ceil(count / PAIR)
    return layers * (height // FACTOR) * (width // FACTOR)


def _rule(frames: Frames) -> Rule:
    rule = RULES.get(frames.rule)
    if rule is None:
        raise UsageError(nearest("frame rule", frames.rule, list(RULES)))
    return rule


def _replacing(count: int, source: Source, frames: Frames) -> tuple[int, int]:
    """Size frames as qwen-vl-utils 0.0.8 does: without a budget, ``max_pixels`` stands alone."""
    most = float(frames.max_pixels)
    if frames.total_pixels is not None:
        most = _share(count, frames, most)
    return smart_resize(source.height, source.width, min_pixels=frames.min_pixels, max_pixels=most)


def _binding(count: int, source: Source, frames: Frames) -> tuple[int, int]:
    """Size frames as qwen-vl-utils does from 0.0.9 on: ``max_pixels`` never exceeds the budget."""
    most = min(frames.max_pixels, _share(count, frames, _UTILS_CAP))
    return smart_resize(source.height, source.width, min_pixels=frames.min_pixels, max_pixels=most)


def _share(count: int, frames: Frames, cap: float) -> float:
    """Return a frame's share of the budget, up to ``cap`` and never below 1.05 ``min_pixels``."""
    share = math.inf if frames.total_pixels is None else frames.total_pixels / count * PAIR
    return max(min(cap, share), int(frames.min_pixels * 1.05))


RULES: Mapping[str, Rule] = {
    "qwen_vl_utils_0.0.8": Rule(sampling.qwen_vl_utils_near, _replacing),
    "qwen_vl_utils_0.0.10": Rule(sampling.qwen_vl_utils_down, _binding),
    "qwen_vl_utils_0.0.14": Rule(sampling.qwen_vl_utils_down, _binding),
    "mvbench": Rule(sampling.mvbench, _replacing),
    "vlmevalkit": Rule(sampling.vlmevalkit, _binding),
    "vlmevalkit_images": Rule(sampling.vlmevalkit_images, _replacing),
    "vlmevalkit_fps": Rule(sampling.vlmevalkit_fps, _replacing),
    "lmms_eval_subtitles": Rule(sampling.lmms_eval_subtitles, _replacing),
    "qwen3vl_subtitles": Rule(sampling.qwen3vl_subtitles, _replacing),
}
"""Frame rules by name."""
