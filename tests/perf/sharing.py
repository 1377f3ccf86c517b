"""What it saves to pay for each picture once, and that it changes no answer.

    python tests/perf/sharing.py [--quick] [--pictures N] [--only CASE]

A Qwen2-VL of about 85 million parameters, 25 of which see, in fp32 on the processor: four questions
on each of N pictures of 1,296 tokens, one question a picture, six questions on a video of 4,096
tokens, and peak memory, each case in a process of its own. The plain loop is what one writes by
hand: for each question the processor and `generate`. Times are of one process, same pixels, same
weights. The modes take turns every two pictures, so that a machine whose speed drifts slows all of
them down alike, and of the repeats each turn's best counts. Where an answer of `shared` differs
from the plain one, the gap between the two tokens' logits at the place where they part is printed
beside what rounding alone does to logits.
"""

from __future__ import annotations

import argparse
import io
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from evalkit.backends.transformers import TransformersBackend
from evalkit.canary.checkpoint import architecture, write_checkpoint
from evalkit.types import Frames, Media, Pixels, Request

SIZES = {
    "full": {
        "width": 640, "layers": 12, "key_value_heads": 2, "feed_forward": 2048,
        "vision_width": 384, "vision_layers": 12, "vision_heads": 6,
    },
    "quick": {
        "width": 256, "layers": 4, "feed_forward": 1024,
        "vision_width": 128, "vision_layers": 6, "vision_heads": 4,
    },
}  # fmt: skip
SIDE = {"full": 1008, "quick": 448}
REPLY = 16
TURN = 2
QUESTIONS = (
    "What is the total amount due?",
    "Who signed the letter, and in which year was it sent?",
    "What is written in the header of the second table?",
    "How many rows does the table have?",
    "Which of the items is the most expensive one?",
    "What is the name of the company?",
)
PROMPT = "{}\nAnswer the question using a single word or phrase."
FRAMES = Frames(rule="qwen_vl_utils_0.0.8", fps=2.0, min_pixels=3136, max_pixels=602112)


def checkpoint(size: str) -> Path:
    """Return a checkpoint's folder, made on first use.

    Its weights are scaled to twice what keeps a layer's output as large as its input: there replies
    differ with picture and question, and rounding is not amplified from layer to layer as it is at
    the spread of the built-in checkpoint, which is made for a model a fifth as wide.
    """
    import torch
    from safetensors.torch import load_file, save_file

    folder = Path(tempfile.gettempdir()) / f"evalkit-perf-sharing-{size}"
    if not (folder / "done").exists():
        folder.mkdir(exist_ok=True)
        write_checkpoint(folder, architecture(**SIZES[size]), 0)
        weights = load_file(folder / "model.safetensors")
        for name, weight in weights.items():
            if weight.ndim > 1 and "embed_tokens" not in name:
                spread = 2 * weight[0].numel() ** -0.5
                weights[name] = (weight * (spread / weight.float().std())).to(torch.bfloat16)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "done").touch()
    return folder


def picture(number: int, side: int) -> Media:
    """Return a picture of coloured blocks with noise on them."""
    import numpy as np
    from PIL import Image

    rng = np.random.RandomState(number)
    blocks = rng.randint(0, 255, (side // 56, side // 56, 3), np.uint8).repeat(56, 0).repeat(56, 1)
    noise = rng.randint(0, 40, (side, side, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(blocks // 2 + noise).save(file, "PNG")
    return Media(kind="image", data=file.getvalue(), name=f"{number}.png")


def film(folder: Path, side: int, frames: int) -> Media:
    """Return a video of so many frames, as a folder."""
    for number in range(frames):
        (folder / f"{number:03}.png").write_bytes(picture(number, side).data or b"")
    return Media(kind="video", path=str(folder), fps=2.0)


def asked(media: Sequence[Media], questions: int) -> list[list[Request]]:
    """Return a group for each medium."""
    pixels = Pixels(min_pixels=3136, max_pixels=12845056)
    return [
        [
            Request(
                id=f"{place}-{number}",
                parts=(medium, PROMPT.format(QUESTIONS[number])),
                pixels=pixels,
                frames=FRAMES,
                max_new_tokens=REPLY,
            )
            for number in range(questions)
        ]
        for place, medium in enumerate(media)
    ]


@contextmanager
def opened(size: str, sharing: str) -> Iterator[TransformersBackend]:
    """Give the model in a mode of sharing."""
    path = str(checkpoint(size))
    with TransformersBackend(path=path, device="cpu", sharing=sharing) as backend:
        yield backend


def prepared(backend: TransformersBackend, request: Request) -> Any:
    """Return what the processor makes of one question, as one calls it by hand."""
    import torch

    from evalkit.data.images import load_image
    from evalkit.data.video import load_clip

    processor = backend._held[0].processor
    medium, text = request.parts
    assert isinstance(medium, Media)
    content = [{"type": medium.kind}, {"type": "text", "text": text}]
    prompt = processor.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    given: dict[str, Any]
    if medium.kind == "image":
        given = {"images": [load_image(medium, request.pixels)]}
    else:
        clip = load_clip(medium, FRAMES)
        frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
        given = {"videos": [frames], "do_sample_frames": False, "do_resize": False}
    return processor(text=[prompt], return_tensors="pt", **given)


def plain(backend: TransformersBackend, request: Request) -> list[int]:
    """Ask one question by hand, preprocessing included; return the reply's tokens."""
    inputs = prepared(backend, request)
    out = backend._held[0].model.generate(**inputs, max_new_tokens=request.max_new_tokens)
    return list(out[0, inputs["input_ids"].shape[1] :].tolist())


def answers(backend: TransformersBackend, groups: list[list[Request]]) -> dict[str, list[int]]:
    """Return the tokens of every reply, which responses hold as text only."""
    from evalkit.backends import questions, single, together

    said: dict[str, list[int]] = {}
    modules: tuple[Any, ...] = (single, together)
    respond = questions.respond

    def noting(loaded: Any, question: Any, reply: Any, seconds: float) -> Any:
        said[question.request.id] = reply.tokens
        return respond(loaded, question, reply, seconds)

    for module in modules:
        module.respond = noting
    try:
        failed = [each.error for each in backend.generate(groups) if each.error]
    finally:
        for module in modules:
            module.respond = respond
    assert not failed, failed[0]
    return said


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return wall and processor seconds of some work, and what it returns."""
    wall, cpu = time.perf_counter(), time.process_time()
    made = work()
    return time.perf_counter() - wall, time.process_time() - cpu, made


def compare(
    size: str, modes: Sequence[str], groups: list[list[Request]], repeats: int
) -> dict[str, Any]:
    """Return the seconds of the plain loop and of each mode, and how their answers compare."""
    found: dict[str, Any] = {"seconds": Counter(), "processor": Counter(), "identical": {}}
    said: dict[str, dict[str, list[int]]] = {mode: {} for mode in ("plain", *modes)}
    requests = [request for group in groups for request in group]
    with opened(size, "exact") as exact, opened(size, "shared") as shared:
        works: dict[str, Callable[[list[list[Request]]], dict[str, list[int]]]] = {
            "plain": lambda some: {each.id: plain(exact, each) for group in some for each in group},
            "exact": lambda some: answers(exact, some),
            "shared": lambda some: answers(shared, some),
        }
        plain(exact, requests[0])  # the first call of all makes kernels and touches the weights
        for place in range(0, len(groups), TURN):
            some = groups[place : place + TURN]
            turns: dict[str, list[tuple[float, float]]] = {mode: [] for mode in said}
            for mode in [*said] * repeats:
                wall, cpu, replies = timed(partial(works[mode], some))
                turns[mode].append((wall, cpu))
                said[mode] |= replies
            for mode, times in turns.items():
                found["seconds"][mode] += min(wall for wall, _ in times)
                found["processor"][mode] += min(cpu for _, cpu in times)
        for mode in modes:
            same = [name for name in said["plain"] if said[mode][name] == said["plain"][name]]
            found["identical"][mode] = [len(same), len(requests)]
            by_id = {request.id: request for request in requests}
            found.setdefault("parting", {})[mode] = [
                parting(exact, by_id[name], said["plain"][name], said[mode][name])
                for name in said["plain"]
                if name not in same
            ]
    return found


def parting(
    backend: TransformersBackend, request: Request, one: list[int], other: list[int]
) -> tuple[int, float, float]:
    """Return where two replies part, how far apart their logits are there, and what rounding does.

    What it does is told by computing the same logits in one pass without a cache.
    """
    import torch

    place = next(n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1])
    inputs, model = prepared(backend, request), backend._held[0].model
    asked = {"output_logits": True, "return_dict_in_generate": True, "max_new_tokens": place + 1}
    logits = model.generate(**inputs, **asked).logits[place][0]
    longer = torch.tensor([one[:place]], dtype=torch.long)
    kinds = torch.zeros_like(longer)
    ids = torch.cat([inputs.pop("input_ids"), longer], dim=1)
    kinds = torch.cat([inputs.pop("mm_token_type_ids"), kinds], dim=1)
    inputs.pop("attention_mask")
    with torch.inference_mode():
        whole = model(input_ids=ids, mm_token_type_ids=kinds, **inputs).logits[0, -1]
    return (
        place,
        float(logits[one[place]] - logits[other[place]]),
        float((whole - logits).abs().max()),
    )


def report(title: str, found: dict[str, Any]) -> None:
    """Print a case's figures."""
    print(title)
    for mode in found["identical"]:
        wall = found["seconds"]["plain"] / found["seconds"][mode]
        cpu = found["processor"]["plain"] / found["processor"][mode]
        same, total = found["identical"][mode]
        print(
            f"  {mode}: {wall:.2f} x plain by the clock, {cpu:.2f} x by processor time"
            f" ({found['seconds']['plain']:.1f} s against {found['seconds'][mode]:.1f} s);"
            f" {same} of {total} answers identical"
        )
        for place, gap, noise in found["parting"][mode]:
            verdict = "a tie" if gap <= 2 * noise else "NO TIE"
            print(
                f"    {verdict}: they part at token {place}, where the logits of the two are"
                f" {gap:.1e} apart and rounding alone moves logits by up to {noise:.1e}"
            )


def four(size: str, pictures: int, repeats: int) -> None:
    """Four questions a picture."""
    groups = asked([picture(n, SIDE[size]) for n in range(pictures)], 4)
    report("four questions a picture", compare(size, ["exact", "shared"], groups, repeats))


def one(size: str, pictures: int, repeats: int) -> None:
    """One question a picture."""
    groups = asked([picture(n, SIDE[size]) for n in range(pictures)], 1)
    report("one question a picture", compare(size, ["exact", "shared"], groups, repeats))


def video(size: str, repeats: int) -> None:
    """Six questions on one video."""
    side, frames = (448, 32) if size == "full" else (224, 16)
    with tempfile.TemporaryDirectory() as folder:
        groups = asked([film(Path(folder), side, frames)], 6)
        report("six questions on a video", compare(size, ["shared"], groups, repeats))


def peak(size: str, mode: str) -> None:
    """Print this process's peak memory, in kB, after some pictures."""
    groups = asked([picture(n, SIDE[size]) for n in range(4)], 4)
    with opened(size, "off" if mode == "plain" else mode) as backend:
        if mode == "plain":
            for request in (request for group in groups for request in group):
                plain(backend, request)
        else:
            list(backend.generate(groups))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def memory(size: str) -> None:
    """Print peak memory of each mode against the plain loop's."""
    peaks = {}
    for mode in ("plain", "exact", "shared"):
        words = [sys.executable, __file__, "--only", f"peak-{mode}"]
        words += ["--quick"] if size == "quick" else []
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        peaks[mode] = int(done.stdout.split()[-1])
    print("peak memory")
    for mode in ("exact", "shared"):
        ratio = peaks[mode] / peaks["plain"]
        print(f"  {mode}: {peaks[mode] / 1024:.0f} MiB, {ratio:.2f} x plain")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small model and small pictures")
    parser.add_argument("--pictures", type=int, help="how many pictures; 60 by default, 6 if quick")
    parser.add_argument("--repeats", type=int, default=1, help="the best of so many counts")
    parser.add_argument("--only", default="", help="four, one, video, or memory")
    words = parser.parse_args()
    size = "quick" if words.quick else "full"
    pictures = words.pictures or (6 if words.quick else 60)
    if words.only.startswith("peak-"):
        return peak(size, words.only.removeprefix("peak-"))
    cases: dict[str, Callable[[], None]] = {
        "four": lambda: four(size, pictures, words.repeats),
        "one": lambda: one(size, pictures, words.repeats),
        "video": lambda: video(size, words.repeats),
        "memory": lambda: memory(size),
    }
    for name, case in cases.items():
        if words.only in ("", name):
            case()
    return None


if __name__ == "__main__":
    main()
