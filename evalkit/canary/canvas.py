"""A sheet of square cells to draw on, which knows what stands in each.

A cell is 28 pixels wide and high: what Qwen2-VL sees as one visual token. Every sign fills one, so
that a small model can learn to read; a picture that is resized, shifted or re-encoded on its way
is read worse at once. Signs are drawn with PIL and the font that PIL bundles: no font of the
system's and no file, so that a seed gives the same picture on every machine with the same PIL.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from evalkit.canary.facts import Cell, Fact, Picture

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

__all__ = ["CELL", "COLORS", "NAMED", "SHAPES", "Canvas", "encode"]

CELL = 28
"""Pixels along a cell's side: two patches of 14, merged into one visual token."""

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

SHAPES = ("circle", "square", "triangle", "cross")
"""Signs that are no text, and that questions ask about by name."""

_OUTLINES = {
    "triangle": ((14, 4), (25, 24), (3, 24)),
    "cross": (
        (11, 3), (17, 3), (17, 11), (25, 11), (25, 17), (17, 17), (17, 25), (11, 25), (11, 17),
        (3, 17), (3, 11), (11, 11),
    ),
    "left": ((3, 14), (13, 4), (13, 10), (25, 10), (25, 18), (13, 18), (13, 24)),
    "right": ((25, 14), (15, 4), (15, 10), (3, 10), (3, 18), (15, 18), (15, 24)),
    "ahead": ((14, 3), (24, 13), (18, 13), (18, 25), (10, 25), (10, 13), (4, 13)),
    "car": ((2, 22), (2, 14), (7, 14), (10, 7), (20, 7), (23, 14), (26, 14), (26, 22)),
}  # fmt: skip
"""Signs by the corners of their outline, in pixels of a cell."""

_BOXES = {"square": (5, 5, 23, 23), "bar": (0, 5, 28, 23), "mark": (2, 2, 26, 26)}

_SCALE = 4
"""Drawn at this size and averaged down, so that edges are smooth."""

FORMS = ("plain", "turned", "slanted", "outlined")
"""How a sign can be written."""


@lru_cache(maxsize=4096)
def _tile(sign: str, ink: str, paper: str, form: str) -> np.ndarray[Any, Any]:
    """Return one cell's pixels."""
    import numpy as np
    from PIL import Image, ImageDraw

    side = CELL * _SCALE
    mask = Image.new("L", (side, side))
    pen = ImageDraw.Draw(mask)
    if sign in ("circle", "disc"):
        pen.ellipse((4 * _SCALE, 4 * _SCALE, 24 * _SCALE, 24 * _SCALE), fill=255)
    elif sign in _BOXES:
        pen.rectangle(tuple(edge * _SCALE for edge in _BOXES[sign]), fill=255)
    elif sign in _OUTLINES:
        pen.polygon([(x * _SCALE, y * _SCALE) for x, y in _OUTLINES[sign]], fill=255)
    else:
        _write(pen, sign, 3 * _SCALE // 2 if form == "outlined" else 2)
    if form == "turned":
        mask = mask.rotate(12, Image.Resampling.BICUBIC)
    elif form == "slanted":
        lean = (1, 0.25, -0.125 * side, 0, 1, 0)
        mask = mask.transform(mask.size, Image.Transform.AFFINE, lean, Image.Resampling.BICUBIC)
    tile = Image.new("RGB", mask.size, COLORS[paper])
    tile.paste(COLORS[ink], (0, 0), mask)
    return np.asarray(tile.reduce(_SCALE))


@lru_cache(maxsize=32)
def _ground(columns: int, rows: int, color: str) -> np.ndarray[Any, Any]:
    """Return the pixels of an empty sheet."""
    import numpy as np

    return np.full((rows * CELL, columns * CELL, 3), COLORS[color], np.uint8)


def _write(pen: Any, sign: str, stroke: int) -> None:
    from PIL import ImageFont

    font = ImageFont.load_default(size=23 * _SCALE)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("PIL was built without FreeType: it cannot draw text in a given size")
    if len(sign) != 1 or not sign.isascii():
        raise ValueError(f"a cell holds one ASCII letter, not {sign!r}")
    # On a common baseline: dots and minus signs keep their height.
    at = (CELL * _SCALE / 2, 22.5 * _SCALE)
    pen.text(at, sign, font=font, fill=255, anchor="ms", stroke_width=stroke)


class Canvas:
    """A sheet of cells; places are ``(column, row)`` from the top left."""

    def __init__(
        self, columns: int = 36, rows: int = 36, background: str = "white", *, half: bool = False
    ) -> None:
        """Start with an empty sheet.

        Args:
            columns: cells from left to right.
            rows: cells from top to bottom; 36 by 36 is the least that is not enlarged under most
                protocols of the model card.
            background: the ground's colour.
            half: whether the file has half the size, so that it is enlarged to whole cells.
        """
        self.half = half
        self.columns, self.rows, self.background = columns, rows, background
        self.cells: dict[tuple[int, int], Cell] = {}
        self._pixels: np.ndarray[Any, Any] = _ground(columns, rows, background).copy()

    def put(
        self,
        sign: str,
        at: tuple[int, int],
        ink: str = "black",
        paper: str | None = None,
        *,
        form: str = "plain",
        key: str = "",
        index: int = 0,
        traits: Mapping[str, str] | None = None,
    ) -> None:
        """Fill a cell.

        Args:
            sign: a letter, one of ``SHAPES``, or another sign's name; ``""`` for bare paper.
            at: column and row.
            ink: the sign's colour.
            paper: the cell's colour; ``None`` for the sheet's.
            form: one of ``FORMS``.
            key: what a question calls the entry that this cell belongs to.
            index: the cell's place in its text.
            traits: those of the entry, see ``Cell``.

        Raises:
            ValueError: the cell is off the sheet or taken, or the sign cannot be drawn.
        """
        column, row = at
        if not (0 <= column < self.columns and 0 <= row < self.rows) or at in self.cells:
            raise ValueError(f"no free cell {at} on a sheet of {self.columns} x {self.rows}")
        paper = paper or self.background
        self.cells[at] = Cell(sign, ink, paper, key, index, traits or {})
        tile = _tile(sign, ink, paper, form) if sign else COLORS[paper]
        y, x = row * CELL, column * CELL
        self._pixels[y : y + CELL, x : x + CELL] = tile

    def text(
        self,
        text: str,
        at: tuple[int, int],
        ink: str = "black",
        paper: str | None = None,
        *,
        form: str = "plain",
        key: str = "",
        traits: Mapping[str, str] | None = None,
    ) -> int:
        """Write a line of text, a letter a cell; return the column after it."""
        for place, sign in enumerate(text):
            where = (at[0] + place, at[1])
            sign = sign.strip()
            self.put(sign, where, ink, paper, form=form, key=key, index=place, traits=traits)
        return at[0] + len(text)

    def fill(self, box: tuple[int, int, int, int], color: str) -> None:
        """Colour the ground from a column and row up to, not including, another."""
        left, top, right, bottom = (edge * CELL for edge in box)
        self._pixels[top:bottom, left:right] = COLORS[color]

    @property
    def side(self) -> int:
        """Pixels along a cell's side in the file."""
        return CELL // 2 if self.half else CELL

    def array(self) -> np.ndarray[Any, Any]:
        """Return the pixels that a model sees, height by width by RGB, as bytes from 0 to 255."""
        import numpy as np
        from PIL import Image

        if not self.half:
            return self._pixels
        size = (self.columns * CELL, self.rows * CELL)
        return np.asarray(self.image().resize(size, Image.Resampling.BICUBIC))

    def image(self) -> Image.Image:
        """Return the picture as its file has it."""
        from PIL import Image

        return Image.fromarray(self._pixels).reduce(2 if self.half else 1)

    def picture(self, facts: Sequence[Fact]) -> Picture:
        """Return the finished picture with the facts in it."""
        return Picture(
            png=encode(self),
            width=self.columns * self.side,
            height=self.rows * self.side,
            texts=tuple(self._texts()),
            facts=tuple(facts),
        )

    def _texts(self) -> list[tuple[str, tuple[int, int, int, int]]]:
        """Return what is written, line by line, and where, in pixels."""
        found: list[tuple[str, tuple[int, int, int, int]]] = []
        for (column, row), cell in sorted(self.cells.items(), key=lambda item: item[0][::-1]):
            if len(cell.sign) != 1:
                continue
            left, top, end = column * self.side, row * self.side, (column + 1) * self.side
            if found and found[-1][1][1:3] == (top, left):
                text, box = found.pop()
                found.append((text + cell.sign, (box[0], top, end, top + self.side)))
            else:
                found.append((cell.sign, (left, top, end, top + self.side)))
        return found


def encode(canvas: Canvas) -> bytes:
    """Return a canvas as a PNG file, RGB."""
    buffer = io.BytesIO()
    canvas.image().save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()
