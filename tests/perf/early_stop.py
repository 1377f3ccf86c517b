"""What a gate that stops early saves, and how often it errs, by simulation.

    python tests/perf/early_stop.py [--repeats 200] [--questions 2500] [--size 1]

Each line is a true loss in points, at which a run is asked in random order until the sequential
gate knows: how often it passed and failed, what share of the questions was never asked (looking
after every picture, and after each of eight waves), and what the test of the whole set would have
said. Seeds are fixed, so a figure can be had again.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from evalkit.gates.sequential import Asked, SequentialGate
from evalkit.stats import non_inferiority, paired_difference

LOSSES = (0.0, 2.0, 5.0, 10.0)
"""True losses, in points."""

WAVES = 8
"""Parts that rows in a fixed order are read in."""


@dataclass(frozen=True, slots=True)
class Design:
    """What is simulated."""

    questions: int
    """How many the benchmark has."""
    size: int
    """How many share a picture; those of one flip together half of the time."""
    margin: float
    """The margin, in points."""
    noise: float
    """The share of questions, in percent, that flip either way alike."""


def draw(
    rng: np.random.Generator, design: Design, loss: float
) -> tuple[dict[str, Asked], dict[str, float]]:
    """Return a baseline's questions and a run's scores, ``loss`` points worse on average."""
    n, noise = design.questions, design.noise / 100
    clusters = np.arange(n) // design.size
    shared = rng.random(clusters[-1] + 1)[clusters]
    roll = np.where(rng.random(n) < 0.5 * (design.size > 1), shared, rng.random(n))
    before = roll >= noise / 2
    down = (roll >= noise / 2) & (roll < noise + loss / 100)
    asked = {str(at): Asked(score=float(before[at]), cluster=str(clusters[at])) for at in range(n)}
    now = np.where(before, ~down, True)
    return asked, {str(at): float(now[at]) for at in range(n)}


def simulate(design: Design, loss: float, repeats: int) -> list[str]:
    """Return the cells of one line."""
    rng = np.random.default_rng(17)
    states: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    asked_one = asked_wave = 0
    for seed in range(repeats):
        asked, scores = draw(rng, design, loss)
        gate = SequentialGate(asked, design.margin / 100, seed=seed)
        given = 0
        for wave in gate.waves(WAVES):
            for name in wave:
                if gate.state == "continue":
                    given += 1
                    gate.add(name, scores[name])
            asked_wave += len(wave)
            if gate.state != "continue":
                break
        asked_one += given
        states[gate.state] += 1
        names = list(asked)
        found = paired_difference(
            [scores[name] for name in names],
            [asked[name].score for name in names],
            [asked[name].cluster for name in names],
        )
        whole[non_inferiority(found, design.margin / 100).outcome] += 1
    total = repeats * design.questions
    return [
        f"{loss:g}",
        *(f"{states[word] / repeats:.1%}" for word in ("pass", "fail", "continue")),
        f"{1 - asked_one / total:.0%}",
        f"{1 - asked_wave / total:.0%}",
        *(f"{whole[word] / repeats:.1%}" for word in ("pass", "fail", "inconclusive")),
    ]


HEADERS = (
    "loss", "pass", "fail", "open", "saved", "by waves", "whole: pass", "fail", "inconclusive"
)  # fmt: skip


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--questions", type=int, default=2500)
    parser.add_argument("--size", type=int, default=1)
    parser.add_argument("--noise", type=float, default=5.0)
    found = parser.parse_args()
    for margin in (1.0, 2.0):
        design = Design(found.questions, found.size, margin, found.noise)
        start = time.perf_counter()
        print(
            f"{design.questions} questions, {design.size} a picture, {design.noise:g} % flip,"
            f" margin {margin:g}, {found.repeats} repeats"
        )
        print("".join(f"{name:>14}" for name in HEADERS))
        for loss in dict.fromkeys((*LOSSES[:1], margin, *LOSSES[1:])):
            cells = simulate(design, loss, found.repeats)
            print("".join(f"{cell:>14}" for cell in cells), flush=True)
        print(f"{time.perf_counter() - start:.0f} s\n")


if __name__ == "__main__":
    main()
