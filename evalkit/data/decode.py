"""How chosen frames get out of a video file: which pictures are decoded, and how they are resized.

Frames are resized as they come, so that memory holds small ones only. Where they lie far apart,
decoding enters at keyframes; where they lie close together, it reads on. A picture that does not
decode is replaced by the one before it.

A rotation that the file asks for is applied, as decord does, through which the harnesses of 2024
read; torchvision's reader did not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

from evalkit.data.container import Index, decoded, open_video, packets
from evalkit.data.frames import Plan
from evalkit.data.images import reencode
from evalkit.errors import DataError
from evalkit.types import Media, Pixels

if TYPE_CHECKING:
    import numpy as np
    import torch

    Array: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]

__all__ = ["Canvas", "decoder_name", "read_by_keyframes", "read_through", "resize_frame"]

_WORTH_SEEKING = 8
"""Frames that a seek must save to be cheaper than reading on."""

_WAITING = 2
"""Pictures that may wait to be resized before the decoder waits for them."""

_STRIP = 64
"""Rows or columns that are resized at once."""


class Canvas:
    """The frames of a clip while they are being decoded, each brought to its final size."""

    def __init__(self, plan: Plan, pixels: Pixels | None = None, quarters: int = 0) -> None:
        """Make room for a plan's frames.

        Args:
            plan: which frames, and how large.
            pixels: a protocol's lossy step, where frames become pictures of their own.
            quarters: quarter turns, counter-clockwise, before resizing.
        """
        import numpy as np

        self._frames: Array = np.zeros((len(plan.indices), plan.height, plan.width, 3), np.uint8)
        self._plan = plan
        self._pixels = pixels
        self._quarters = quarters
        self._resizer = _single_threaded()
        self._waiting: deque[Future[None]] = deque()
        self._places: dict[int, list[int]] = {}
        for place, frame in enumerate(plan.indices):
            self._places.setdefault(frame, []).append(place)

    @property
    def missing(self) -> list[int]:
        """The numbers of the frames that were not put yet, ascending."""
        return sorted(self._places)

    def put(self, frame: int, picture: Any) -> None:
        """Put a picture, PyAV's or an RGB array, wherever its frame is shown."""
        if len(self._waiting) >= _WAITING:
            self._waiting.popleft().result()
        places = self._places.pop(frame)
        self._waiting.append(self._resizer.submit(self._show, places, picture))

    def finish(self) -> Array:
        """Return all frames, RGB, shape (frames, height, width, 3), once they have their size."""
        while self._waiting:
            self._waiting.popleft().result()
        self._resizer.shutdown()
        return self._frames

    def _show(self, places: list[int], picture: Any) -> None:
        import numpy as np

        stored = picture if hasattr(picture, "shape") else _rgb(picture)
        shown = np.rot90(stored, self._quarters)
        first, *others = places
        if self._pixels is None:
            resize_frame(shown, self._plan.height, self._plan.width, self._frames[first])
        else:
            self._frames[first] = _as_picture(shown, self._plan, self._pixels)
        for place in others:
            self._frames[place] = self._frames[first]


def _rgb(picture: Any) -> Array:
    """Return a decoded picture's colours where FFmpeg has put them, for a copy weighs as much."""
    import numpy as np

    converted = picture.reformat(format="rgb24")
    lines = np.frombuffer(converted.planes[0], np.uint8).reshape(converted.height, -1)
    return lines[:, : 3 * converted.width].reshape(converted.height, converted.width, 3)


def _single_threaded() -> ThreadPoolExecutor:
    """Return a thread of its own that resizes while the caller decodes, on one core.

    More of torch's threads would gain little, and spin beside the decoder after every frame: twice
    the CPU time in all. The number is a thread's own, but also that of threads yet to come, which
    is why it is set back at once.
    """
    import torch

    def settle() -> None:
        # The first question of a thread is what makes torch give it a number to begin with.
        torch.get_num_threads()
        torch.set_num_threads(1)

    worker = ThreadPoolExecutor(max_workers=1)
    before = torch.get_num_threads()
    worker.submit(settle).result()
    torch.set_num_threads(before)
    return worker


def resize_frame(frame: Array, height: int, width: int, out: Array | None = None) -> Array:
    """Return an RGB frame at another size, to the bit as qwen-vl-utils resizes a whole video.

    That is torchvision's ``resize`` on bytes, bicubic with antialiasing, which works in single
    precision and rounds. PIL's filter and torch's own path for bytes give other values.

    Args:
        frame: height x width x 3.
        height: the new height in pixels.
        width: the new width in pixels.
        out: where the result goes, instead of new memory.
    """
    import numpy as np
    import torch

    made = np.empty((height, width, 3), np.uint8) if out is None else out
    if frame.shape[:2] == (height, width):
        made[...] = frame
        return made
    # First all rows become narrower, then all columns shorter, as torch does it; a colour and a
    # strip at a time, because the numbers in single precision weigh four times the frame.
    source, target = torch.from_numpy(np.ascontiguousarray(frame)), torch.from_numpy(made)
    rows = frame.shape[0]
    narrow = torch.empty((rows, width))
    for colour in range(3):
        for start in range(0, rows, _STRIP):
            strip = source[start : start + _STRIP, :, colour].float()
            narrow[start : start + _STRIP] = _scaled(strip, len(strip), width)
        for start in range(0, width, _STRIP):
            strip = narrow[:, start : start + _STRIP]
            short = _scaled(strip, height, strip.shape[1]).clamp_(0, 255).round_()
            target[:, start : start + _STRIP, colour] = short
    return made


def _scaled(plane: torch.Tensor, height: int, width: int) -> torch.Tensor:
    from torch.nn import functional

    scaled: torch.Tensor = functional.interpolate(
        plane[None, None], (height, width), mode="bicubic", antialias=True, align_corners=False
    )
    return scaled[0, 0]


def decoder_name(codec: str) -> str:
    """Return what decodes a codec, with the versions that can change a pixel."""
    import av

    version = ".".join(str(part) for part in av.library_versions["libavcodec"])
    return f"PyAV {av.__version__}, libavcodec {version}, {codec}"


def read_by_keyframes(container: Any, stream: Any, index: Index, canvas: Canvas) -> None:
    """Decode missing frames, entering at keyframes; what this does not reach stays missing."""
    for keyframe, frames in _runs(index.keyframes, canvas.missing):
        entry = index.stamps[keyframe]
        container.seek(entry, stream=stream)
        wanted = {index.stamps[frame]: frame for frame in frames}
        for picture in _run(container, stream, entry, wanted):
            canvas.put(wanted[picture.pts], picture)


def read_through(media: Media, index: Index, canvas: Canvas) -> int:
    """Decode missing frames from the file's start, and return how many do not decode.

    The picture before takes the place of one that does not decode.

    Raises:
        DataError: nothing decodes.
    """
    pending = canvas.missing[::-1]
    stand_ins = 0
    previous = None
    with open_video(media, threads="SLICE") as (container, stream):
        for place, picture in enumerate(_pictures(container, stream)):
            frame = place
            if index.keyframes and picture.pts is not None:
                frame = bisect_right(index.stamps, picture.pts) - 1
            while pending and pending[-1] < frame:
                canvas.put(pending.pop(), previous or picture)
                stand_ins += 1
            if pending and pending[-1] == frame:
                canvas.put(pending.pop(), picture)
            if not pending:
                return stand_ins
            previous = picture
    if previous is None:
        raise DataError(f"{media.name or media.path}: the video holds no frame that decodes")
    for frame in pending:
        canvas.put(frame, previous)
    return stand_ins + len(pending)


def _runs(keyframes: Sequence[int], wanted: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """Give the keyframe to enter at and the frames to decode from there on, run by run.

    Frames before the first keyframe are left out: an edit list cuts off the one they need.
    """
    entry, run = keyframes[0], list[int]()
    for frame in wanted:
        place = bisect_right(keyframes, frame) - 1
        if place < 0:
            continue
        nearest = keyframes[place]
        if run and nearest - run[-1] > _WORTH_SEEKING:
            yield entry, run
            run = []
        if not run:
            entry = nearest
        run.append(frame)
    if run:
        yield entry, run


def _run(container: Any, stream: Any, entry: int, wanted: dict[int, int]) -> Iterator[Any]:
    """Give the wanted pictures from a keyframe on; none, where it was no true point of entry."""
    from av.video.frame import PictureType

    context = stream.codec_context
    skips = context.codec.canonical_name == "h264"
    unsent = set(wanted)
    entered = False
    for packet in packets(container, stream):
        if skips:
            # H.264 predicts nothing from the pictures that this leaves out, so none of the others
            # changes; other codecs do not promise as much of theirs.
            context.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
        unsent.discard(packet.pts)
        pictures = decoded(stream, packet)
        if not unsent:
            pictures += decoded(stream, None)
        for picture in pictures:
            if not entered and picture.pts is not None and picture.pts >= entry:
                entered = picture.pts == entry and picture.pict_type == PictureType.I
                if not entered:
                    return
            if entered and picture.pts in wanted and not picture.is_corrupt:
                yield picture
        if not unsent:
            return


def _pictures(container: Any, stream: Any) -> Iterator[Any]:
    for packet in packets(container, stream):
        yield from decoded(stream, packet)
    yield from decoded(stream, None)


def _as_picture(frame: Array, plan: Plan, pixels: Pixels) -> Array:
    import numpy as np
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(frame))
    if pixels.reencode is not None:
        image = reencode(image, pixels.reencode)
    return np.asarray(image.resize((plan.width, plan.height)))
