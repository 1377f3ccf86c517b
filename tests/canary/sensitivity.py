"""What the canary's score loses when something between a row and its score goes wrong.

    python tests/canary/sensitivity.py [FAULT ...] [--write results/sensitivity.md]

Each fault is planted in the code as it runs and the default run is made with it, in a process of
its own. Beside what the score lost stands where ``evalkit explain`` would see it: the first stage
whose fingerprints differ from those of the run without a fault, or what else of the model differs
that the manifest records, or how many replies are others that were no close call.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from evalkit.canary.sets import SIZE
from evalkit.compose import compose
from evalkit.explain import explain_runs
from evalkit.run import run
from evalkit.settings import differing, settings_of

STAGES = ("row", "prompt", "media", "pixels", "tokens", "generation")
"""Fingerprints of a response, in the order of the pipeline."""


def wrap(place: Any, name: str, change: Callable[..., Any]) -> None:
    """Replace a function by one that is given the old one and its arguments."""
    old = getattr(place, name)
    setattr(place, name, lambda *given, **named: change(old, *given, **named))


def on_pictures(change: Callable[[Any], Any]) -> None:
    """Change every picture and frame, as arrays of height x width x RGB, after resizing."""
    import numpy as np
    from PIL import Image

    from evalkit.backends import qwen2_vl
    from evalkit.data import video

    def picture(old: Any, *given: Any) -> Any:
        return Image.fromarray(np.ascontiguousarray(change(np.asarray(old(*given)))))

    def clip(old: Any, *given: Any, **named: Any) -> Any:
        made = old(*given, **named)
        frames = np.stack([change(frame) for frame in np.asarray(made.frames)])
        return replace(made, frames=np.ascontiguousarray(frames))

    wrap(qwen2_vl, "load_image", picture)
    wrap(video, "load_clip", clip)


def on_clips(change: Callable[[Any], Any]) -> None:
    """Change every clip's frames, as one array."""
    from evalkit.data import video

    def clip(old: Any, *given: Any, **named: Any) -> Any:
        made = old(*given, **named)
        return replace(made, frames=change(made.frames).copy())

    wrap(video, "load_clip", clip)


def on_requests(change: Callable[[Any], Any]) -> None:
    """Change every request before it is prepared."""
    from evalkit.backends.qwen2_vl import Preparer

    wrap(Preparer, "prepare", lambda old, self, request: old(self, change(request)))


def on_processor(**settings: Any) -> None:
    """Change the picture processor's settings."""
    from evalkit.backends import transformers

    def loaded(old: Any, *given: Any, **named: Any) -> Any:
        made = old(*given, **named)
        for part in (made.processor.image_processor, made.processor.video_processor):
            for name, value in settings.items():
                setattr(part, name, value)
        return made

    wrap(transformers, "load", loaded)


def on_model(change: Callable[[Any], None]) -> None:
    """Change the model once it is loaded."""
    from evalkit.backends import transformers

    def loaded(old: Any, *given: Any, **named: Any) -> Any:
        made = old(*given, **named)
        change(made.model)
        return made

    wrap(transformers, "load", loaded)


def resized(how: Callable[[Any], Any]) -> None:
    from evalkit.data import images

    wrap(images, "fit_image", lambda old, image, pixels: how(old(image, pixels)))


def halves(image: Any) -> Any:
    """Return a picture of half the width and height, in multiples of 28."""
    return image.resize(tuple(max(28, side // 56 * 28) for side in image.size))


def nearest() -> None:
    from PIL import Image

    from evalkit.data.resize import smart_resize

    def fit(old: Any, image: Any, pixels: Any) -> Any:
        sides = smart_resize(
            image.height, image.width, min_pixels=pixels.min_pixels, max_pixels=pixels.max_pixels
        )
        return image.resize(sides[::-1], Image.Resampling.NEAREST)

    from evalkit.data import images

    wrap(images, "fit_image", fit)


def jpeg() -> None:
    from evalkit.data import images

    wrap(
        images,
        "fit_image",
        lambda old, image, pixels: old(image, replace(pixels, reencode="jpeg:85")),
    )


def reordered(request: Any) -> Any:
    """Return a request whose media come in the opposite order."""
    from evalkit.types import Media

    media = iter([part for part in reversed(request.parts) if isinstance(part, Media)])
    parts = [next(media) if isinstance(part, Media) else part for part in request.parts]
    return replace(request, parts=tuple(parts))


def text_first(request: Any) -> Any:
    """Return a request that asks before it shows."""
    from evalkit.types import Media

    parts = sorted(request.parts, key=lambda part: isinstance(part, Media))
    return replace(request, parts=tuple(parts))


def lettered(request: Any) -> Any:
    """Return a request whose options' letters are one further."""
    import re

    def moved(text: Any) -> Any:
        if not isinstance(text, str):
            return text
        return re.sub(
            r"(?m)^(\(?)([A-D])([.)])", lambda m: m[1] + "BCDA"["ABCD".index(m[2])] + m[3], text
        )

    return replace(request, parts=tuple(moved(part) for part in request.parts))


def flat() -> None:
    """Give visual tokens the positions of text."""
    import torch

    from evalkit.backends import prefix

    def positions(old: Any, model: Any, inputs: Any) -> Any:
        return torch.arange(inputs.tokens).expand(3, 1, -1)

    wrap(prefix, "positions_of", positions)


def padded_right() -> None:
    """Pad a batch's questions on the wrong side and read the reply off the padding."""
    import torch

    from evalkit.backends import prefix

    def layout(old: Any, rows: Any) -> Any:
        ids, positions, mask = old(rows)
        for place, row in enumerate(rows):
            shift = ids.shape[1] - len(row.rest)
            ids[place] = torch.roll(ids[place], -shift)
            positions[place] = torch.roll(positions[place], -shift)
        return ids, positions, mask

    wrap(prefix, "layout", layout)


def leak() -> None:
    """Let a batch's rows see the picture of the row before them."""
    from evalkit.backends import prefix

    def joined(old: Any, rows: Any, front: int, room: int) -> Any:
        moved = [replace(row, stem=rows[place - 1].stem) for place, row in enumerate(rows)]
        return old(moved, front, room)

    wrap(prefix, "joined", joined)


def sampled() -> None:
    """Draw every token at temperature 1.5 instead of taking the likeliest."""
    import torch

    from evalkit.backends import prefix

    torch.manual_seed(0)

    def forward(old: Any, *given: Any) -> Any:
        noise = torch.rand_like(logits := old(*given)).log().neg().log().neg()
        return logits / 1.5 + noise

    wrap(prefix, "forward", forward)


def coarse(model: Any) -> None:
    """Round weights to 3 bits by row."""
    import torch

    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                step = weight.abs().amax(dim=-1, keepdim=True) / 3
                weight.copy_((weight / step.clamp(min=1e-9)).round() * step)


def untied(model: Any) -> None:
    """Forget the last layer."""
    del model.model.language_model.layers[-1]
    model.config.text_config.num_hidden_layers -= 1


def strict() -> None:
    """Score by the very string."""
    from evalkit.task import Task

    def score(old: Any, self: Any, sample: Any, response: Any) -> Any:
        made = old(self, sample, response)
        if response is None or made.value is None:
            return made
        return replace(made, value=float(made.value == 1 and response.text in sample.answers))

    wrap(Task, "score", score)


def no_subtitles() -> None:
    from evalkit.data import filling

    wrap(filling, "_chosen", lambda old, *given: None)


def shifted(array: Any) -> Any:
    import numpy as np

    return np.roll(array, 9, axis=(0, 1))


def no_system(request: Any) -> Any:
    return replace(request, system="")


FAULTS: dict[str, Callable[[], Any] | Sequence[str]] = {
    "none": [],
    "red and blue swapped": lambda: on_pictures(lambda array: array[..., ::-1]),
    "another model's mean and deviation": lambda: on_processor(
        image_mean=[0.0, 0.0, 0.0], image_std=[1.0, 1.0, 1.0]
    ),
    "nearest instead of bicubic": nearest,
    "half the pixels": lambda: resized(halves),
    "pixel limit of 768 tokens": lambda: on_requests(
        lambda request: replace(
            request, pixels=replace(request.pixels, min_pixels=3136, max_pixels=602112)
        )
    ),
    "pictures as JPEG of quality 85": jpeg,
    "pictures nine pixels aside": lambda: on_pictures(shifted),
    "pictures turned over": lambda: on_pictures(lambda array: array.swapaxes(0, 1)),
    "blank pictures": lambda: on_pictures(lambda array: array * 0 + 255),
    "frames in reverse": lambda: on_clips(lambda frames: frames[::-1]),
    "one frame a second": [
        f"tasks.{name}.protocols.model_card.frames.fps=1.0"
        for name in ("mvbench", "videomme", "videomme_subs")
    ],
    "the first frame only": lambda: on_clips(lambda frames: frames * 0 + frames[:1]),
    "subtitles left out": no_subtitles,
    "two pictures swapped": lambda: on_requests(reordered),
    "no system turn": lambda: on_requests(no_system),
    "another prompt": ["protocol=mixin"],
    "question before the picture": lambda: on_requests(text_first),
    "options' letters moved": lambda: on_requests(lettered),
    "positions of text for pictures": flat,
    "padding on the wrong side": padded_right,
    "rows of a batch mixed up": leak,
    "sampling": sampled,
    "replies cut after two tokens": ["model.max_reply=2"],
    "weights of 3 bits": lambda: on_model(coarse),
    "a layer left out": lambda: on_model(untied),
    "scores by the very string": strict,
}
"""What goes wrong, by name: a change of the code, or settings."""


def scores(folder: Path) -> dict[str, float]:
    """Return the benchmarks' scores of a run, in percent."""
    found = {}
    for path in sorted(folder.glob("*/summary.json")):
        summary = json.loads(path.read_text("utf-8"))
        value = summary["metrics"][summary["primary"]]
        points = summary["scale"] == "points"
        found[summary["task"]] = 100 * value / summary["n"] if points else value
    return found


def prints(folder: Path) -> dict[str, dict[str, str]]:
    """Return the fingerprints of a run's responses."""
    return {
        f"{path.parent.name}/{line['id']}": line["digests"]
        for path in folder.glob("*/responses.jsonl")
        for line in map(json.loads, path.read_text("utf-8").splitlines())
    }


def seen(here: Path, there: Path) -> str:
    """Return what first differs between two runs: a stage's fingerprints, or the model's."""
    one, other = prints(here), prints(there)
    for stage in STAGES:
        if any(one[item].get(stage) != other[item].get(stage) for item in one):
            return stage
    parts = differing(*(settings_of(folder, "docvqa") for folder in (here, there)))
    model = [key.partition(".")[2] for key, *_ in parts if key.startswith("backend.")]
    return ", ".join(model) or sure(here, there) or "-"


def sure(here: Path, there: Path) -> str:
    """Return how many replies differ that were no close call, or that the scorer does."""
    stages = [part for told in explain_runs(here, there) for part in told.parts]
    turned = sum(part.differ - (part.close or 0) for part in stages if part.stage == "output")
    if turned:
        return f"{turned} sure replies"
    return "scorer" if any(part.stage == "scorer" for part in stages) else ""


def one(fault: str, out: Path, limit: int) -> None:
    """Make the default run with a fault planted in this process."""
    planted = FAULTS[fault]
    words = list(planted) if not callable(planted) else []
    if callable(planted):
        planted()
    run(compose("run", [*words, f"out={out}", "name=run", f"limit={limit}"]), quiet=True)


def main() -> None:
    """Make the runs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--limit", type=int, default=SIZE, help="questions of each benchmark")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once, a share of cores each")
    parser.add_argument("--plant", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.plant:
        return one(words.plant, words.out, words.limit)
    lines = list[str]()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(words.jobs) as pool:

        def planted(fault: str) -> Path:
            out = Path(tempfile.mkdtemp(dir=folder))
            command = [sys.executable, __file__, "--plant", fault, "--out", str(out)]
            command += ["--limit", str(words.limit)]
            threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // words.jobs))}
            subprocess.run(
                command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **threads}
            )
            return out / "run"

        faults = ["none", *(words.faults or list(FAULTS)[1:])]
        made = pool.map(planted, faults)
        whole = next(made)
        for fault, found in zip(faults, chain([whole], made), strict=True):
            lines.append(line(fault, found, whole))
            print(lines[-1], flush=True)
    if words.write:
        words.write.write_text(text(lines, words.limit), "utf-8")
    return None


def line(fault: str, run: Path, whole: Path) -> str:
    """Return a row of the table."""
    found, base = scores(run), scores(whole)
    mean = sum(found.values()) / len(found)
    lost = sum(base.values()) / len(base) - mean
    worst = max(base, key=lambda task: base[task] - found[task])
    most = base[worst] - found[worst]
    return (
        f"| {fault} | {mean:.1f} | {lost:.1f} | {f'{worst} {most:.1f}' if most > 0 else ''} |"
        f" {seen(whole, run)} |"
    )


def text(lines: Sequence[str], limit: int) -> str:
    """Return the table as a Markdown file."""
    return "\n".join(
        [
            "# What planted faults do to the canary's score",
            "",
            f"Made by `python tests/canary/sensitivity.py --limit {limit} --write FILE`: the",
            f"default run with one fault at a time, {limit} questions of each of its benchmarks;",
            "the mean is of their scores.",
            "*Seen in* is where `evalkit explain` shows it beside the score: the first stage whose",
            "fingerprints differ from the run without a fault, or what the manifest records of the",
            "model. A fault in the computing has no fingerprint; it turns replies that were sure,",
            "where rounding turns only those that led by less than 0.5 in logits.",
            "",
            "| Fault | Mean | Lost | Most lost on | Seen in |",
            "| --- | ---: | ---: | --- | --- |",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    main()
