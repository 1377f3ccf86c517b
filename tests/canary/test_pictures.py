"""The drawings: legible texts that keep apart, and facts that agree with the pixels."""

from __future__ import annotations

import io
import itertools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from evalkit.canary import figures, pictures, scenes
from evalkit.canary.canvas import CELL, COLORS, Canvas, encode
from evalkit.canary.facts import Picture
from evalkit.data.images import load_image
from evalkit.types import Media, Pixels

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
def test_texts_keep_apart_and_facts_have_one_answer(name: str) -> None:
    for seed in range(24):
        picture = DRAWINGS[name](random.Random(seed))
        for (_, one), (_, other) in itertools.combinations(picture.texts, 2):
            beside = one[2] <= other[0] or other[2] <= one[0]
            assert beside or one[3] <= other[1] or other[3] <= one[1], (seed, one, other)
        assert len({fact.question for fact in picture.facts}) == len(picture.facts)
        for fact in picture.facts:
            assert 0 < len(fact.answer) <= 32
            assert fact.answer not in fact.wrong
            assert len(set(fact.wrong)) == len(fact.wrong)


@pytest.mark.parametrize("name", ["page", "poster", "rectangle", "sign"])
def test_what_is_asked_for_is_written(name: str) -> None:
    for seed in range(12):
        picture = DRAWINGS[name](random.Random(seed))
        written = " ".join(text for text, _ in picture.texts)
        for fact in picture.of("read", "field", "measure"):
            assert fact.answer in written, (seed, fact)


def test_texts_stand_where_they_are_said_to_stand() -> None:
    for picture in (scenes.sign(random.Random(3)), scenes.sign(random.Random(3), half=True)):
        for _, (left, top, right, bottom) in picture.texts:
            assert right <= picture.width
            assert bottom <= picture.height
            assert np.ptp(pixels(picture)[top:bottom, left:right].astype(int)) > 60


def pixels(picture: Picture) -> Any:
    from PIL import Image

    with Image.open(io.BytesIO(picture.png)) as image:
        return np.asarray(image)


def test_shapes_are_as_many_as_the_facts_say() -> None:
    from scipy import ndimage

    for seed in range(12):
        picture = figures.shapes(random.Random(seed))
        drawn = pixels(picture).min(axis=2) < 200
        assert str(ndimage.label(drawn)[1]) == picture.of("count")[0].answer


def test_bars_are_as_long_as_the_facts_say() -> None:
    for seed in range(12):
        picture = pictures.chart(random.Random(seed))
        asked = next(fact for fact in picture.of("color") if fact.answer.isdigit())
        color = COLORS[asked.question.split()[-2]]
        bar = (pixels(picture) == color).all(axis=2).sum(axis=1).max()
        assert bar // CELL == int(asked.answer[0])


def test_a_small_picture_is_enlarged_to_what_the_model_was_trained_on() -> None:
    from PIL import Image

    sheet = Canvas(36, 36, half=True)
    sheet.text("HALF", (3, 3))
    with Image.open(io.BytesIO(encode(sheet))) as image:
        assert image.size == (504, 504)
        media = Media(kind="image", data=encode(sheet))
    shown = load_image(media, Pixels(min_pixels=1003520, max_pixels=4014080))
    assert (np.asarray(shown) == sheet.array()).all()


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("wide", (7, 1), "no free cell"),
        ("on", (2, 2), "no free cell"),
        ("caf\u00e9", (1, 1), "one ASCII letter"),
    ],
)
def test_a_sheet_refuses_text_that_nobody_could_read(
    text: str, at: tuple[int, int], message: str
) -> None:
    sheet = Canvas(10, 4)
    sheet.text("it", (3, 2))
    with pytest.raises(ValueError, match=message):
        sheet.text(text, at)
