"""From a picture as the dataset stores it to the pixels that a protocol shows.

The steps are those of qwen-vl-utils 0.0.8 (QwenLM/Qwen2-VL 35ba6e18), which the harnesses of 2024
used: PIL decodes, a plain ``convert("RGB")`` drops transparency without blending it (0.0.9 began to
put white behind it), and ``resize`` with PIL's default filter, bicubic, brings the picture to the
size of ``smart_resize``. A lossy step that a harness puts before the model comes between conversion
and resizing, as it does there.

EXIF orientation is not applied: PIL's ``open`` and ``convert`` leave pixels as they are stored, and
neither qwen-vl-utils (0.0.8 to 0.0.14) nor the harnesses transpose them. Of an animation the first
frame is taken.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from evalkit.data.media import first_bytes, media_name, require
from evalkit.data.resize import smart_resize
from evalkit.errors import DataError, UsageError, one_line
from evalkit.types import Media, Pixels

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["decode_image", "decoded_size", "fit_image", "load_image", "reencode"]

_BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""What PIL's readers raise on corrupt files; a broken PNG chunk is a ``SyntaxError`` to them."""


def load_image(media: Media, pixels: Pixels) -> Image.Image:
    """Return a picture as a model sees it under a protocol: RGB, sides multiples of 28.

    Args:
        media: the picture, as bytes or as a file.
        pixels: the protocol's limits, and its lossy step if it has one.

    Raises:
        DataError: the picture is absent, corrupt, cut off, a decompression bomb, or too narrow.
        UsageError: the protocol names a lossy step that does not exist.
    """
    image = decode_image(media)
    try:
        return fit_image(image, pixels)
    except DataError as error:
        raise DataError(f"{media_name(media)}: {error}") from None


def decode_image(media: Media) -> Image.Image:
    """Return a picture at its own size, as RGB.

    Raises:
        DataError: the picture is absent, corrupt, cut off, or a decompression bomb.
    """
    with _opened(media) as image:
        image.load()
        # Transparency is dropped either way; left in, PIL warns about it on every such palette.
        image.info.pop("transparency", None)
        return image.convert("RGB")


def decoded_size(media: Media) -> tuple[int, int]:
    """Return a picture's width and height in pixels, read from its header.

    Raises:
        DataError: the picture is absent, not a picture, or a decompression bomb.
    """
    with _opened(media) as image:
        return image.width, image.height


def fit_image(image: Image.Image, pixels: Pixels) -> Image.Image:
    """Return an RGB picture after a protocol's lossy step and resizing.

    Frames that a protocol sends as separate pictures go through this too.

    Raises:
        DataError: the picture is too narrow.
        UsageError: the protocol names a lossy step that does not exist.
    """
    if pixels.reencode is not None:
        image = reencode(image, pixels.reencode)
    height, width = smart_resize(
        image.height, image.width, min_pixels=pixels.min_pixels, max_pixels=pixels.max_pixels
    )
    return image.resize((width, height))


def reencode(image: Image.Image, how: str) -> Image.Image:
    """Return a picture after encoding and decoding it in memory.

    Args:
        image: an RGB picture.
        how: ``jpeg:`` and a quality from 1 to 100, with PIL's default chroma subsampling. PIL's
            default quality, which VLMEvalKit's dumps have, is 75; lmms-eval writes 85.

    Raises:
        UsageError: any other value of ``how``.
    """
    from PIL import Image

    codec, _, quality = how.partition(":")
    if codec != "jpeg" or not (
        quality.isascii() and quality.isdigit() and 1 <= int(quality) <= 100
    ):
        raise UsageError(f"unknown re-encoding: {how}. Use jpeg:QUALITY, QUALITY from 1 to 100")
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=int(quality))
    decoded: Image.Image = Image.open(buffer)
    return decoded.convert("RGB")


@contextmanager
def _opened(media: Media) -> Iterator[Image.Image]:
    """Open a picture, and turn whatever its bytes make PIL raise into one line with its name."""
    from PIL import Image, UnidentifiedImageError

    require(media)
    name = media_name(media)
    source = io.BytesIO(media.data) if media.data is not None else str(media.path)
    try:
        with Image.open(source) as image:
            yield image
    except UnidentifiedImageError:
        raise DataError(f"{name}: not a picture that PIL knows ({first_bytes(media)})") from None
    except Image.DecompressionBombError as error:
        raise DataError(f"{name}: refused as a decompression bomb: {one_line(error)}") from None
    except _BROKEN as error:
        raise DataError(f"{name}: cannot decode this picture: {one_line(error)}") from None
