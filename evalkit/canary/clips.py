"""Moving pictures: a thing that moves, letters one after another, colours one after another.

Made like the pictures: each function draws one clip from a generator and returns it with the facts
in it, as an MP4 file in memory. What is shown changes once a second, so that at two frames a second
the two frames of one visual token show the same. The codec is MPEG-4 part 2, which every build of
FFmpeg has.
"""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from evalkit.canary import words
from evalkit.canary.canvas import CELL, NAMED, Canvas
from evalkit.canary.facts import Fact, one_of

__all__ = ["Clip", "encode", "letters", "moving", "places", "subtitles"]

FPS = 8
"""Frames a second."""

_COLUMNS, _ROWS = 14, 10
"""Cells of a frame: a few more than the 128 below which Qwen2-VL's frames are enlarged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A drawn clip with the facts in it."""

    mp4: bytes
    """The clip as an MP4 file."""
    seconds: float
    """How long it is."""
    facts: tuple[Fact, ...]
    """What can be asked about it; a fact's kind is the MVBench task that it belongs to."""


def encode(seconds: Sequence[Canvas]) -> bytes:
    """Return an MP4 file that shows each sheet for a second; the same bytes with the same PyAV."""
    import av

    buffer = io.BytesIO()
    # Without bitexact the file names the encoder's version.
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = _COLUMNS * CELL, _ROWS * CELL, "yuv420p"
        stream.codec_context.options = {"qmin": "2", "qmax": "3", "flags": "+bitexact"}
        for sheet in seconds:
            for _ in range(FPS):
                frame = av.VideoFrame.from_ndarray(sheet.array(), format="rgb24")
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()


def _clip(seconds: Sequence[Canvas], facts: list[Fact]) -> Clip:
    return Clip(mp4=encode(seconds), seconds=len(seconds), facts=tuple(facts))


_WAYS = {"Left": (-1, 0), "Right": (1, 0), "Up": (0, -1), "Down": (0, 1)}
"""How a thing goes, by the name of the direction."""


def moving(rng: random.Random) -> Clip:
    """Draw two things for four seconds: one crosses the sheet, the other stays."""
    colors, way = rng.sample(NAMED, 2), rng.choice(list(_WAYS))
    (across, down), kinds = _WAYS[way], [rng.choice(("circle", "square")) for _ in colors]
    still = (rng.randrange(1, _COLUMNS - 1), rng.choice((0, _ROWS - 1)))
    start = (
        {1: 1, -1: 12}.get(across, rng.randint(1, 12)),
        {1: 1, -1: 7}.get(down, rng.randint(1, 8)),
    )
    sheets = []
    for step in range(4):
        sheet = Canvas(_COLUMNS, _ROWS)
        for column, row in product(range(2), range(2)):
            box = (column * _COLUMNS // 2, row * _ROWS // 2)
            sheet.fill((*box, box[0] + _COLUMNS // 2, box[1] + _ROWS // 2), _GROUNDS[row][column])
        at = (start[0] + 3 * across * step, start[1] + 2 * down * step)
        # Only when it is over is it clear which of them has moved, and where to.
        moved, stayed = ("moving", "still") if step == 3 else ("", "")
        traits = {"hue": colors[0], **({"way": way} if moved else {})}
        sheet.put(kinds[0], at, colors[0], _ground(at), key=moved, traits=traits)
        traits = {"hue": colors[1]}
        sheet.put(kinds[1], still, colors[1], _ground(still), key=stayed, traits=traits)
        sheets.append(sheet)
    return _clip(sheets, _moving_facts(rng, colors, kinds[0], way))


_GROUNDS = (("silver", "sky"), ("grass", "brick"))
"""The colours of a stage's quarters, by row and column: they tell where a thing is."""


def _ground(at: tuple[int, int]) -> str:
    """Return the colour of the stage at a place."""
    return _GROUNDS[at[1] >= _ROWS // 2][at[0] >= _COLUMNS // 2]


def _moving_facts(rng: random.Random, colors: list[str], kind: str, way: str) -> list[Fact]:
    asked = rng.choice([*colors, rng.choice([name for name in NAMED if name not in colors])])
    there = "yes" if asked in colors else "no"
    direction = f"What direction is the {colors[0]} {kind} moving in?"
    ways = [*_WAYS, "It does not move"]
    return [
        one_of(rng, direction, way, "moving_direction", ways),
        one_of(
            rng, "What color is the object that is moving?", colors[0], "moving_attribute", NAMED
        ),
        one_of(
            rng,
            "What color is the object that is stationary?",
            colors[1],
            "moving_attribute",
            NAMED,
        ),
        one_of(
            rng,
            f"Are there any {asked} objects when the video ends?",
            there,
            "object_existence",
            ("yes", "no", "not sure"),
        ),
    ]


def letters(rng: random.Random) -> Clip:
    """Show four letters one after another, each for a second."""
    # None of A to E: as an option's text they would read as an option's letter.
    shown = rng.sample("FGHKLMNPRSTUVXZ", 4)
    sheets = []
    for before, letter in zip(("", *shown), shown, strict=False):
        sheet = Canvas(_COLUMNS, _ROWS, "paper")
        at = (rng.randrange(1, _COLUMNS - 1), rng.randrange(1, _ROWS - 1))
        sheet.put(letter, at, "blue", "white", key="letter", traits={"before": before})
        sheets.append(sheet)
    asked = rng.randrange(3)

    def order(question: str, place: int) -> Fact:
        return one_of(rng, question, shown[place], "character_order", shown)

    return _clip(
        sheets,
        [
            order("Which letter is shown first?", 0),
            order("Which letter is shown last?", 3),
            order("Which letter is shown in the second place?", 1),
            order(f"Which letter is shown right after the letter {shown[asked]}?", asked + 1),
        ],
    )


_PARTS = {
    "At the beginning of the video.": (0,),
    "In the middle of the video.": (1, 2),
    "At the end of the video.": (3,),
    "Throughout the entire video.": (0, 1, 2, 3),
}
"""The quarters of a clip that each of MVBench's answers names."""


def places(rng: random.Random) -> Clip:
    """Show four coloured flags, each for a second, with a lamp that goes on."""
    shown, part = rng.sample(NAMED, 4), rng.choice(list(_PARTS))
    at, lamp = (rng.randrange(1, 11), rng.randrange(5, 9)), (rng.randrange(1, 13), 2)
    sheets = []
    for quarter, color in enumerate(shown):
        sheet = Canvas(_COLUMNS, _ROWS, "sky")
        for column in range(3):
            traits = {"hue": color, "before": shown[quarter - 1] if quarter else ""}
            sheet.put("", (at[0] + column, at[1]), "black", color, key="flag", traits=traits)
        lit, over = quarter in _PARTS[part], {"way": part} if quarter == len(shown) - 1 else {}
        sheet.put("disc", lamp, "yellow" if lit else "gray", "black", key="lamp", traits=over)
        sheets.append(sheet)
    return _clip(sheets, _place_facts(rng, shown, part))


def _place_facts(rng: random.Random, shown: list[str], part: str) -> list[Fact]:
    def flag(question: str, number: int, span: tuple[float, float]) -> Fact:
        names = [f"{name.capitalize()}." for name in shown]
        return replace(one_of(rng, question, names[number], "action_sequence", names), span=span)

    lamp = "During which part of the video is the lamp on?"
    return [
        one_of(rng, "Which color has the flag at first?", shown[0], "scene_transition", shown),
        # Only the middle half is asked about: whoever shows the whole clip gets it wrong.
        flag("Which color has the flag at first?", 1, (1.0, 2.9)),
        flag(f"Which color has the flag right after {shown[2]}?", 3, (0.0, 4.0)),
        replace(one_of(rng, lamp, part, "action_localization", list(_PARTS)), span=(0.0, 4.0)),
    ]


def subtitles(rng: random.Random, seconds: float) -> tuple[str, Fact]:
    """Return a SubRip file in the manner of Video-MME's, and what only it tells.

    Cues overlap, as those of automatic captions do, and carry the same font tag.
    """
    known = words.draw(rng, words.WORDS, 6)
    cues = (
        (0.0, 0.5 * seconds, "hello and welcome"),
        (0.3 * seconds, 0.8 * seconds, f"the word of the day is {known[0]}"),
        (0.5 * seconds, seconds, "thank you for watching"),
    )
    blocks = [
        f"{number}\n{_stamp(start)} --> {_stamp(end)}\n"
        f'<font color="white" size=".72c">{text}</font>\n'
        for number, (start, end, text) in enumerate(cues, 1)
    ]
    question = "Which word does the speaker call the word of the day?"
    return "\n".join(blocks), one_of(rng, question, known[0], "spoken", known)


def _stamp(seconds: float) -> str:
    whole, milliseconds = divmod(round(1000 * seconds), 1000)
    return f"00:{whole // 60:02}:{whole % 60:02},{milliseconds:03}"
