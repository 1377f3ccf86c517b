"""From a video as the dataset stores it to the frames that a protocol shows.

``probe`` tells what a video holds, ``load_clip`` shows it: a file that FFmpeg reads, whole or
between bounds, or a folder of frames with a frame rate of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit._version import __version__
from evalkit.data.cache import current
from evalkit.data.container import Index, index_video, open_video
from evalkit.data.decode import Canvas, decoder_name, read_by_keyframes, read_through
from evalkit.data.digest import digest_json, digest_media
from evalkit.data.frames import Source, plan_frames
from evalkit.data.images import decode_image, decoded_size
from evalkit.data.media import media_name, require
from evalkit.data.sampling import span
from evalkit.errors import DataError
from evalkit.types import Frames, Media, Pixels

if TYPE_CHECKING:
    from evalkit.data.decode import Array

__all__ = ["Clip", "load_clip", "probe"]

_PICTURES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
"""Endings of the files that are frames in a folder of frames."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """The frames of a video as a model sees them, and where they came from."""

    frames: Array
    """RGB, shape (frames, height, width, 3), 0 to 255."""
    indices: tuple[int, ...]
    """The number of each frame in the source."""
    times: tuple[float, ...]
    """When each is shown, in seconds from the source's first frame."""
    source: Source
    """The video: its frames, frame rate, size, codec and bounds."""
    tokens: int
    """Visual tokens of all frames."""
    decoder: str
    """What decoded it, with versions."""
    notes: tuple[str, ...] = ()
    """What is not as the file says, a line each."""
    cached: bool = False
    """Whether the frames come from the folder that keeps them between runs."""

    @property
    def rate(self) -> float:
        """Chosen frames a second, qwen-vl-utils' ``sample_fps``: Qwen2.5-VL tells time by it."""
        try:
            low, high = span(self.source)
        except DataError:  # bounds between two frames, where some rules still find some
            low, high = self.indices[0], self.indices[-1]
        return len(self.indices) / (high - low + 1) * self.source.fps


def probe(media: Media) -> Source:
    """Return what a video holds, without decoding more than its first picture.

    Raises:
        DataError: it is absent, not a video, or holds nothing that decodes.
    """
    require(media)
    if media.path is not None and Path(media.path).is_dir():
        return _folder(media, _files(media))
    with open_video(media) as (container, stream):
        return index_video(container, stream, media_name(media)).source(media)


def load_clip(media: Media, frames: Frames, pixels: Pixels | None = None) -> Clip:
    """Return the frames of a video that a protocol shows, at the size it shows them.

    They are decoded, unless the run keeps frames and has these already.

    Args:
        media: a video file or a folder of frames, with its bounds.
        frames: the protocol's sampling and sizing.
        pixels: how pictures are sized and re-encoded; needed where frames are sent as pictures.

    Raises:
        DataError: the video is absent, not a video, too short for the rule, or does not decode.
        UsageError: the protocol's settings do not fit together.
    """
    require(media)
    store = current()
    if store is None:
        return _decoded(media, frames, pixels)
    key = _key(media, frames, pixels)
    if (found := store.get(key)) is not None:
        return _kept(*found, media)
    clip = _decoded(media, frames, pixels)
    about = ("indices", "times", "tokens", "decoder", "notes")
    facts = {name: getattr(clip, name) for name in about}
    store.put(key, clip.frames, {**facts, "source": asdict(clip.source)})
    return clip


def _key(media: Media, frames: Frames, pixels: Pixels | None) -> str:
    """Return the digest of all that a clip follows from: content, protocol and versions."""
    import PIL
    import torch

    sized = asdict(pixels) if pixels is not None and frames.as_images else None
    made = [__version__, decoder_name(""), f"torch {torch.__version__}", f"PIL {PIL.__version__}"]
    shown = {"frames": asdict(frames), "pixels": sized}
    return digest_json({"media": digest_media(media), "made": made, **shown})


def _kept(frames: Array, about: Mapping[str, Any], media: Media) -> Clip:
    """Return a clip that was kept; what messages call it may be another name now."""
    return Clip(
        frames=frames,
        indices=tuple(about["indices"]),
        times=tuple(about["times"]),
        source=Source(**{**about["source"], "name": media_name(media)}),
        tokens=about["tokens"],
        decoder=about["decoder"],
        notes=tuple(about["notes"]),
        cached=True,
    )


def _decoded(media: Media, frames: Frames, pixels: Pixels | None) -> Clip:
    if media.path is not None and Path(media.path).is_dir():
        return _load_folder(media, frames, pixels)
    with open_video(media) as (container, stream):
        index = index_video(container, stream, media_name(media))
        source = index.source(media)
        plan = plan_frames(source, frames, pixels)
        canvas = Canvas(plan, pixels if frames.as_images else None, index.quarters)
        if index.keyframes:
            read_by_keyframes(container, stream, index, canvas)
    stand_ins = read_through(media, index, canvas) if canvas.missing else 0
    return Clip(
        frames=canvas.finish(),
        indices=plan.indices,
        times=tuple(index.seconds(frame) for frame in plan.indices),
        source=source,
        tokens=plan.tokens,
        decoder=decoder_name(index.codec),
        notes=_notes(index, stand_ins),
    )


def _notes(index: Index, stand_ins: int) -> tuple[str, ...]:
    notes = []
    if index.announced > len(index.stamps):
        notes.append(f"the file announces {index.announced} frames and holds {len(index.stamps)}")
    if stand_ins:
        notes.append(f"frames that do not decode, shown as the ones before them: {stand_ins}")
    return tuple(notes)


def _files(media: Media) -> list[Path]:
    """Return the frames of a folder in the order of their names."""
    files = [file for file in Path(str(media.path)).iterdir() if file.suffix.lower() in _PICTURES]
    if not files:
        raise DataError(f"{media_name(media)}: the folder holds no frames: {media.path}")
    return sorted(files)


def _picture(media: Media, file: Path) -> Media:
    return Media(kind="image", path=str(file), name=f"{media_name(media)}/{file.name}")


def _folder(media: Media, files: list[Path]) -> Source:
    if not media.fps or media.fps <= 0:
        raise DataError(f"{media_name(media)}: a folder of frames needs its frames a second")
    width, height = decoded_size(_picture(media, files[0]))
    return Source(
        frames=len(files),
        fps=media.fps,
        height=height,
        width=width,
        start=media.start,
        end=media.end,
        folder=True,
        name=media_name(media),
    )


def _load_folder(media: Media, frames: Frames, pixels: Pixels | None) -> Clip:
    import numpy as np
    import PIL

    files = _files(media)
    source = _folder(media, files)
    plan = plan_frames(source, frames, pixels)
    canvas = Canvas(plan, pixels if frames.as_images else None)
    for frame in canvas.missing:
        canvas.put(frame, np.array(decode_image(_picture(media, files[frame]))))
    return Clip(
        frames=canvas.finish(),
        indices=plan.indices,
        times=tuple(frame / source.fps for frame in plan.indices),
        source=source,
        tokens=plan.tokens,
        decoder=f"PIL {PIL.__version__}",
    )
