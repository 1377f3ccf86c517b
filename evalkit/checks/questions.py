"""What a check asks: a few questions of the chosen tasks, and pictures that give faults away."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evalkit.config import benches
from evalkit.data.filling import fill
from evalkit.data.images import decode_image
from evalkit.samples import samples
from evalkit.types import Media, Part, Pixels, Request

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["COLOURS", "blank", "counting", "in_order", "questions", "spoken", "stripes"]

PIXELS = Pixels(min_pixels=3136, max_pixels=1003520)
"""Limits within which no picture made here is resized."""

SIDE = 224
"""Pixels on a side of the pictures made here: a multiple of 28."""

COLOURS: Mapping[str, tuple[int, int, int]] = {"red": (220, 20, 20), "blue": (20, 40, 220)}
"""The colours of the two pictures whose order is asked for."""

GREY = (128, 128, 128)

TWINS = (248, 67, 128), (8, 189, 128)
"""Two colours of one brightness whose mean is grey: columns of them, one pixel wide, are grey after
JPEG's halving of colour, and stripes before it."""

ASKED = (
    "What is in this picture?",
    "Describe the picture in one sentence.",
    "What pattern and which colours does it show?",
)
"""What is asked about stripes."""


def questions(config: Mapping[str, Any]) -> list[Request]:
    """Return the first questions of the chosen tasks, ids with the task's name before them.

    Raises:
        UsageError: there is no such task or protocol.
        DataError: a row does not fit its task, or its prompt waits for a video that is absent.
    """
    found = []
    for bench in benches(config):
        task = bench.task
        for _, sample in samples(task, bench.rows, config["limit"], with_media=True):
            request = fill(task.request(sample))
            found.append(replace(request, id=f"{task.name}/{sample.id}"))
    return found


def spoken(request: Request) -> Request:
    """Return a question with a system turn of its own."""
    return replace(request, id=f"system:{request.id}", system="You answer in few words.")


def blank(request: Request) -> Request:
    """Return a question whose pictures are grey, their sizes kept."""

    def part(given: Part) -> Part:
        if isinstance(given, str) or given.kind != "image":
            return given
        image = decode_image(given)
        return _media(_plain(image.size, GREY), "blank")

    return replace(request, id=f"blank:{request.id}", parts=tuple(map(part, request.parts)))


def in_order() -> list[Request]:
    """Return one question on two plain pictures, asked with them either way round."""
    red, blue = (_media(_plain((SIDE, SIDE), COLOURS[name]), name) for name in COLOURS)
    text = (
        "Above are two pictures. Which colour is the first of them, red or blue?"
        " Answer with one word."
    )
    return [_ask("order:red,blue", red, blue, text), _ask("order:blue,red", blue, red, text)]


def stripes() -> list[tuple[Request, Request, Request]]:
    """Return questions on a fine pattern, on plain grey, and on a coarse pattern."""
    fine, coarse = _striped(1), _striped(28)
    pictures = {"fine": fine, "grey": _plain((SIDE, SIDE), GREY), "coarse": coarse}
    media = {name: _media(image, name) for name, image in pictures.items()}
    return [
        (
            _ask(f"fine:{number}", media["fine"], text),
            _ask(f"grey:{number}", media["grey"], text),
            _ask(f"coarse:{number}", media["coarse"], text),
        )
        for number, text in enumerate(ASKED)
    ]


def counting() -> Request:
    """Return a question whose answer is long."""
    text = "Count from 1 to 50 in digits, separated by commas, and write nothing else."
    return replace(_ask("counting", text), max_new_tokens=256)


def _ask(name: str, *parts: Part) -> Request:
    return Request(id=name, parts=parts, pixels=PIXELS, max_new_tokens=24)


def _plain(size: tuple[int, int], colour: tuple[int, int, int]) -> Image.Image:
    from PIL import Image

    return Image.new("RGB", size, colour)


def _striped(width: int) -> Image.Image:
    """Return columns of the two colours, so many pixels wide."""
    image = _plain((SIDE, SIDE), TWINS[0])
    for left in range(width, SIDE, 2 * width):
        image.paste(TWINS[1], (left, 0, left + width, SIDE))
    return image


def _media(image: Image.Image, name: str) -> Media:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return Media(kind="image", data=buffer.getvalue(), name=f"{name}.png")
