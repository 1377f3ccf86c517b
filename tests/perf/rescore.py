"""Scoring speed: the image half of the card as whole processes, and rows a second by scorer.

    python tests/perf/rescore.py

Rows and replies are the built-in set's, repeated under new ids to the published sizes, each reply
a gold answer or one with a slip. The first figure is the wall time of `evalkit score run=RUN` over
all of them; then follow rows a second of each scorer beside a plain-Python metric, where one fits
in a few lines.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from evalkit.canary.sets import rows as drawn
from evalkit.compose import compose
from evalkit.config import benches
from evalkit.metrics import anls, relaxed, vqa
from evalkit.samples import samples

SIZES = {
    "mmmu": 900, "docvqa": 5349, "infovqa": 2801, "chartqa": 2500, "textvqa": 5000,
    "ocrbench": 1000, "realworldqa": 765, "mathvista": 1000,
}  # fmt: skip
WORDS = ["north", "total", "1975", "of", "the", "red", "45", "%"]
IDS = {"mmmu": "id", "docvqa": "questionId", "infovqa": "questionId", "textvqa": "question_id",
       "realworldqa": "index", "mathvista": "pid"}  # fmt: skip


def write_run(folder: Path) -> int:
    """Write a run with the published number of rows and answers; return how many there are."""
    words = [f"task=[{','.join(SIZES)}]", "model=replay", "model.answers=x", "protocol=model_card"]
    words += [f"tasks.{name}.rows.file={folder / name}.jsonl" for name in SIZES]
    config = compose("run", words)
    rng = random.Random(5)
    for name, size in SIZES.items():
        base: list[dict[str, Any]] = [
            {k: v for k, v in row.items() if not isinstance(v, dict) or "bytes" not in v}
            for row in drawn(name)
        ]
        with (folder / f"{name}.jsonl").open("w") as file:
            for number in range(size):
                row = dict(base[number % len(base)])
                if name == "mmmu":
                    row["id"] = f"{row['id'].rpartition('_')[0]}_{number}"
                elif name in IDS:
                    row[IDS[name]] = type(row[IDS[name]])(900_000 + number)
                file.write(json.dumps(row) + "\n")
    for bench in benches(config):
        place = folder / "run" / bench.task.name
        place.mkdir(parents=True)
        with (place / "responses.jsonl").open("w") as file:
            for _, sample in samples(bench.task, bench.rows, None, with_media=False):
                gold = sample.answers[0] if sample.answers else "A"
                said = gold if rng.random() < 0.7 else f"{gold[1:]}x"
                file.write(json.dumps({"id": sample.id, "key": sample.id, "text": said}) + "\n")
    (folder / "run" / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return sum(SIZES.values())


def plain_anls(prediction: str, references: Sequence[str]) -> float:
    """ANLS with the Levenshtein distance as a textbook writes it."""

    def distance(a: str, b: str) -> int:
        row = list(range(len(b) + 1))
        for i, x in enumerate(a, start=1):
            above, row[0] = row[0], i
            for j, y in enumerate(b, start=1):
                above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (x != y))
        return row[-1]

    best = 0.0
    for reference in references:
        a, b = (" ".join(t.strip().lower().split()) for t in (prediction, reference))
        length = max(len(prediction.upper()), len(reference.upper()))
        best = max(best, 1 - distance(a, b) / length if length else 1.0)
    return best if best >= 0.5 else 0.0


def plain_relaxed(prediction: str, references: Sequence[str]) -> float:
    """Relaxed accuracy in five lines."""
    try:
        said, gold = float(prediction), float(references[0])
        return float(abs(said - gold) / abs(gold) <= 0.05)
    except (ValueError, ZeroDivisionError):
        return float(prediction.strip().lower() == references[0].lower())


def plain_vqa(prediction: str, references: Sequence[str]) -> float:
    """VQA accuracy without any normalisation but case."""
    equal = [reference.lower() == prediction.lower() for reference in references]
    shares = [min(1.0, (sum(equal) - own) / 3) for own in equal]
    return sum(shares) / len(shares)


def speed(metric: Callable[..., Any], cases: Sequence[tuple[str, Sequence[str]]]) -> float:
    """Return rows a second."""
    start = time.perf_counter()
    for prediction, references in cases:
        metric(prediction, references)
    return len(cases) / (time.perf_counter() - start)


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = write_run(folder)
        words = [sys.executable, "-m", "evalkit", "score", f"run={folder}/run", f"out={folder}/o"]
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            subprocess.run(words, check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
        print(f"{count} answers of {len(SIZES)} tasks: {min(seconds):.2f} s as a whole process")
    rng = random.Random(3)
    text = [" ".join(rng.choices(WORDS, k=3)) for _ in range(400)]
    pairs = [(rng.choice(text), [rng.choice(text) for _ in range(3)]) for _ in range(4000)]
    numbers = [(str(rng.randint(1, 99)), [str(rng.randint(1, 99))]) for _ in range(4000)]
    tens = [(rng.choice(text), rng.choices(text, k=10)) for _ in range(4000)]
    for title, module, plain, cases in (
        ("anls", anls, plain_anls, pairs),
        ("relaxed", relaxed, plain_relaxed, numbers),
        ("vqa", vqa, plain_vqa, tens),
    ):
        base = speed(plain, cases)
        for name, metric in module.VARIANTS.items():
            ours = speed(metric, cases)
            print(f"{title} {name}: {ours:,.0f} rows/s, {ours / base:.2f} x plain Python")


if __name__ == "__main__":
    main()
