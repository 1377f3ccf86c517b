"""How long comparing, explaining and gating two runs of 24,000 questions take, as whole processes.

    python tests/perf/compare_speed.py

The runs are drawn here: 12 benchmarks of 2,000 questions, three on a page, with all fingerprints.
Prints the best of three for the interpreter alone and for each verb; on a machine that is busy with
something else the time on a processor is the one to read.
"""

from __future__ import annotations

import importlib.util
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from evalkit.baseline import write
from evalkit.results import load

BENCHMARKS, QUESTIONS = 12, 2000


def load_helper(name: str) -> ModuleType:
    """Import a helper that stands in the folder above."""
    path = Path(__file__).parents[1] / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def draw(folder: Path) -> None:
    """Write two runs and a baseline file; of the second run 5 % of the pixels and scores differ."""
    written, rng = load_helper("written"), random.Random(3)
    for at in range(BENCHMARKS):
        before = written.draw(QUESTIONS)
        after = [
            (
                replace(record, score=1.0 - record.score),
                replace(
                    answer, text="other", digests=answer.digests | {"pixels": written.digest(1)}
                ),
            )
            if rng.random() < 0.05
            else (record, answer)
            for record, answer in before
        ]
        written.write_run(folder / "one", before, task=f"task{at}")
        written.write_run(folder / "two", after, task=f"task{at}")
    write(folder / "one.json", load(folder / "one"))


def best(words: list[str], times: int = 3) -> str:
    """Return the shortest wall time of a command, and the shortest time on a processor."""
    wall, busy = [], []
    for _ in range(times):
        start, before = time.perf_counter(), os.times()
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        after = os.times()
        wall.append(time.perf_counter() - start)
        busy.append(sum(after[2:4]) - sum(before[2:4]))
        assert done.returncode in (0, 1, 4), done.stderr
    return f"{min(wall):.2f} s, {min(busy):.2f} s of them on a processor"


def main() -> None:
    """Print the figures."""
    print(f"interpreter alone: {best([sys.executable, '-c', 'pass'])}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder)
        one, two, file = (str(folder / part) for part in ("one", "two", "one.json"))
        verbs = {
            "compare": ["compare", one, two],
            "explain": ["explain", one, two],
            "gate, against a run": ["gate", two, "--baseline", one],
            "gate, against a file": ["gate", two, "--baseline", file],
            "baseline write": ["baseline", "write", one, "--out", str(folder / "new.json")],
        }
        for title, words in verbs.items():
            told = best([sys.executable, "-m", "evalkit", *words])
            print(f"{title}, {BENCHMARKS * QUESTIONS} questions: {told}", flush=True)
        print(f"the baseline file: {Path(file).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
