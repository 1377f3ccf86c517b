"""Digests of what goes into a request: bytes, files, pictures, arrays, JSON.

Each is the first 32 hexadecimal digits (128 bits) of a SHA-256: enough that no two different things
in any run share one, and short enough to stand in a table. They depend on content alone, never on a
file's place or time, so that two machines agree on them.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.data.media import media_name, require
from evalkit.errors import DataError, one_line
from evalkit.types import Media

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

__all__ = ["DIGITS", "digest_array", "digest_bytes", "digest_image", "digest_json", "digest_media"]

DIGITS = 32
"""Hexadecimal digits kept of a SHA-256."""

_CHUNK = 1 << 20


def digest_bytes(data: bytes) -> str:
    """Return the digest of some bytes."""
    return hashlib.sha256(data).hexdigest()[:DIGITS]


def digest_json(value: Any) -> str:
    """Return the digest of a value's canonical JSON: sorted keys, no white space, ASCII only.

    Raises:
        DataError: the value holds something that JSON has no form for.
    """
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(
            f"cannot digest a value that JSON has no form for: {one_line(error)}"
        ) from None
    return digest_bytes(text.encode("ascii"))


def digest_image(image: Image.Image) -> str:
    """Return the digest of a decoded picture: its mode, size and pixels."""
    head = f"{image.mode} {image.width}x{image.height}\n".encode("ascii")
    return digest_bytes(head + image.tobytes())


def digest_array(array: np.ndarray[Any, Any]) -> str:
    """Return the digest of an array, such as a clip's frames: type, shape, elements in C order."""
    import numpy as np

    shape = "x".join(str(side) for side in array.shape)
    state = hashlib.sha256(f"{array.dtype.str} {shape}\n".encode("ascii"))
    state.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return state.hexdigest()[:DIGITS]


def digest_media(media: Media) -> str:
    """Return the digest of a medium as the dataset stores it.

    A file gives the digest of its bytes wherever they are held, so a picture in a row and the same
    picture on disk agree. A folder of frames gives one over its files' names and digests, in name
    order. Bounds in time and a folder's frame rate belong to what is shown, and so to the digest;
    the medium's name does not.

    Raises:
        DataError: the row came without this medium, or the file cannot be read.
    """
    content = _content(media)
    extent = {"start": media.start, "end": media.end, "fps": media.fps}
    if all(value is None for value in extent.values()):
        return content
    return digest_json({"content": content, **extent})


def _content(media: Media) -> str:
    if media.data is not None:
        return digest_bytes(media.data)
    require(media)
    path = Path(str(media.path))
    try:
        if not path.is_dir():
            return _file(path)
        files = sorted(entry for entry in path.iterdir() if entry.is_file())
        return digest_json([[entry.name, _file(entry)] for entry in files])
    except OSError as error:
        raise DataError(f"{media_name(media)}: cannot read {path}: {one_line(error)}") from None


def _file(path: Path) -> str:
    state = path.stat()
    return _read(str(path), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4096)
def _read(path: str, size: int, changed: int) -> str:
    # Several questions share one video of a gigabyte; the arguments that are not read here tell
    # whether the file is still the one that was digested.
    del size, changed
    state = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()[:DIGITS]
