"""What the backends' tests share: the built-in checkpoint, pictures and requests."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from evalkit.canary.checkpoint import checkpoint
from evalkit.types import Media, Pixels, Request


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: several wait for each other longer than a tiny model takes."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in checkpoint's folder."""
    return checkpoint(tmp_path_factory.mktemp("tiny") / "checkpoint", seed=0)


def draw(mode: str = "RGB", size: tuple[int, int] = (300, 200)) -> Image.Image:
    """Return a picture with an edge, a slope and something in every channel."""
    red = Image.linear_gradient("L").resize(size)
    green = Image.radial_gradient("L").resize(size)
    blue = red.transpose(Image.Transpose.ROTATE_180)
    blue.paste(255, (0, 0, max(1, size[0] // 3), max(1, size[1] // 2)))
    image = Image.merge("RGB", (red, green, blue))
    if mode == "P":
        image = image.quantize(32)
        image.info["transparency"] = 0
        return image
    image = image.convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(green)
    return image


def encode(image: Image.Image, kind: str = "PNG") -> Media:
    """Return a picture as a row holds it."""
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return Media(kind="image", data=buffer.getvalue(), name=f"picture.{kind.lower()}")


def ask(*parts: str | Media, name: str = "q", **changes: Any) -> Request:
    """Return a request with the released processor's limits."""
    pixels = Pixels(
        min_pixels=changes.pop("min_pixels", 3136),
        max_pixels=changes.pop("max_pixels", 1003520),
        reencode=changes.pop("reencode", None),
    )
    changes.setdefault("max_new_tokens", 8)
    return Request(id=name, parts=parts, pixels=pixels, **changes)


@pytest.fixture(scope="session")
def picture() -> Callable[..., Image.Image]:
    """A function that draws a picture of a mode and a size."""
    return draw


@pytest.fixture(scope="session")
def media() -> Callable[..., Media]:
    """A function from a picture to the medium that a row holds."""
    return encode


@pytest.fixture(scope="session")
def request_of() -> Callable[..., Request]:
    """A function from parts to a request."""
    return ask


@pytest.fixture
def clip(tmp_path: Path) -> Media:
    """A video of six frames, two a second, as a folder of pictures."""
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in range(6):
        draw("RGB", (112, 84)).rotate(40 * number).save(folder / f"{number}.png")
    return Media(kind="video", path=str(folder), fps=2.0)
