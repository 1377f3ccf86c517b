"""Pictures: decoded as the harnesses of 2024 decode them, refused in one line."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evalkit.data.images import decode_image, decoded_size, fit_image, load_image, reencode
from evalkit.errors import DataError, UsageError
from evalkit.types import Media, Pixels

FREE = Pixels(min_pixels=3136, max_pixels=12845056)


def drawn(width: int = 90, height: int = 60, mode: str = "RGB") -> Image.Image:
    """Return a picture of fixed noise."""
    noise = np.random.default_rng(7).integers(0, 256, (height, width, 4), dtype=np.uint8)
    return Image.fromarray(noise, "RGBA").convert(mode)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def picture(data: bytes, name: str = "page.png") -> Media:
    return Media(kind="image", data=data, name=name)


def same(left: Image.Image, right: Image.Image) -> bool:
    return left.mode == right.mode and left.size == right.size and left.tobytes() == right.tobytes()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_bytes_and_files(form: str, tmp_path: Path) -> None:
    data = encoded(drawn(), form)
    file = tmp_path / "a"
    file.write_bytes(data)
    expected = Image.open(io.BytesIO(data)).convert("RGB").resize((84, 56))
    assert same(load_image(picture(data), FREE), expected)
    assert same(load_image(Media(kind="image", path=str(file)), FREE), expected)
    assert decoded_size(picture(data)) == (90, 60)


def test_live_against_the_installed_package() -> None:
    utils = pytest.importorskip("qwen_vl_utils.vision_process")
    image = drawn(640, 401)
    limits = {"min_pixels": 1003520, "max_pixels": 12845056}
    expected = utils.fetch_image({"image": image, **limits})
    assert same(load_image(picture(encoded(image, "PNG")), Pixels(**limits)), expected)


def test_transparency_is_dropped_not_blended() -> None:
    image = drawn(56, 56, "RGBA")
    assert np.asarray(image)[..., 3].min() < 10
    loaded = load_image(picture(encoded(image, "PNG")), FREE)
    assert np.array_equal(np.asarray(loaded), np.asarray(image)[..., :3])


def test_transparent_palette_gives_its_colours_and_no_warning() -> None:
    image = drawn(56, 56).convert("P")
    data = encoded(image, "PNG", transparency=bytes(range(256)))
    assert same(load_image(picture(data), FREE), image.convert("RGB"))


def test_orientation_is_left_as_stored() -> None:
    image = drawn(112, 56)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(image, "PNG", exif=exif)
    assert Image.open(io.BytesIO(data)).getexif()[0x0112] == 6
    assert same(load_image(picture(data), FREE), image)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "CMYK", "P", "F"])
def test_other_modes(mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.arange(56 * 56, dtype=np.uint16).reshape(56, 56))
    else:
        image = drawn(56, 56, "RGB").convert(mode)
    loaded = load_image(picture(encoded(image, "TIFF")), FREE)
    assert (loaded.mode, loaded.size) == ("RGB", (56, 56))


def test_lossy_step_comes_before_resizing() -> None:
    image = drawn(120, 90)
    limits = Pixels(min_pixels=1003520, max_pixels=12845056, reencode="jpeg:85")
    expected = Image.open(io.BytesIO(encoded(image, "JPEG", quality=85))).resize((1176, 868))
    found = load_image(picture(encoded(image, "PNG")), limits)
    assert same(found, expected)
    assert not same(found, image.resize((1176, 868)))


def test_quality_75_is_pil_s_default() -> None:
    image = drawn()
    default = Image.open(io.BytesIO(encoded(image, "JPEG")))
    assert same(reencode(image, "jpeg:75"), default)


@pytest.mark.parametrize("how", ["jpeg", "jpeg:", "jpeg:0", "jpeg:101", "jpeg:-5", "webp:80", "²"])
def test_unknown_lossy_step(how: str) -> None:
    with pytest.raises(UsageError, match=r"Use jpeg:QUALITY, QUALITY from 1 to 100"):
        fit_image(drawn(), Pixels(min_pixels=3136, max_pixels=3136, reencode=how))


def test_one_pixel() -> None:
    assert load_image(picture(encoded(drawn(1, 1), "PNG")), FREE).size == (56, 56)


def bomb() -> bytes:
    """Return a PNG whose header claims more pixels than PIL agrees to decode."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    header = struct.pack(">IIBBBBB", 50000, 50000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a picture that PIL knows (the file is empty)"),
        (b"  <!DOCTYPE html><html>404</html>", "bytes of markup: a page was saved in its place"),
        (b"\x00\x01\x02\x03" * 9, "36 bytes that start with 00 01 02 03"),
        (encoded(drawn(), "PNG")[:-500], "cannot decode this picture"),
        (encoded(drawn(), "JPEG")[:-500], "cannot decode this picture"),
        (encoded(drawn(), "PNG")[:20], "cannot decode this picture"),
        (bomb(), "decompression bomb"),
        (encoded(drawn(400, 1), "PNG"), "too narrow"),
    ],
)
def test_what_cannot_be_shown(data: bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        load_image(picture(data), FREE)
    assert message in str(caught.value)
    assert str(caught.value).startswith("page.png: ")
    assert "\n" not in str(caught.value)


def refusal(media: Media) -> str:
    try:
        decode_image(media)
    except DataError as error:
        return str(error)
    return ""


def test_every_damage_is_one_line() -> None:
    generator = np.random.default_rng(3)
    for form in ("PNG", "JPEG", "WEBP", "GIF", "BMP"):
        whole = np.frombuffer(encoded(drawn(30, 20), form), np.uint8)
        for _ in range(60):
            data = whole[: generator.integers(1, len(whole) + 1)].copy()
            data[generator.integers(0, len(data), 4)] = generator.integers(0, 256, 4)
            message = refusal(picture(data.tobytes()))
            assert "\n" not in message


def test_absent_and_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^image: the row came without this image$"):
        load_image(Media(kind="image"), FREE)
    with pytest.raises(DataError, match=r"^a\.png: no such file: .*a\.png$"):
        decoded_size(Media(kind="image", path=str(tmp_path / "a.png")))
    with pytest.raises(DataError, match="cannot decode this picture"):
        decoded_size(Media(kind="image", path=str(tmp_path)))


def test_size_needs_only_the_header() -> None:
    assert decoded_size(picture(encoded(drawn(), "JPEG")[:-500])) == (90, 60)
