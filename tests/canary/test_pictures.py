"""The drawings: legible texts that keep apart, and facts that agree with the pixels."""

from __future__ import annotations

import io
import itertools
import random
from collections.abc import Callable

import numpy as np
import pytest

from evalkit.canary import figures, pictures, scenes
from evalkit.canary.canvas import COLORS, Canvas
from evalkit.canary.facts import Picture

DRAWINGS: dict[str, Callable[[random.Random], Picture]] = {
    "page": pictures.page,
    "chart": pictures.chart,
    "poster": pictures.poster,
    "sign": scenes.sign,
    "road": scenes.road,
    "formula": figures.formula,
    "shapes": figures.shapes,
    "rectangle": figures.rectangle,
    **{style: lambda rng, style=style: figures.word(rng, style) for style in figures.STYLES},
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_texts_do_not_overlap_and_facts_have_one_answer(name: str) -> None:
    for seed in range(24):
        picture = DRAWINGS[name](random.Random(seed))
        for one, other in itertools.combinations(picture.lines, 2):
            left, top, right, bottom = one.box
            apart = (
                right <= other.box[0]
                or other.box[2] <= left
                or bottom <= other.box[1]
                or other.box[3] <= top
            )
            assert apart, (seed, one, other)
        assert len({fact.question for fact in picture.facts}) == len(picture.facts)
        for fact in picture.facts:
            assert 0 < len(fact.answer) <= 32
            assert fact.answer not in fact.wrong
            assert len(set(fact.wrong)) == len(fact.wrong)


def test_shapes_are_as_many_as_the_facts_say() -> None:
    from PIL import Image
    from scipy import ndimage

    for seed in range(12):
        picture = figures.shapes(random.Random(seed))
        with Image.open(io.BytesIO(picture.png)) as image:
            drawn = np.asarray(image).min(axis=2) < 200
        assert str(ndimage.label(drawn)[1]) == picture.facts[0].answer


def test_bars_are_as_high_as_the_facts_say() -> None:
    from PIL import Image

    for seed in range(12):
        picture = pictures.chart(random.Random(seed))
        asked = next(fact for fact in picture.of("color") if fact.answer.isdigit())
        color = COLORS[asked.question.split()[-2]]
        with Image.open(io.BytesIO(picture.png)) as image:
            bar = (np.asarray(image) == color).all(axis=2).sum(axis=0).max()
        # A point is 1.9 pixels high; the axis covers one of them, smoothed edges another.
        assert bar / 1.9 == pytest.approx(int(asked.answer), abs=2)


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [("wide", (270, 50), "would be cut off"), ("caf\u00e9", (20, 50), "cannot write")],
)
def test_a_sheet_refuses_text_that_nobody_could_read(
    text: str, at: tuple[int, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Canvas(280, 112).text(text, at, 30)
