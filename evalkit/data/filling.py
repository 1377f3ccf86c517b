"""Texts that wait for a video: which subtitles a prompt lists, told from the frames it goes by.

A request that holds such texts is filled in before it is asked, so that its key is of the text
that the model gets. Nothing is decoded: an index of the video's packets gives frames and times, and
questions on one video share it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from evalkit.data.container import index_video, open_video
from evalkit.data.frames import Plan, plan_frames
from evalkit.data.media import media_name
from evalkit.data.subtitles import Shown, select_subtitles
from evalkit.data.video import probe
from evalkit.errors import DataError
from evalkit.types import Frames, Media, Pixels, Request, Subtitled

__all__ = ["Preview", "fill", "preview"]

_VIDEOS = 8
"""Videos whose previews are kept, in each of the ways that protocols look at them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a protocol shows of a video, known before decoding."""

    plan: Plan
    """The frames, their size and the visual tokens."""
    shown: Shown
    """The same frames with their times, as subtitle rules want them."""


@lru_cache(maxsize=_VIDEOS)
def preview(video: Media, frames: Frames, pixels: Pixels) -> Preview:
    """Return what a protocol shows of a video.

    Args:
        video: a video file or a folder of frames.
        frames: how it is sampled and sized.
        pixels: how pictures are sized, which counts where frames are sent as pictures.

    Raises:
        DataError: the video is absent, not a video, or too short for the rule.
        UsageError: the protocol's settings do not fit together.
    """
    if video.path is not None and Path(video.path).is_dir():
        source = probe(video)
        plan = plan_frames(source, frames, pixels)
        return Preview(plan=plan, shown=Shown.at(plan.indices, source.fps))
    with open_video(video) as (container, stream):
        index = index_video(container, stream, media_name(video))
    plan = plan_frames(index.source(video), frames, pixels)
    times = [index.seconds(frame) for frame in plan.indices]
    return Preview(plan=plan, shown=Shown(plan.indices, times, index.fps))


def fill(request: Request) -> Request:
    """Return a request with every text filled in.

    Raises:
        DataError: a text waits for a video that is absent or broken, or nothing says whether a
            video has subtitles.
        UsageError: the protocol's settings do not fit together.
    """
    if not any(isinstance(part, Subtitled) for part in request.parts):
        return request
    parts = [
        part.text(_chosen(part, request)) if isinstance(part, Subtitled) else part
        for part in request.parts
    ]
    return replace(request, parts=tuple(parts))


def _chosen(text: Subtitled, request: Request) -> str | None:
    name = media_name(text.video)
    if not text.known:
        raise DataError(
            f"{name}: nothing says whether this video has subtitles: set rows.media to the folder "
            "that holds the videos and the folder subtitle, or give the rows a column subtitles"
        )
    if text.srt is None:
        return None
    frames = text.how.frames or request.frames
    if frames is None:
        raise DataError(f"{name}: the protocol lists subtitles and has no frames to go by")
    return _selected(text.srt, text.how.rule, text.video, frames, request.pixels)


@lru_cache(maxsize=_VIDEOS)
def _selected(srt: str, rule: str, video: Media, frames: Frames, pixels: Pixels) -> str | None:
    return select_subtitles(srt, rule, preview(video, frames, pixels).shown)
