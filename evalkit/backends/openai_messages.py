"""From a request to the body of a chat completion: text and media at their places.

Pictures go out without loss: as PNG of what the protocol's resizing makes, or as the dataset's own
bytes. Videos go out as frames, as pictures, or as the file. Nothing is ever encoded with loss here,
since a server decodes what it gets and answers for other pixels than the protocol's.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.backends.reference import Extent, extents_of
from evalkit.data.digest import digest_array, digest_bytes, digest_image
from evalkit.data.images import decoded_size, load_image
from evalkit.data.media import media_name, require
from evalkit.errors import DataError, UsageError, nearest
from evalkit.types import Media, Request

if TYPE_CHECKING:
    from PIL import Image

    from evalkit.data.video import Clip

__all__ = ["IMAGES", "VIDEOS", "Sender", "Sent", "chat", "limits"]

IMAGES = ("resized", "original", "file", "url")
"""How pictures can be sent."""

VIDEOS = ("frames", "images", "file")
"""How videos can be sent."""

KINDS = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
TYPES = {".mp4": "video/mp4", ".webm": "video/webm", ".mkv": "video/x-matroska"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A medium as it is sent."""

    parts: tuple[Mapping[str, Any], ...]
    """Pieces of the message's content; an address that holds the medium itself is bytes."""
    extents: tuple[Extent, ...]
    """What it is to the model under the protocol."""
    digests: tuple[str, ...] = ()
    """Digests of the resized pictures; none where the server is to resize them."""
    details: Mapping[str, Any]
    """What of it is shown."""
    rate: float | None = None
    """Frames a second of a video sent as frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Turns media into pieces of messages."""

    images: str
    """One of ``IMAGES``."""
    videos: str
    """One of ``VIDEOS``."""
    folder: Path | None = None
    """Where files are put that the server reads by name, under the digest of their bytes."""
    url: str | None = None
    """The address below which that folder is served."""

    def check(self) -> None:
        """Refuse settings that do not fit together.

        Raises:
            UsageError: such settings.
        """
        for name, value, known in (
            ("model.images", self.images, IMAGES),
            ("model.videos", self.videos, VIDEOS),
        ):
            if value not in known:
                raise UsageError(nearest(name, value, list(known)))
        if self.images in ("file", "url") and self.folder is None:
            raise UsageError(
                f"model.images={self.images} needs model.media_folder=FOLDER, which the server"
                " reads, such as vLLM with --allowed-local-media-path FOLDER"
            )
        if self.images == "url" and not self.url:
            raise UsageError("model.images=url needs model.media_url=http://..., the folder's")

    def other_way(self, request: Request, why: str) -> str:
        """Return ``why`` a server did not take a request, and what to type if its video is why."""
        shown = any(media.kind == "video" for media in request.media)
        if self.videos != "frames" or not shown or "video" not in why.lower():
            return why
        return f"{why}; where a server takes no frames as vLLM does: model.videos=images or file"

    def light(self, media: Media) -> bool:
        """Whether sending a medium takes no decoding."""
        return media.kind == "image" and self.images != "resized"

    def send(self, media: Media, request: Request) -> Sent:
        """Return a medium as it is sent under a request's protocol.

        Raises:
            DataError: it cannot be read, or not be sent in this way.
            UsageError: the protocol's settings do not fit together.
        """
        require(media)
        if media.kind == "video":
            return self._video(media, request)
        if self.images == "resized":
            image = load_image(media, request.pixels)
            return _pictures([image], {"before": list(decoded_size(media))})
        return self._untouched(media, request)

    def _untouched(self, media: Media, request: Request) -> Sent:
        """Return a picture as the dataset stores it: the server resizes it."""
        if request.pixels.reencode is not None:
            raise UsageError(
                f"the protocol puts {request.pixels.reencode} before the model, which only"
                " model.images=resized can do"
            )
        (extent,) = extents_of(media, request)
        return Sent(
            parts=({"type": "image_url", "image_url": {"url": self._address(media)}},),
            extents=(extent,),
            details={"before": list(decoded_size(media)), "after": [extent.width, extent.height]},
        )

    def _address(self, media: Media) -> str | bytes:
        data, ending = _file(media)
        if self.images == "original":
            return _data_url(data, KINDS[ending])
        assert self.folder is not None, "checked by check()"
        path = self.folder.expanduser().resolve() / f"{digest_bytes(data)}{ending}"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            part.write_bytes(data)
            part.replace(path)
        if self.images == "url":
            return f"{str(self.url).rstrip('/')}/{path.name}"
        return path.as_uri()

    def _video(self, media: Media, request: Request) -> Sent:
        from PIL import Image

        from evalkit.data.video import load_clip

        if request.frames is None:
            raise UsageError("the protocol shows a video and has no frames: set its frames")
        if self.videos == "file" and not request.frames.as_images:
            return _whole(media, request)
        clip = load_clip(media, request.frames, request.pixels)
        details = {
            "before": [clip.source.width, clip.source.height],
            "frames": list(clip.indices),
            "times": [round(time, 3) for time in clip.times],
            "decoder": clip.decoder,
            "notes": list(clip.notes),
        }
        if request.frames.as_images or self.videos == "images":
            return _pictures([Image.fromarray(frame) for frame in clip.frames], details)
        return _frames(clip, details)


def chat(request: Request, sent: Sequence[Sent]) -> list[dict[str, Any]]:
    """Return a request as the endpoint's messages."""
    media = iter(sent)
    content: list[Mapping[str, Any]] = []
    for part in request.parts:
        if isinstance(part, Media):
            content.extend(next(media).parts)
        else:
            content.append({"type": "text", "text": part})
    system = [{"role": "system", "content": request.system}] if request.system is not None else []
    begun = [{"role": "assistant", "content": request.prefill}] if request.prefill else []
    return [*system, {"role": "user", "content": content}, *begun]


def limits(request: Request) -> dict[str, int]:
    """Return the pixel limits that the server's processor is given; none without media."""
    kinds = {media.kind for media in request.media}
    if not kinds:
        return {}
    frames = request.frames
    if "video" in kinds and frames is not None and not frames.as_images:
        return {"min_pixels": frames.min_pixels, "max_pixels": frames.max_pixels}
    return {"min_pixels": request.pixels.min_pixels, "max_pixels": request.pixels.max_pixels}


def _pictures(images: Sequence[Image.Image], details: Mapping[str, Any]) -> Sent:
    """Return pictures of their final size, without loss."""
    return Sent(
        parts=tuple(
            {"type": "image_url", "image_url": {"url": _data_url(_png(image), "image/png")}}
            for image in images
        ),
        extents=tuple(
            Extent(kind="image", frames=1, height=image.height, width=image.width)
            for image in images
        ),
        digests=tuple(digest_image(image) for image in images),
        details={**details, "after": [images[0].width, images[0].height]},
    )


def _frames(clip: Clip, details: Mapping[str, Any]) -> Sent:
    """Return a video as its frames in one address.

    vLLM's form: ``video/jpeg`` and the frames' files with commas between. It opens each with PIL,
    which goes by what a file holds, so that the frames can be PNG.
    """
    from PIL import Image

    count, height, width = clip.frames.shape[:3]
    files = (base64.b64encode(_png(Image.fromarray(frame))) for frame in clip.frames)
    url = b"data:video/jpeg;base64," + b",".join(files)
    return Sent(
        parts=({"type": "video_url", "video_url": {"url": url}},),
        extents=(Extent(kind="video", frames=count, height=height, width=width),),
        digests=(digest_array(clip.frames),),
        details={**details, "after": [width, height]},
        rate=clip.rate,
    )


def _whole(media: Media, request: Request) -> Sent:
    """Return a video's own file, of which the server chooses frames."""
    name = media_name(media)
    if media.start is not None or media.end is not None:
        raise DataError(f"{name}: a bounded clip cannot be sent as a file; use model.videos=frames")
    if media.path is not None and Path(media.path).is_dir():
        raise DataError(f"{name}: a folder of frames is no file; use model.videos=frames")
    (extent,) = extents_of(media, request)
    data = media.data if media.data is not None else Path(str(media.path)).read_bytes()
    kind = TYPES.get(Path(media.path or media.name).suffix.lower(), "video/mp4")
    return Sent(
        parts=({"type": "video_url", "video_url": {"url": _data_url(data, kind)}},),
        extents=(extent,),
        details={"after": [extent.width, extent.height], "frames": extent.frames},
    )


def _file(media: Media) -> tuple[bytes, str]:
    """Return a picture's own bytes and the ending that their format has.

    Raises:
        DataError: a format that servers do not read; nothing is re-encoded to make it one.
    """
    from PIL import Image

    data = media.data if media.data is not None else Path(str(media.path)).read_bytes()
    with Image.open(io.BytesIO(data)) as image:
        kind = str(image.format).lower()
    ending = f".{kind}"
    if ending not in KINDS:
        raise DataError(
            f"{media_name(media)}: servers read PNG, JPEG and WebP, and this is {kind.upper()}:"
            " use model.images=resized"
        )
    return data, ending


def _png(image: Image.Image) -> bytes:
    """Return a picture as PNG, packed lightly: it is read once, a hand's breadth away."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _data_url(data: bytes, kind: str) -> bytes:
    return b"data:%s;base64,%s" % (kind.encode(), base64.b64encode(data))
