"""What the checks' tests share: a served checkpoint with faults planted in it."""

from __future__ import annotations

import base64
import importlib.util
import io
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from evalkit.canary.checkpoint import checkpoint
from evalkit.data.digest import digest_image

SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: several wait for each other longer than a tiny model takes."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def server() -> Any:
    """The module with the tests' own chat server."""
    path = Path(__file__).parents[1] / "backends" / "chat_server.py"
    spec = importlib.util.spec_from_file_location("chat_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["chat_server"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in checkpoint's folder."""
    return checkpoint(tmp_path_factory.mktemp("tiny") / "checkpoint", seed=0)


@dataclass
class Served:
    """A checkpoint behind a chat endpoint; what stands in ``faults`` is done wrong."""

    folder: Path
    other: Path
    """Another checkpoint of the same family."""
    reply: Callable[..., Any]
    faults: set[str] = field(default_factory=set)
    crowd: Callable[[], int] = lambda: 1
    """How many requests are under way."""
    answered: dict[Any, Any] = field(default_factory=dict)
    _models: dict[Path, Any] = field(default_factory=dict)

    def model(self, folder: Path) -> tuple[Any, Any]:
        """Return a checkpoint's processor and model."""
        from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

        if folder not in self._models:
            model = Qwen2VLForConditionalGeneration.from_pretrained(folder)
            self._models[folder] = AutoProcessor.from_pretrained(folder), model
        found: tuple[Any, Any] = self._models[folder]
        return found

    def answer(self, body: Any, number: int) -> Any:
        """Answer a request, honestly but for the planted faults."""
        processor, _ = self.model(self.folder)
        images = [opened(part) for part in parts(body) if part["type"] == "image_url"]
        limit = body["max_tokens"]
        chat = processor.apply_chat_template(
            plain(body["messages"]), tokenize=False, add_generation_prompt=True
        )
        chat, images, limit = self.spoil(chat, images, limit)
        seed = number if "sampling" in self.faults else None
        hurt = "batch leak" in self.faults and self.crowded()
        folder = self.other if "wrong model" in self.faults else self.folder
        shown = tuple(digest_image(image) for image in images)
        key = (folder, chat, shown, limit, seed, hurt, "smaller pixels" in self.faults)
        if key not in self.answered:
            self.answered[key] = self.generate(folder, chat, images, limit, seed, hurt)
        return self.answered[key]

    def crowded(self) -> bool:
        """Whether others are under way, given the time that they need to come."""
        until = time.monotonic() + 0.5
        while time.monotonic() < until and self.crowd() < 2:
            time.sleep(0.01)
        return self.crowd() > 1

    def spoil(self, chat: str, images: list[Image.Image], limit: int) -> Any:
        """Return a prompt, its pictures and its limit after the planted faults."""
        if "wrong template" in self.faults:
            chat = chat.replace("<|im_start|>", "").replace("<|im_end|>", "")
        if "system prompt missing" in self.faults:
            chat = chat.removeprefix(SYSTEM)
        if "swapped images" in self.faults:
            images = images[::-1]
        if "JPEG re-encoding" in self.faults:
            images = [jpeg(image) for image in images]
        if "dropped images" in self.faults:
            chat, images = chat.replace("<|vision_start|><|image_pad|><|vision_end|>", ""), []
        if "truncated output" in self.faults:
            limit = min(limit, 3)
        return chat, images, limit

    def generate(
        self,
        folder: Path,
        chat: str,
        images: list[Image.Image],
        limit: int,
        seed: int | None,
        hurt: bool,
    ) -> Any:
        """Return a reply."""
        import torch

        processor, model = self.model(folder)
        if "smaller pixels" in self.faults:
            images = [image.resize((112, 112)) for image in images]
        inputs = processor(text=[chat], images=images or None, return_tensors="pt")
        if hurt:
            inputs["input_ids"][0, -4:] = inputs["input_ids"][0, :4]
        torch.manual_seed(seed or 0)
        out = model.generate(
            **inputs,
            do_sample=seed is not None,
            **({"top_k": 0, "top_p": 1.0, "temperature": 5.0} if seed is not None else {}),
            max_new_tokens=limit,
        )
        length = inputs["input_ids"].shape[1]
        made = out[0, length:]
        ends = model.generation_config.eos_token_id
        ended = int(made[-1]) in ([ends] if isinstance(ends, int) else ends)
        text = processor.tokenizer.decode(made, skip_special_tokens=True)
        return self.reply(
            text=text,
            finish="stop" if ended else "length",
            prompt_tokens=length,
            completion_tokens=len(made),
        )


def parts(body: Any) -> list[dict[str, Any]]:
    """Return the pieces of a request's user turn."""
    return list(body["messages"][-1]["content"])


def plain(messages: Any) -> list[dict[str, Any]]:
    """Return an endpoint's messages as a chat template takes them."""
    kinds = {"image_url": {"type": "image"}}
    return [
        {
            **turn,
            "content": [kinds.get(part["type"], part) for part in turn["content"]]
            if isinstance(turn["content"], list)
            else turn["content"],
        }
        for turn in messages
    ]


def opened(part: dict[str, Any]) -> Image.Image:
    """Return the picture of a piece."""
    data = base64.b64decode(part["image_url"]["url"].partition("base64,")[2])
    return Image.open(io.BytesIO(data)).convert("RGB")


def jpeg(image: Image.Image) -> Image.Image:
    """Return a picture after a lossy step."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return Image.open(buffer).convert("RGB")


@pytest.fixture(scope="session")
def served(server: Any, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A checkpoint that can be served, with nothing wrong with it yet."""
    other = checkpoint(tmp_path_factory.mktemp("other") / "checkpoint", seed=1)
    return Served(folder=tiny, other=other, reply=server.Reply)


@pytest.fixture(scope="session")
def picture_of() -> Callable[[dict[str, Any]], Image.Image]:
    """A function from a piece of a message to its picture."""
    return opened


@pytest.fixture(scope="session")
def lossy() -> Callable[[Image.Image], Image.Image]:
    """A function that encodes a picture as JPEG and decodes it."""
    return jpeg
