"""What a video file holds, told by its packets: how many frames, shown when, entered where.

Only reading the packets is true to every file: WebM and Matroska do not say how many frames they
hold, and a file that was cut off says more than it has. No picture is decoded for it but the first,
which tells the size and the rotation.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from evalkit.data.media import first_bytes, media_name, require
from evalkit.data.sampling import Source
from evalkit.errors import DataError, one_line
from evalkit.types import Media

__all__ = ["Index", "decoded", "index_video", "open_video", "packets"]

_ENTERED = {"av1", "h264", "hevc", "mpeg4", "vp8", "vp9"}
"""Codecs whose keyframes stand alone; others are read from the start, such as GIF."""

_STAMPED = {"mov", "matroska"}
"""Containers whose packets carry the time at which their frame is shown, unlike an AVI's."""


_THREADS = 4
"""The most threads of one decoder: each holds frames of its own, and FFmpeg would take one a core,
beside those of the other videos that are being decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The frames of a video file, in the order of display."""

    stamps: tuple[int, ...]
    """When each frame is shown, in units of ``time_base``."""
    keyframes: tuple[int, ...]
    """Frames at which decoding can start; empty where it can start at the first one only."""
    time_base: Fraction
    """Seconds in a unit of time."""
    fps: float
    """Frames a second, on average."""
    height: int
    """Height in pixels, as shown: after rotation."""
    width: int
    """Width in pixels, as shown: after rotation."""
    quarters: int
    """Quarter turns, counter-clockwise, from frames as stored to frames as shown."""
    codec: str
    """The codec's name as FFmpeg has it."""
    announced: int
    """Frames that the container says it holds; 0 where it says nothing."""

    def seconds(self, frame: int) -> float:
        """Return when a frame is shown, in seconds from the first one."""
        return float((self.stamps[frame] - self.stamps[0]) * self.time_base)

    def source(self, media: Media) -> Source:
        """Return what frame rules need to know."""
        return Source(
            frames=len(self.stamps),
            fps=self.fps,
            height=self.height,
            width=self.width,
            start=media.start,
            end=media.end,
            codec=self.codec,
            name=media_name(media),
        )


@contextmanager
def open_video(media: Media, *, threads: str = "AUTO") -> Iterator[tuple[Any, Any]]:
    """Open a video with PyAV and give its container and its video stream.

    Args:
        media: the video file.
        threads: FFmpeg's kind of threading: ``AUTO``, or ``SLICE``, which loses no frame beside a
            packet that does not decode.

    Raises:
        DataError: it is absent, not a video, or holds no video stream.
    """
    import av

    require(media)
    name = media_name(media)
    # The protocol is named so that no file's own name is taken for one.
    place = io.BytesIO(media.data) if media.data is not None else f"file:{media.path}"
    try:
        container = av.open(place)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = f"{one_line(getattr(error, 'strerror', None) or error)}; {first_bytes(media)}"
        raise DataError(f"{name}: not a video that FFmpeg can read ({reason})") from None
    with container:
        if not container.streams.video:
            raise DataError(f"{name}: the file holds no video stream")
        stream = container.streams.video[0]
        stream.thread_type = threads
        stream.thread_count = min(_THREADS, os.cpu_count() or 1)
        yield container, stream


def decoded(stream: Any, packet: Any) -> list[Any]:
    """Return the frames that a packet completes; ``None`` asks for all that are still inside.

    A packet that does not decode gives none: the frames around it are none the worse for it.
    """
    import av

    try:
        return list(stream.decode(packet))
    except (av.FFmpegError, EOFError):
        return []


def index_video(container: Any, stream: Any, name: str) -> Index:
    """Read all packets of a video that was just opened.

    Raises:
        DataError: nothing of it decodes, or it has no duration.
    """
    first = None
    entries: list[_Entry] = []
    for packet in packets(container, stream):
        first = first or next(iter(decoded(stream, packet)), None)
        if packet.size and not packet.is_corrupt and not packet.is_discard:
            entries.append(_Entry(packet.pts, packet.is_keyframe))
    first = first or next(iter(decoded(stream, None)), None)
    if first is None or not entries:
        raise DataError(f"{name}: the video holds no frame that decodes")
    quarters = round(first.rotation / 90) % 4
    sides = (first.height, first.width)
    fps = _rate(container, stream, len(entries), name)
    codec = stream.codec_context.codec.canonical_name
    stamps, keyframes = _order(entries, fps, container.format.name, codec, stream.time_base)
    return Index(
        stamps=stamps,
        keyframes=keyframes,
        time_base=stream.time_base,
        fps=fps,
        height=sides[quarters % 2],
        width=sides[1 - quarters % 2],
        quarters=quarters,
        codec=codec,
        announced=stream.frames,
    )


def packets(container: Any, stream: Any) -> Iterator[Any]:
    """Give packets up to the end of the file, or to where it cannot be read any further."""
    import av

    unread = container.demux(stream)
    while True:
        try:
            packet = next(unread)
        except (StopIteration, av.FFmpegError):
            return
        yield packet


class _Entry(NamedTuple):
    pts: int | None
    key: bool


def _order(
    entries: list[_Entry], fps: float, container: str, codec: str, time_base: Fraction
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return when each frame is shown, and where decoding can start."""
    stamps = sorted({entry.pts for entry in entries if entry.pts is not None})
    if len(stamps) < len(entries):
        step = 1 / (fps * time_base)
        return tuple(round(i * step) for i in range(len(entries))), ()
    if codec not in _ENTERED or _STAMPED.isdisjoint(container.split(",")):
        return tuple(stamps), ()
    places = {stamp: place for place, stamp in enumerate(stamps)}
    keyframes = sorted(
        places[entry.pts] for entry in entries if entry.key and entry.pts is not None
    )
    return tuple(stamps), tuple(keyframes)


def _rate(container: Any, stream: Any, frames: int, name: str) -> float:
    """Return the frames a second: the stream's average, or frames over duration."""
    rate = stream.average_rate or stream.guessed_rate
    if rate:
        return float(rate)
    if stream.duration:
        return frames / float(stream.duration * stream.time_base)
    if container.duration:
        return frames * 1_000_000 / float(container.duration)
    raise DataError(f"{name}: the video has no duration")
