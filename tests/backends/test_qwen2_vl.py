"""What the model is fed is, bit for bit, what the harnesses of 2024 fed it.

They called ``qwen_vl_utils.process_vision_info`` on messages that carry the pixel limits, and then
the processor on the rendered text and the pictures. The installed qwen-vl-utils is newer than 0.0.8
of September 2024 and differs for pictures with an alpha channel: it blends RGBA with white, where
0.0.8 drops the alpha channel. So a picture is converted here as 0.0.8 did, before it is handed on.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from evalkit.backends.prompts import messages
from evalkit.backends.questions import Inputs
from evalkit.backends.qwen2_vl import Preparer
from evalkit.data.digest import digest_array, digest_bytes, digest_image, digest_json
from evalkit.data.images import load_image
from evalkit.data.video import load_clip
from evalkit.errors import DataError, UsageError
from evalkit.types import Frames, Media, Pixels, Request

Draw = Callable[..., Image.Image]
Encode = Callable[..., Media]
Ask = Callable[..., Request]


@pytest.fixture(scope="module")
def processor(tiny: Path) -> Any:
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(tiny)


def by_hand(
    processor: Any, parts: Sequence[str | Image.Image], system: str | None = None, **limits: int
) -> tuple[str, Any]:
    """Return the prompt and the tensors of one call as the harnesses of 2024 made it."""
    from qwen_vl_utils import process_vision_info

    content = [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image", "image": part, **limits}
        for part in parts
    ]
    chat: list[dict[str, Any]] = [{"role": "user", "content": content}]
    if system is not None:
        chat.insert(0, {"role": "system", "content": system})
    prompt = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    images, videos = process_vision_info(chat)
    tensors = processor(
        text=[prompt], images=images, videos=videos, padding=True, return_tensors="pt"
    )
    return prompt, tensors


def assert_same(inputs: Inputs, prompt: str, tensors: Any) -> None:
    assert inputs.digests["prompt"] == digest_bytes(prompt.encode())
    assert set(inputs.tensors) == set(tensors)
    for name, wanted in tensors.items():
        assert inputs.tensors[name].dtype == wanted.dtype, name
        assert torch.equal(inputs.tensors[name], wanted), name
    assert inputs.tokens == tensors["input_ids"].shape[1]
    assert inputs.digests["tokens"] == digest_json(tensors["input_ids"][0].tolist())
    grid = tensors.get("image_grid_thw", torch.empty(0, 3, dtype=torch.long))
    if "video_grid_thw" in tensors:
        grid = torch.cat([grid, tensors["video_grid_thw"]])
    assert inputs.grid == tuple(tuple(row) for row in grid.tolist())


PICTURES = [
    ("RGB", (640, 480), "PNG"),
    ("RGB", (640, 480), "JPEG"),
    ("RGB", (1700, 2200), "JPEG"),
    ("RGB", (30, 700), "PNG"),
    ("RGB", (13, 2000), "PNG"),
    ("RGB", (1, 1), "PNG"),
    ("RGB", (42, 70), "PNG"),
    ("RGBA", (333, 222), "PNG"),
    ("LA", (200, 300), "PNG"),
    ("P", (250, 100), "PNG"),
    ("P", (250, 100), "GIF"),
    ("L", (90, 90), "PNG"),
    ("1", (90, 190), "PNG"),
    ("CMYK", (300, 200), "JPEG"),
]


@pytest.mark.parametrize(("mode", "size", "kind"), PICTURES)
@pytest.mark.parametrize("limits", [(3136, 602112), (1003520, 4014080)], ids=["small", "release"])
def test_a_picture_is_what_one_call_makes_of_it(
    mode: str,
    size: tuple[int, int],
    kind: str,
    limits: tuple[int, int],
    processor: Any,
    picture: Draw,
    media: Encode,
    request_of: Ask,
) -> None:
    least, most = limits
    medium = media(picture(mode, size), kind)
    request = request_of(medium, "What is it?", min_pixels=least, max_pixels=most)
    assert medium.data is not None
    image = Image.open(io.BytesIO(medium.data))
    image.info.pop("transparency", None)
    wanted = by_hand(
        processor, [image.convert("RGB"), "What is it?"], min_pixels=least, max_pixels=most
    )
    inputs = Preparer(processor=processor).prepare(request)
    assert_same(inputs, *wanted)
    height, width = (14 * side for side in inputs.grid[0][1:])
    assert inputs.details["images"] == [{"before": list(size), "after": [width, height]}]
    shown = load_image(medium, request.pixels)
    assert inputs.digests["pixels"] == digest_json([digest_image(shown)])


def test_newer_utils_blend_with_white_what_0_0_8_drops(
    processor: Any, picture: Draw, media: Encode, request_of: Ask
) -> None:
    # The reason why the pictures above are converted before they are handed on.
    clear = picture("RGBA", (280, 280))
    inputs = Preparer(processor=processor).prepare(request_of(media(clear), "?"))
    _, newer = by_hand(processor, [clear, "?"], min_pixels=3136, max_pixels=1003520)
    assert not torch.equal(inputs.tensors["pixel_values"], newer["pixel_values"])


def test_a_lossy_step_comes_before_the_resizing(
    processor: Any, picture: Draw, media: Encode, request_of: Ask
) -> None:
    image = picture("RGB", (640, 480))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    wanted = by_hand(processor, [Image.open(buffer), "?"], min_pixels=3136, max_pixels=602112)
    request = request_of(media(image), "?", max_pixels=602112, reencode="jpeg:85")
    assert_same(Preparer(processor=processor).prepare(request), *wanted)


def test_pictures_stand_where_the_parts_have_them(
    processor: Any, picture: Draw, media: Encode, request_of: Ask
) -> None:
    first, second = picture("RGB", (200, 300)), picture("L", (410, 100))
    parts = ["Compare ", first, " with", second, second, "\n and ", "answer."]
    wanted = by_hand(
        processor,
        [part if isinstance(part, str) else part.convert("RGB") for part in parts],
        "Be brief.",
        min_pixels=3136,
        max_pixels=1003520,
    )
    asked = [part if isinstance(part, str) else media(part) for part in parts]
    request = request_of(*asked, system="Be brief.")
    assert_same(Preparer(processor=processor).prepare(request), *wanted)


def test_text_alone_needs_no_picture(processor: Any, request_of: Ask) -> None:
    inputs = Preparer(processor=processor).prepare(request_of("What is 2 + 2?"))
    assert_same(inputs, *by_hand(processor, ["What is 2 + 2?"]))
    assert inputs.details == {}


def test_the_reply_starts_with_the_prefill(
    processor: Any, picture: Draw, media: Encode, request_of: Ask
) -> None:
    image = picture("RGB", (112, 112))
    prompt, _ = by_hand(processor, [image, "Which?"], min_pixels=3136, max_pixels=1003520)
    wanted = processor(text=[prompt + "Best option:("], images=[image], return_tensors="pt")
    request = request_of(media(image), "Which?", prefill="Best option:(")
    assert_same(Preparer(processor=processor).prepare(request), prompt + "Best option:(", wanted)


def test_a_group_decodes_a_picture_once(
    processor: Any,
    picture: Draw,
    media: Encode,
    request_of: Ask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoded: list[tuple[Media, Pixels]] = []

    def counting(medium: Media, pixels: Pixels) -> Image.Image:
        decoded.append((medium, pixels))
        return load_image(medium, pixels)

    monkeypatch.setattr("evalkit.backends.qwen2_vl.load_image", counting)
    medium = media(picture("RGB", (300, 200)))
    preparer = Preparer(processor=processor)
    alone = Preparer(processor=processor).prepare(request_of(medium, "Second?"))
    decoded.clear()
    preparer.prepare(request_of(medium, "First?"))
    shared = preparer.prepare(request_of(medium, "Second?"))
    preparer.prepare(request_of(medium, "Larger?", min_pixels=401408))
    assert len(decoded) == 2
    assert shared.digests == alone.digests
    assert torch.equal(shared.tensors["pixel_values"], alone.tensors["pixel_values"])


@pytest.mark.parametrize("pad", ["<|image_pad|>", "<|video_pad|>"])
def test_a_placeholder_in_the_question_is_refused(
    pad: str, processor: Any, picture: Draw, media: Encode, request_of: Ask
) -> None:
    for parts in ([f"What is {pad}?"], [media(picture()), f"What is {pad}?"]):
        with pytest.raises(DataError, match="text holds a medium's placeholder"):
            Preparer(processor=processor).prepare(request_of(*parts))


def test_half_a_surrogate_pair_is_refused(processor: Any, request_of: Ask) -> None:
    with pytest.raises(DataError, match="half a surrogate pair"):
        Preparer(processor=processor).prepare(request_of("What is \ud83d?"))


def test_messages_hold_media_as_placeholders(picture: Draw, media: Encode, request_of: Ask) -> None:
    request = request_of(media(picture()), "a", "", system="")
    content = [{"type": "image"}, {"type": "text", "text": "a"}, {"type": "text", "text": ""}]
    assert messages(request, [["image"]]) == [
        {"role": "system", "content": ""},
        {"role": "user", "content": content},
    ]


FRAMES = Frames(rule="qwen_vl_utils_0.0.8", count=6, min_pixels=3136, max_pixels=100352)


@pytest.fixture
def clip(picture: Draw, tmp_path: Path) -> Media:
    """A video of nine frames, as a folder."""
    for number in range(9):
        picture("RGB", (200, 150)).rotate(40 * number).save(tmp_path / f"{number}.png")
    return Media(kind="video", path=str(tmp_path), name="clip", fps=2.0)


def test_a_video_is_what_one_call_makes_of_its_frames(
    processor: Any, clip: Media, request_of: Ask
) -> None:
    prompt, _ = by_hand(processor, ["What happens?"])
    marker = "<|vision_start|><|video_pad|><|vision_end|>"
    prompt = prompt.replace("What happens?", marker + "What happens?")
    frames = load_clip(clip, FRAMES).frames
    video = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    wanted = processor(text=[prompt], videos=[video], padding=True, return_tensors="pt")
    request = request_of(clip, "What happens?", frames=FRAMES)
    inputs = Preparer(processor=processor).prepare(request)
    assert_same(inputs, prompt, wanted)
    assert inputs.grid == ((3, frames.shape[1] // 14, frames.shape[2] // 14),)
    assert inputs.digests["pixels"] == digest_json([digest_array(frames)])
    [details] = inputs.details["videos"]
    assert details["before"] == [200, 150]
    assert details["after"] == [frames.shape[2], frames.shape[1]]
    assert details["frames"] == [0, 2, 3, 5, 6, 8]
    assert details["times"] == [0.0, 1.0, 1.5, 2.5, 3.0, 4.0]
    assert details["decoder"].startswith("PIL")
    json.dumps(inputs.details)


def test_frames_that_are_sent_as_pictures_are_pictures(
    processor: Any, clip: Media, request_of: Ask
) -> None:
    frames = replace(FRAMES, as_images=True)
    request = request_of(clip, "What happens?", frames=frames, max_pixels=50176)
    shown = [Image.fromarray(frame) for frame in load_clip(clip, frames, request.pixels).frames]
    limits = {"min_pixels": 3136, "max_pixels": 50176}
    wanted = by_hand(processor, [*shown, "What happens?"], **limits)
    inputs = Preparer(processor=processor).prepare(request)
    assert_same(inputs, *wanted)
    assert len(inputs.grid) == 6
    assert inputs.digests["pixels"] == digest_json([digest_image(image) for image in shown])
    assert len(inputs.details["videos"][0]["frames"]) == 6


def test_pictures_and_videos_keep_their_order(
    processor: Any, clip: Media, picture: Draw, media: Encode, request_of: Ask
) -> None:
    image = picture("RGB", (280, 140))
    wanted = processor(
        text=[
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
            "<|vision_start|><|video_pad|><|vision_end|>then"
            "<|vision_start|><|image_pad|><|vision_end|><|im_end|>\n<|im_start|>assistant\n"
        ],
        images=[image],
        videos=[torch.from_numpy(load_clip(clip, FRAMES).frames).permute(0, 3, 1, 2).float()],
        return_tensors="pt",
    )
    request = request_of(clip, "then", media(image), frames=FRAMES)
    inputs = Preparer(processor=processor).prepare(request)
    assert set(inputs.tensors) == set(wanted)
    for name, tensor in wanted.items():
        assert torch.equal(inputs.tensors[name], tensor), name
    assert set(inputs.details) == {"images", "videos"}


def test_a_video_needs_the_protocols_frames(processor: Any, clip: Media, request_of: Ask) -> None:
    with pytest.raises(UsageError, match="has no frames"):
        Preparer(processor=processor).prepare(request_of(clip, "What happens?"))


def real_rows(real: Path, name: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a real data set, each of its pictures once."""
    import pyarrow.parquet as pq

    seen = set()
    for file in sorted((real / "hub" / "lmms-lab" / name).rglob("*.parquet")):
        for row in pq.read_table(file).to_pylist():
            if row["image"]["bytes"] not in seen:
                seen.add(row["image"]["bytes"])
                yield row


@pytest.mark.parametrize(
    ("name", "most", "limits"),
    [("DocVQA", 9, (1003520, 4014080)), ("ChartQA", 9, (1003520, 12845056))],
)
def test_real_pictures_are_what_one_call_makes_of_them(
    name: str, most: int, limits: tuple[int, int], real: Path, processor: Any, request_of: Ask
) -> None:
    least, greatest = limits
    rows = list(islice(real_rows(real, name), most))
    assert len(rows) == most
    for row in rows:
        data = row["image"]["bytes"]
        question = row["question"] + "\nAnswer the question using a single word or phrase."
        image = Image.open(io.BytesIO(data)).convert("RGB")
        request = request_of(
            Media(kind="image", data=data), question, min_pixels=least, max_pixels=greatest
        )
        wanted = by_hand(processor, [image, question], min_pixels=least, max_pixels=greatest)
        assert_same(Preparer(processor=processor).prepare(request), *wanted)
