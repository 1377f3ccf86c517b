"""What six questions on one video cost, three without and three with subtitles, next to one.

    python tests/perf/once_per_video.py [--quick] [--seconds N] [--apart] [--repeats N]

Two benchmarks, ``videomme`` and ``videomme_subs``, ask three questions each on an H.264 video that
is drawn here, 1280x720, with captions of two and a half words a second; against one question of
``videomme``. Both go the way of a run, from the rows to the scored answers: digests, subtitles,
decoding, the processor, a Qwen2-VL of about 85 million parameters in fp32 on the processor (of 6
million if quick), replies of eight tokens. ``--apart`` asks one benchmark after the other, as if
they had nothing to do with each other. Prints seconds by the clock and by the processor, and what
was done how often. Target: at most 1.2 times one question.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sharing import checkpoint
from video_decode import draw

from evalkit.asking import Pending
from evalkit.backends import together
from evalkit.backends.transformers import TransformersBackend
from evalkit.compose import compose
from evalkit.config import Bench, benches
from evalkit.data import filling, video
from evalkit.engines.local import LocalEngine
from evalkit.engines.plan import Ask
from evalkit.joint import in_turns, jointly, labels
from evalkit.store import Responses
from evalkit.task import Task
from evalkit.types import Record, Response

REPLY = 8
TASKS = ("videomme", "videomme_subs")
CAPTION = "and now the second of them goes over there again"
QUESTIONS = (
    "What does the square in the middle of the picture do in the second half of the video?",
    "Which of the following is closest to the number of times that the background changes?",
    "In what order are these things mentioned by the speaker of the video?",
)
COUNTS: Counter[str] = Counter()


def counted(module: Any, name: str) -> None:
    """Count how often a function of a module is called."""
    whole = getattr(module, name)

    def work(*given: Any, **named: Any) -> Any:
        COUNTS[name] += 1
        return whole(*given, **named)

    setattr(module, name, work)


def stamp(seconds: int) -> str:
    """Return a time as SubRip has it."""
    return f"00:{seconds // 60:02}:{seconds % 60:02},000"


def write(folder: Path, seconds: int) -> None:
    """Write the video, its captions, each of which stays while the next is shown, and the rows."""
    for name in ("data", "subtitle"):
        (folder / name).mkdir()
    draw(folder / "data" / "film.mp4", seconds)
    cues = [
        f"{n}\n{stamp(4 * n)} --> {stamp(4 * n + 8)}\n<font>{n} {CAPTION}</font>\n"
        for n in range(seconds // 4)
    ]
    (folder / "subtitle" / "film.srt").write_text("\n".join(cues))
    options = [f"{letter}. It is the {n}th of them." for n, letter in enumerate("ABCD", 2)]
    about = {"videoID": "film", "options": options, "answer": "A"}
    rows = [
        {**about, "question_id": f"film-{number}", "question": question}
        for number, question in enumerate(QUESTIONS)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def ask(sets: Sequence[Sequence[Bench]], limit: int, backend: Any) -> tuple[float, float]:
    """Ask sets of benchmarks; return seconds by the clock and by the processor."""
    filling.preview.cache_clear()
    filling._selected.cache_clear()
    config = {"limit": limit, "retry_failed": True}
    errors: list[str] = []

    def mark(tasks: Mapping[str, Task], ask: Ask, response: Response) -> Record:
        return tasks[ask.request.task].record(ask.sample, response)

    def keep(response: Response, record: Record) -> None:
        errors.extend([response.error] if response.error else [])

    wall, cpu = time.perf_counter(), time.process_time()
    for joint in sets:
        tasks = dict(zip(labels(joint), (bench.task for bench in joint), strict=True))
        pending = [
            Pending(
                bench=bench,
                label=label,
                config=config,
                stored=Responses(Path()),
                identity=backend.identity,
                note=lambda record: None,
            )
            for bench, label in zip(joint, labels(joint), strict=True)
        ]
        LocalEngine().evaluate(in_turns(pending), backend, partial(mark, tasks), keep)
    assert not errors, errors[0]
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small model")
    parser.add_argument("--seconds", type=int, default=20, help="how long the video is")
    parser.add_argument("--apart", action="store_true", help="one benchmark after the other, too")
    parser.add_argument("--repeats", type=int, default=2, help="the best of so many counts")
    words = parser.parse_args()
    counted(video, "load_clip")
    counted(together, "encode")
    counted(together, "grow")
    size = "quick" if words.quick else "full"
    with (
        tempfile.TemporaryDirectory() as place,
        TransformersBackend(
            path=str(checkpoint(size)), device="cpu", threads=1, max_reply=REPLY
        ) as backend,
    ):
        write(Path(place), words.seconds)
        files = [f"tasks.{name}.rows.file={place}/rows.jsonl" for name in TASKS]
        both = benches(compose("run", [f"task=[{','.join(TASKS)}]", *files]))
        cases: dict[str, Callable[[], tuple[float, float]]] = {
            "one": lambda: ask([both[:1]], 1, backend),
            "six": lambda: ask(jointly(both), len(QUESTIONS), backend),
        }
        if words.apart:
            cases["apart"] = lambda: ask([[each] for each in both], len(QUESTIONS), backend)
        report(cases, words.repeats)


def report(cases: dict[str, Callable[[], tuple[float, float]]], repeats: int) -> None:
    """Print each case's seconds, and its ratio to one question."""
    best: dict[str, tuple[float, float]] = {}
    for _ in range(repeats):
        for name, case in cases.items():
            COUNTS.clear()
            wall, cpu = case()
            before = best.get(name, (wall, cpu))
            best[name] = min(before[0], wall), min(before[1], cpu)
            print(f"  {name:5}  {wall:7.2f} s  {cpu:7.2f} CPU s  {dict(COUNTS)}", flush=True)
    for name, (wall, cpu) in best.items():
        ratios = wall / best["one"][0], cpu / best["one"][1]
        met = "" if name != "six" else "  met" if ratios[1] <= 1.2 else "  NOT MET"
        print(f"{name:5}  {ratios[0]:.2f} by the clock, {ratios[1]:.2f} by the processor{met}")


if __name__ == "__main__":
    main()
