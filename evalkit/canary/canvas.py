"""A sheet to draw on that knows where its text stands.

Everything is drawn with PIL and the font that PIL bundles: no font of the system's and no file, so
that a seed gives the same picture on every machine with the same PIL.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from evalkit.canary.facts import Box, Fact, Line, Picture

if TYPE_CHECKING:
    from PIL import Image, ImageFont

__all__ = ["COLORS", "NAMED", "Canvas"]

NAMED = ("red", "green", "blue", "yellow", "purple")
"""Colours that questions are asked about: far enough apart to have one name each."""

COLORS = {
    "red": (214, 40, 40),
    "green": (38, 146, 62),
    "blue": (34, 92, 206),
    "yellow": (246, 202, 28),
    "purple": (134, 52, 166),
    "white": (255, 255, 255),
    "black": (20, 20, 20),
    "gray": (112, 116, 122),
    "silver": (222, 225, 229),
    "paper": (252, 250, 244),
    "sky": (198, 224, 246),
    "grass": (150, 190, 120),
    "brick": (216, 190, 164),
}
"""Every colour that is drawn with, by name."""

_SCALE = 2
"""Drawn at twice the size and averaged down, so that edges are smooth."""


@lru_cache(maxsize=256)
def _font(size: int) -> ImageFont.FreeTypeFont:
    from PIL import ImageFont

    font = ImageFont.load_default(size=size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("PIL was built without FreeType: it cannot draw text in a given size")
    return font


class Canvas:
    """A sheet whose coordinates are the finished picture's pixels."""

    def __init__(self, width: int, height: int, background: str = "white") -> None:
        """Start with an empty sheet."""
        from PIL import Image, ImageDraw

        self.width, self.height = width, height
        self._lines: list[Line] = []
        self._image = Image.new("RGB", (width * _SCALE, height * _SCALE), COLORS[background])
        self._draw = ImageDraw.Draw(self._image)

    def text(
        self,
        text: str,
        at: tuple[float, float],
        size: int,
        color: str = "black",
        *,
        anchor: str = "ls",
        bold: bool = False,
        width: float | None = None,
    ) -> float:
        """Write a line of text and return where its ink ends on the right.

        Args:
            text: what to write; ASCII, which is what the bundled font has.
            at: where the anchor stands.
            size: the font's size, made smaller until the text is no wider than ``width``.
            color: a name in ``COLORS``.
            anchor: PIL's anchor; the left end of the baseline unless told.
            bold: whether to thicken the strokes.
            width: the room there is, in pixels; ``None`` for the whole sheet.

        Raises:
            ValueError: the text has other characters, or would be cut off at an edge.
        """
        if not text.isascii():
            raise ValueError(f"the bundled font cannot write {text!r}")
        room, stroke = _SCALE * (width or self.width), _SCALE // 2 if bold else 0
        while _font(size * _SCALE).getlength(text) > room:
            size -= 1
        point, font = (at[0] * _SCALE, at[1] * _SCALE), _font(size * _SCALE)
        ink = self._draw.textbbox(point, text, font=font, anchor=anchor, stroke_width=stroke)
        self._note(text, ink)
        self._draw.text(
            point, text, font=font, fill=COLORS[color], anchor=anchor, stroke_width=stroke
        )
        return ink[2] / _SCALE

    def slanted(
        self,
        text: str,
        size: int,
        color: str,
        *,
        angle: float = 0.0,
        shear: float = 0.0,
        outline: str | None = None,
    ) -> None:
        """Write a word in the middle of the sheet, turned, sheared or outlined.

        Args:
            text: the word, ASCII.
            size: the font's size.
            color: a name in ``COLORS``.
            angle: how far it is turned against the clock, in degrees.
            shear: how far its top leans to the right, as a part of its height.
            outline: the colour of a thick outline; ``None`` for none.
        """
        from PIL import Image, ImageDraw

        mask = Image.new("L", self._image.size)
        edge = Image.new("L", self._image.size)
        middle, font = (mask.width / 2, mask.height / 2), _font(size * _SCALE)
        ImageDraw.Draw(mask).text(middle, text, font=font, fill=255, anchor="mm")
        if outline is not None:
            ImageDraw.Draw(edge).text(
                middle, text, font=font, fill=255, anchor="mm", stroke_width=3 * _SCALE
            )
        lean = (1, shear, -shear * middle[1], 0, 1, 0)
        for layer, name in ((edge, outline), (mask, color)):
            if name is not None:
                layer = layer.transform(
                    layer.size, Image.Transform.AFFINE, lean, Image.Resampling.BICUBIC
                ).rotate(angle, Image.Resampling.BICUBIC)
                self._image.paste(COLORS[name], (0, 0), layer)
        self._note(text, layer.getbbox() or (0, 0, 0, 0))

    def box(self, box: Box, color: str, *, outline: str | None = None, radius: float = 0) -> None:
        """Fill a rectangle, with rounded corners and a two-pixel outline if told."""
        self._draw.rounded_rectangle(
            tuple(side * _SCALE for side in box),
            radius * _SCALE,
            fill=COLORS[color],
            outline=COLORS[outline] if outline else None,
            width=2 * _SCALE,
        )

    def disc(self, center: tuple[float, float], radius: float, color: str) -> None:
        """Fill a circle."""
        x, y = center
        box = ((x - radius) * _SCALE, (y - radius) * _SCALE)
        self._draw.ellipse((*box, (x + radius) * _SCALE, (y + radius) * _SCALE), fill=COLORS[color])

    def polygon(self, points: Sequence[tuple[float, float]], color: str) -> None:
        """Fill a polygon."""
        self._draw.polygon([(x * _SCALE, y * _SCALE) for x, y in points], fill=COLORS[color])

    def line(self, points: Sequence[tuple[float, float]], color: str, width: int = 1) -> None:
        """Draw a line through some points."""
        scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
        self._draw.line(scaled, fill=COLORS[color], width=width * _SCALE)

    def image(self) -> Image.Image:
        """Return the sheet as it is now, RGB, at its finished size."""
        return self._image.reduce(_SCALE)

    def picture(self, facts: Sequence[Fact]) -> Picture:
        """Return the finished picture with the facts in it."""
        buffer = io.BytesIO()
        self.image().save(buffer, format="PNG")
        return Picture(
            png=buffer.getvalue(),
            width=self.width,
            height=self.height,
            lines=tuple(self._lines),
            facts=tuple(facts),
        )

    def _note(self, text: str, ink: tuple[float, float, float, float]) -> None:
        """Keep where a text stands, and refuse one that an edge would cut."""
        left, top, right, bottom = (side / _SCALE for side in ink)
        if left < 0 or top < 0 or right > self.width or bottom > self.height:
            raise ValueError(f"{text!r} would be cut off on a sheet of {self.width}x{self.height}")
        self._lines.append(Line(text=text, box=(left, top, right, bottom)))
