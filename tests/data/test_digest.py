"""Digests: equal for equal content, different for any difference that is asked about."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evalkit.data.digest import (
    digest_array,
    digest_bytes,
    digest_image,
    digest_json,
    digest_media,
)
from evalkit.errors import DataError
from evalkit.types import Media


def test_known_values() -> None:
    assert digest_bytes(b"") == "e3b0c44298fc1c149afbf4c8996fb924"
    assert digest_json({"b": [1, "é"], "a": None}) == digest_bytes(b'{"a":null,"b":[1,"\\u00e9"]}')


def test_json_is_canonical() -> None:
    assert digest_json({"a": 1, "b": 2}) == digest_json({"b": 2, "a": 1})
    assert digest_json((1, 2)) == digest_json([1, 2])
    assert digest_json(1) != digest_json("1")
    assert digest_json("\ud800")


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, {(1, 2): 3}])
def test_json_has_no_form(value: object) -> None:
    with pytest.raises(DataError, match="cannot digest a value that JSON has no form for"):
        digest_json(value)


def test_picture() -> None:
    image = Image.new("RGB", (2, 3), (1, 2, 3))
    assert digest_image(image) == digest_image(image.copy())
    others = [
        Image.new("RGB", (3, 2), (1, 2, 3)),
        Image.new("RGB", (2, 3), (1, 2, 4)),
        Image.frombytes("L", (6, 3), image.tobytes()),
    ]
    assert len({digest_image(image), *map(digest_image, others)}) == 4


def test_array() -> None:
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert digest_array(array) == digest_array(np.asfortranarray(array))
    assert digest_array(array[::-1]) == digest_array(array[::-1].copy())
    others = [array.reshape(4, 3), array.astype(np.int8), array + np.uint8(1), array[:0]]
    assert len({digest_array(array), *map(digest_array, others)}) == 5


def test_bytes_and_file_agree(tmp_path: Path) -> None:
    data = bytes(range(256)) * 12_000
    file = tmp_path / "a.mp4"
    file.write_bytes(data)
    held = digest_media(Media(kind="video", data=data, name="x"))
    assert digest_media(Media(kind="video", path=str(file), name="y")) == held
    assert held == hashlib.sha256(data).hexdigest()[:32]


def test_bounds_belong_to_a_medium() -> None:
    whole = Media(kind="video", data=b"abc")
    clips = [
        Media(kind="video", data=b"abc", start=0.0),
        Media(kind="video", data=b"abc", end=0.0),
        Media(kind="video", data=b"abc", start=0.0, end=7.5),
        Media(kind="video", data=b"abc", fps=3.0),
    ]
    assert len({digest_media(whole), *map(digest_media, clips)}) == 5


def test_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    before = digest_media(Media(kind="image", path=str(file)))
    file.write_bytes(b"three")
    assert digest_media(Media(kind="image", path=str(file))) == digest_bytes(b"three") != before


def test_folder_in_name_order(tmp_path: Path) -> None:
    for folder, names in (("a", "12"), ("b", "21"), ("c", "13")):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f"{name}.jpg").write_bytes(b"x")
    a, b, c = (
        digest_media(Media(kind="video", path=str(tmp_path / name), fps=3.0)) for name in "abc"
    )
    assert a == b != c


def test_absent_and_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="clip: the row came without this video"):
        digest_media(Media(kind="video", name="clip"))
    with pytest.raises(DataError, match="no such file"):
        digest_media(Media(kind="video", path=str(tmp_path / "none.mp4")))
