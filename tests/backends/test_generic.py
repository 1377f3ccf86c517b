"""Other architectures: by their own processor, sharing what their model class can share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from evalkit.backends.transformers import TransformersBackend
from evalkit.canary.checkpoint import architecture
from evalkit.errors import UsageError
from evalkit.types import Frames, Media, Request, Response

Draw = Callable[..., Image.Image]
Encode = Callable[..., Media]
Ask = Callable[..., Request]


@pytest.fixture(scope="module")
def other(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Qwen2.5-VL with the tokenizer and the processor of the built-in checkpoint."""
    from safetensors.torch import save_file
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    folder = Path(shutil.copytree(tiny, tmp_path_factory.mktemp("other") / "checkpoint"))
    settings = architecture() | {"model_type": "qwen2_5_vl"}
    settings["architectures"] = ["Qwen2_5_VLForConditionalGeneration"]
    settings["vision_config"] = {
        "depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 2, "patch_size": 14,
        "out_hidden_size": settings["hidden_size"], "fullatt_block_indexes": [1],
        "window_size": 112,
    }  # fmt: skip
    config = Qwen2_5_VLConfig(**settings)
    config.save_pretrained(folder)
    model = Qwen2_5_VLForConditionalGeneration(config)
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: weight if "norm" in name else 0.12 * torch.randn(weight.shape, generator=generator)
        for name, weight in model.state_dict().items()
        if name != "lm_head.weight"
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def group(picture: Draw, media: Encode, request_of: Ask) -> list[Request]:
    first, second = media(picture("RGB", (300, 200))), media(picture("L", (90, 150)))
    return [
        request_of(first, "What is it?", name="one"),
        request_of(first, "Where?", name="two", prefill="It is "),
        request_of(first, "and", second, "?", name="both", system="Be brief."),
        request_of("What is 2 + 2?", name="text"),
    ]


def told(folder: Path, sharing: str, group: list[Request]) -> dict[str, Response]:
    backend = TransformersBackend(path=str(folder), family=None, device="cpu", sharing=sharing)
    with backend:
        return {response.id: response for response in backend.generate([group])}


def by_hand(folder: Path, request: Request, images: list[Image.Image]) -> str:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    content: list[dict[str, Any]] = [
        {"type": "image", "image": images.pop(0)}
        if isinstance(part, Media)
        else {"type": "text", "text": part}
        for part in request.parts
    ]
    chat = [{"role": "user", "content": content}]
    inputs = processor.apply_chat_template(
        chat, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )
    tokens = model.generate(**inputs, do_sample=False, max_new_tokens=request.max_new_tokens)
    tokens = tokens[0, inputs["input_ids"].shape[1] :]
    return str(processor.tokenizer.decode(tokens, skip_special_tokens=True))


def test_another_architecture_is_answered_as_by_one_call(
    other: Path, group: list[Request], picture: Draw
) -> None:
    found = told(other, "off", group)
    assert [response.error for response in found.values()] == [None] * 4
    image = picture("RGB", (300, 200)).resize((308, 196))
    assert found["one"].text == by_hand(other, group[0], [image])
    assert found["text"].text == by_hand(other, group[3], [])
    assert len({response.text for response in found.values()}) == 4
    assert found["one"].grid == ((1, 14, 22),)
    assert found["both"].grid == ((1, 14, 22), (1, 10, 6))
    assert found["one"].details["images"] == [{"before": [300, 200], "after": [308, 196]}]
    assert (found["text"].grid, set(found["text"].details)) == ((), {"lead"})


def test_the_encoder_is_shared_to_the_bit(
    other: Path, group: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, list[torch.Tensor]] = {}
    calls: dict[str, int] = {}
    for mode in ("off", "exact"):
        seen[mode], calls[mode] = [], 0
        backend = TransformersBackend(path=str(other), family=None, device="cpu", sharing=mode)
        with backend:
            model = backend._held[0].model

            def saw(*given: Any, mode: str = mode) -> None:
                seen[mode].append(given[2].clone())

            def called(*given: Any, mode: str = mode) -> None:
                calls[mode] += 1

            model.lm_head.register_forward_hook(saw)
            model.model.visual.register_forward_hook(called)
            responses = list(backend.generate([group]))
        assert all(response.error is None for response in responses)
    assert torch.equal(torch.cat(seen["off"]), torch.cat(seen["exact"]))
    assert calls == {"off": 3, "exact": 2}


def test_what_a_model_cannot_share_is_refused(other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = TransformersBackend(path=str(other), family=None, device="cpu")
    with pytest.raises(UsageError, match=r"use model\.sharing=exact"), backend:
        pytest.fail("it loaded")
    monkeypatch.setattr("evalkit.backends.transformers.takes_encoded", lambda model: False)
    for mode in ("shared", "exact"):
        backend = TransformersBackend(path=str(other), family=None, device="cpu", sharing=mode)
        with pytest.raises(UsageError, match=r"use model\.sharing=off"), backend:
            pytest.fail("it loaded")


def test_a_video_and_a_placeholder_are_refused_one_by_one(
    other: Path, group: list[Request], request_of: Ask, tmp_path: Path
) -> None:
    clip = Media(kind="video", path=str(tmp_path), fps=2.0)
    frames = Frames(rule="qwen_vl_utils_0.0.8", count=4)
    bad = [
        request_of(clip, "?", name="video", frames=frames),
        request_of("What is <|image_pad|>?", name="pad"),
        request_of("What is \ud83d?", name="half"),
    ]
    found = told(other, "exact", [*bad, group[0]])
    assert "videos are shown to Qwen2-VL only" in str(found["video"].error)
    assert "holds a picture's placeholder" in str(found["pad"].error)
    assert "half a surrogate pair" in str(found["half"].error)
    assert found["one"].error is None


def test_the_card_says_that_any_architecture_will_do() -> None:
    from evalkit.compose import compose
    from evalkit.config import MODEL_KEYS, build

    config = compose("run", ["model=hf", "model.path=somewhere"])
    backend = build({k: v for k, v in config["model"].items() if k not in MODEL_KEYS})
    assert (backend.family, backend.sharing, backend.path) == (None, "exact", "somewhere")
