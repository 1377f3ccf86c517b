"""Questions a second on an accelerator: the full-size Qwen2-VL-2B architecture, random weights.

    python tests/perf/gpu.py [--pages N] [--videos N] [--quick]

DocVQA-sized pages of about 4,700 visual tokens with four questions each, and videos of 768 frames
with six: against the plain loop (the processor and `generate` for each question) and against
`generate` in batches of eight. Prints questions a second, the share of the time that the device
computed, and peak memory. Without an accelerator it says so and does nothing; ``--quick`` runs a
small model and small media on whatever there is, to see that the script itself works.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sharing
import torch

from evalkit.backends.transformers import TransformersBackend
from evalkit.canary.checkpoint import architecture, write_checkpoint
from evalkit.types import Frames, Media, Pixels, Request

BATCH = 8
REPLY = 32


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How large everything is."""

    config: dict[str, Any]
    """The model's ``config.json``."""
    page: tuple[int, int]
    """A page's width and height in pixels."""
    frames: int
    """A video's frames."""
    dtype: str
    """The number format."""


def full() -> Setting:
    """Return the real sizes (config.json of Qwen/Qwen2-VL-2B-Instruct)."""
    config = architecture(
        width=1536, layers=28, feed_forward=8960, vision_width=1280, vision_layers=32,
        vision_heads=16, key_value_heads=2,
    )  # fmt: skip
    config |= {"num_attention_heads": 12, "vocab_size": 151936}
    config["rope_scaling"] = {"type": "mrope", "mrope_section": [16, 24, 24]}
    return Setting(config=config, page=(1708, 2156), frames=768, dtype="bfloat16")


def quick() -> Setting:
    """Return sizes that a processor runs in a minute."""
    return Setting(config=architecture(), page=(280, 392), frames=8, dtype="float32")


@contextmanager
def folder_of(setting: Setting) -> Iterator[Path]:
    """Give a checkpoint of the setting's sizes with random weights."""
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    device = "cuda" if torch.cuda.is_available() else "cpu"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_checkpoint(folder, architecture(), 0)
        torch.manual_seed(0)
        with torch.device(device):
            model = Qwen2VLForConditionalGeneration(Qwen2VLConfig(**setting.config))
        model.to(getattr(torch, setting.dtype)).save_pretrained(folder)
        (folder / "config.json").write_text(json.dumps(setting.config))
        del model
        yield folder


def requests(setting: Setting, pages: int, videos: int, where: Path) -> dict[str, Any]:
    """Return groups of questions on pages and on videos."""
    pixels = Pixels(min_pixels=3136, max_pixels=12845056)
    frames = Frames(rule="qwen_vl_utils_0.0.8", fps=2.0, max_frames=setting.frames)
    films = []
    for number in range(videos):
        folder = where / str(number)
        folder.mkdir()
        films.append(sharing.film(folder, 336, setting.frames))
    media = {
        "pages": ([noise(number, *setting.page) for number in range(pages)], 4),
        "videos": (films, 6),
    }
    return {
        kind: [
            [
                Request(
                    id=f"{place}-{number}",
                    parts=(medium, sharing.PROMPT.format(sharing.QUESTIONS[number])),
                    pixels=pixels,
                    frames=frames,
                    max_new_tokens=REPLY,
                )
                for number in range(questions)
            ]
            for place, medium in enumerate(given)
        ]
        for kind, (given, questions) in media.items()
    }


def noise(number: int, width: int, height: int) -> Media:
    """Return a page of noise."""
    import io

    import numpy as np
    from PIL import Image

    rng = np.random.RandomState(number)
    file = io.BytesIO()
    pixels = (
        rng.randint(0, 255, (height // 14, width // 14, 3), np.uint8).repeat(14, 0).repeat(14, 1)
    )
    Image.fromarray(pixels).save(file, "PNG")
    return Media(kind="image", data=file.getvalue(), name=f"{number}.png")


def by_hand(backend: TransformersBackend, asked: Sequence[Request]) -> None:
    """Answer questions as one batch of `generate`, preprocessing included, padded on the left."""
    loaded = backend._held[0]
    made = [sharing.prepared(backend, request) for request in asked]
    longest = max(each["input_ids"].shape[1] for each in made)

    def padded(name: str, value: int) -> torch.Tensor:
        rows = [
            torch.nn.functional.pad(each[name][0], (longest - each[name].shape[1], 0), value=value)
            for each in made
        ]
        return torch.stack(rows)

    pad = loaded.processor.tokenizer.pad_token_id
    inputs = {"input_ids": padded("input_ids", pad), "attention_mask": padded("attention_mask", 0)}
    inputs["mm_token_type_ids"] = padded("mm_token_type_ids", 0)
    for name in made[0]:
        if name not in inputs:
            inputs[name] = torch.cat([each[name] for each in made])
    on_device = {name: tensor.to(loaded.device) for name, tensor in inputs.items()}
    loaded.model.generate(**on_device, max_new_tokens=REPLY, min_new_tokens=REPLY)


def in_batches(backend: TransformersBackend, groups: list[list[Request]], size: int) -> None:
    """Answer all questions by hand, so many at a time."""
    asked = [request for group in groups for request in group]
    for start in range(0, len(asked), size):
        by_hand(backend, asked[start : start + size])


def measure(work: Callable[[], Any], count: int) -> str:
    """Return questions a second, the device's share of the time, and peak memory, as text."""
    from torch.profiler import ProfilerActivity, profile

    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if cuda:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    text = f"{count / seconds:.2f} questions a second"
    if cuda:
        memory = torch.cuda.max_memory_allocated() / 2**30
        with profile(activities=[ProfilerActivity.CUDA]) as seen:
            again = time.perf_counter()
            work()
            torch.cuda.synchronize()
            wall = time.perf_counter() - again
        busy = sum(event.self_device_time_total for event in seen.key_averages()) / 1e6
        text += f", device computing {100 * busy / wall:.0f} % of the time, {memory:.1f} GiB"
    return text


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=16)
    parser.add_argument("--videos", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a small model on any device")
    words = parser.parse_args()
    if not words.quick and not torch.cuda.is_available():
        print("no accelerator here: nothing to measure")
        return
    setting = quick() if words.quick else full()
    with folder_of(setting) as folder, tempfile.TemporaryDirectory() as where:
        cases = requests(setting, words.pages, words.videos, Path(where))
        for mode in ("off", "exact", "shared"):
            backend = TransformersBackend(
                path=str(folder), sharing=mode, dtype=setting.dtype, max_context=65536
            )
            with backend:
                for kind, groups in cases.items():
                    count = sum(map(len, groups))
                    list(backend.generate(groups[:1]))  # the first call loads kernels
                    if mode == "off":
                        for size in (1, BATCH) if kind == "pages" else (1,):
                            told = measure(lambda: in_batches(backend, groups, size), count)  # noqa: B023
                            print(f"{kind}, generate in batches of {size}: {told}")
                    told = measure(lambda: list(backend.generate(groups)), count)  # noqa: B023
                    print(f"{kind}, sharing {mode}: {told}", flush=True)


if __name__ == "__main__":
    main()
