"""Drawn rows as what the model sees: cells of pixels, token ids, positions and the right replies.

Questions go through the tasks themselves, so that prompts are the protocols' own. Pictures do not
go through files: a sheet's cells are taken as they were drawn, and of the bare ones around them
only some, which is what makes training on two cores possible.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count, groupby
from typing import Any, NamedTuple

from evalkit.canary import canvas, clips
from evalkit.canary.canvas import Canvas
from evalkit.canary.facts import Cell
from evalkit.canary.sets import rows
from evalkit.canary.training.asked import asked_of
from evalkit.chat import render
from evalkit.data.subtitles import Shown, select_subtitles
from evalkit.task import Task
from evalkit.types import Media, Request, Row, Sample, Subtitled

__all__ = ["TASKS", "WHOLE", "Group", "Patch", "Question", "groups", "reply", "tasks"]

TASKS = (
    "docvqa", "infovqa", "chartqa", "textvqa", "ocrbench", "mmmu", "mathvista", "realworldqa",
    "realworldqa_hub", "mvbench", "videomme", "videomme_subs",
)  # fmt: skip
"""What it is trained on: every set but MM-Vet's, which asks bare what others ask with a hint."""


Shot = tuple[bytes, float | None, float | None]
"""A file's bytes, and the part of it that is shown."""

Asked = tuple[tuple[Shot, ...], Request, Sample, Row]


WHOLE = 1 << 20
"""More bare cells than any sheet has."""

MOST = 700
"""Letters of a group's questions: with more of them a batch costs more than it teaches."""


class Patch(NamedTuple):
    """One cell at one time: what becomes one visual token."""

    time: int
    """The second of a clip; 0 in a picture."""
    row: int
    """Its row on the sheet."""
    column: int
    """Its column."""
    pixels: Any
    """28 x 28 x 3 bytes."""
    cell: Cell | None
    """What was drawn there; ``None`` for bare ground."""
    extent: tuple[int, int]
    """The sheet's last row and column."""
    traits: Mapping[str, str]
    """What is known of it, by name; nothing of bare ground."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question and its reply."""

    text: str
    """The chat string behind the last picture."""
    answer: str
    """The reply."""
    asked: dict[str, str] | None
    """The traits of what it asks for on the pictures, if that is known."""


@dataclass(frozen=True, slots=True)
class Group:
    """Questions that open with the same pictures."""

    before: tuple[str, ...]
    """The chat string before each picture."""
    pictures: tuple[tuple[Patch, ...], ...]
    """Each picture's cells, by time, row and column."""
    questions: tuple[Question, ...]
    """What is asked."""


def tasks(names: Sequence[str] = TASKS) -> dict[str, Task]:
    """Return the tasks by name, under the protocol of the model card."""
    from evalkit.compose import compose
    from evalkit.config import benches

    return {name: benches(compose("show", [f"task={name}"]))[0].task for name in names}


@contextmanager
def undrawn(kept: dict[bytes, list[Canvas]], numbers: Iterator[int]) -> Iterator[None]:
    """Keep sheets as they are instead of making files of them; a file's bytes are their number."""
    png, mp4 = canvas.encode, clips.encode

    def clip(seconds: Sequence[Canvas]) -> bytes:
        key = str(next(numbers)).encode()
        kept[key] = list(seconds)
        return key

    def picture(canvas: Canvas) -> bytes:
        return clip([canvas])

    canvas.encode, clips.encode = picture, clip
    try:
        yield
    finally:
        canvas.encode, clips.encode = png, mp4


def groups(
    name: str, task: Task, seed: int, ground: Callable[[random.Random], int]
) -> Iterator[Group]:
    """Yield the questions of a set without end, those on one picture together.

    Args:
        name: the task's name.
        task: the task.
        seed: which rows; 0 is what the package asks.
        ground: how many bare cells of a picture are shown besides those that were drawn on.
    """
    kept: dict[bytes, list[Canvas]] = {}
    rng = random.Random(f"ground {name} {seed}")
    asked = _asked(task, rows(name, seed, 1 << 40), kept)
    for key, found in groupby(asked, key=lambda one: one[0]):
        several = list(found)
        sheets = [
            kept[data][int(start or 0) : None if end is None else math.ceil(end)]
            for data, start, end in key
        ]
        made = _group(name, several, sheets, rng, ground(rng))
        for questions in _portions(made.questions):
            yield replace(made, questions=questions)
        for each in [each for each in kept if int(each) < int(key[0][0])]:
            del kept[each]


def _asked(task: Task, drawn: Iterator[Row], kept: dict[bytes, list[Canvas]]) -> Iterator[Asked]:
    numbers = count()
    for number in count():
        with undrawn(kept, numbers):
            row = next(drawn)
        sample = task.sample(row, number)
        request = _filled(task.request(sample))
        shown = tuple(
            (part.data or b"", part.start, part.end)
            for part in request.parts
            if isinstance(part, Media)
        )
        yield shown, request, sample, row


def _filled(request: Request) -> Request:
    """Return a request with the subtitles that its frames choose."""
    shown = Shown.at([round(place * 31 / 7) for place in range(8)], clips.FPS)
    parts = [
        part.text(select_subtitles(part.srt, part.how.rule, shown))
        if isinstance(part, Subtitled)
        else part
        for part in request.parts
    ]
    return replace(request, parts=tuple(parts))


def reply(task: str, sample: Sample, row: Row) -> str:
    """Return what the model shall say."""
    if task == "mvbench":
        return f"({'ABCDE'[list(sample.options).index(sample.answers[0])]})"
    if task == "mathvista" and row["choices"]:
        return "ABCDE"[row["choices"].index(row["answer"])]
    if task == "textvqa":
        return str(sample.answers[0]).upper()
    if "answer" in row and not isinstance(row["answer"], list):
        return str(row["answer"])
    return str(sample.answers[0])


def _group(
    name: str,
    asked: Sequence[Asked],
    sheets: Sequence[list[Canvas]],
    rng: random.Random,
    ground: int,
) -> Group:
    questions, before = list[Question](), list[str]()
    for _, request, sample, row in asked:
        *before, text = _pieces(render(request))
        questions.append(Question(text, reply(name, sample, row), asked_of(sample.question)))
    pictures = tuple(
        tuple(_patches(times, rng, ground, place)) for place, times in enumerate(sheets, 1)
    )
    return Group(tuple(before), pictures, tuple(questions))


def _portions(questions: Sequence[Question]) -> Iterator[tuple[Question, ...]]:
    """Yield questions in portions of about ``MOST`` letters."""
    portion: list[Question] = []
    for question in questions:
        if portion and sum(len(each.text) for each in (*portion, question)) > MOST:
            yield tuple(portion)
            portion = []
        portion.append(question)
    yield tuple(portion)


def _pieces(chat: str) -> list[str]:
    return chat.replace("<|video_pad|>", "<|image_pad|>").split("<|image_pad|>")


def _traits(cell: Cell | None, time: int, moments: int, picture: int) -> dict[str, str]:
    """Return what is known of a cell of one of a question's pictures."""
    if cell is None:
        return {}
    traits = {"index": str(min(15, cell.index)), "picture": str(picture), **cell.traits}
    if cell.key:
        traits["key"] = cell.key
    if moments > 1:
        traits["time"] = str(time)
    if not time:
        traits.pop("before", None)  # what was there before is not shown
    return traits


def _patches(times: list[Canvas], rng: random.Random, ground: int, picture: int) -> Iterator[Patch]:
    for time, sheet in enumerate(times):
        places = {(row, column) for column, row in sheet.cells}
        bare = [
            (row, column)
            for row in range(sheet.rows)
            for column in range(sheet.columns)
            if (row, column) not in places
        ]
        array, side = sheet.array(), canvas.CELL
        for row, column in sorted(places | set(rng.sample(bare, min(len(bare), ground)))):
            tile = array[row * side : (row + 1) * side, column * side : (column + 1) * side]
            if len(times) > 1:
                tile = _blurred(tile, rng)
            cell, extent = sheet.cells.get((column, row)), (sheet.rows - 1, sheet.columns - 1)
            traits = _traits(cell, time, len(times), picture)
            yield Patch(time, row, column, tile, cell, extent, traits)


def _blurred(tile: Any, rng: random.Random) -> Any:
    """Return a frame's cell with noise as strong as what a codec leaves behind."""
    import numpy as np

    noise = np.random.RandomState(rng.getrandbits(32)).normal(0, 3, tile.shape)
    return np.clip(tile + noise, 0, 255).astype(np.uint8)
