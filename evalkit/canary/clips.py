"""Moving pictures: things that move, letters one after another, places one after another.

Made like the pictures: each function draws one clip from a generator and returns it with the facts
in it, as an MP4 file in memory. The codec is MPEG-4 part 2, which every build of FFmpeg has.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evalkit.canary import words
from evalkit.canary.canvas import NAMED, Canvas
from evalkit.canary.facts import Fact, one_of, others
from evalkit.canary.figures import shape

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Clip", "letters", "moving", "places", "subtitles"]

FPS = 8
"""Frames a second."""

_WIDTH, _HEIGHT = 280, 196


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A drawn clip with the facts in it."""

    mp4: bytes
    """The clip as an MP4 file."""
    seconds: float
    """How long it is."""
    facts: tuple[Fact, ...]
    """What can be asked about it; a fact's kind is the MVBench task that it belongs to."""


def _clip(frames: Iterable[Image.Image], facts: list[Fact]) -> Clip:
    """Encode frames at ``FPS``; the same frames give the same bytes with the same PyAV."""
    import av

    buffer, count = io.BytesIO(), 0
    # Without bitexact the file names the encoder's version.
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        stream.codec_context.options = {"qmin": "2", "qmax": "3", "flags": "+bitexact"}
        for image in frames:
            count += 1
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode())
    return Clip(mp4=buffer.getvalue(), seconds=count / FPS, facts=tuple(facts))


_WAYS = {
    "Up and to the right.": ((46, 150), (234, 46)),
    "Down and to the left.": ((234, 46), (46, 150)),
    "Down and to the right.": ((46, 46), (234, 150)),
    "Up and to the left.": ((234, 150), (46, 46)),
}
"""Where a thing starts and ends, by how MVBench words the direction."""


def moving(rng: random.Random) -> Clip:
    """Draw three things for three seconds: one crosses the sheet, another may move aside."""
    colors = rng.sample(NAMED, 3)
    kinds = [rng.choice(("circle", "square", "triangle")) for _ in colors]
    way, both = rng.choice(list(_WAYS)), rng.random() < 0.5
    (x0, y0), (x1, y1) = _WAYS[way]
    frames = []
    for step in range(3 * FPS):
        part = step / (3 * FPS - 1)
        sheet = Canvas(_WIDTH, _HEIGHT, "silver")
        # The other two stand in the corners that the diagonal leaves free.
        aside = 52 * part if both else 0
        shape(sheet, kinds[1], (x0 + (aside if x0 < x1 else -aside), y1), 24, colors[1])
        shape(sheet, kinds[2], (x1, y0), 24, colors[2])
        shape(sheet, kinds[0], (x0 + (x1 - x0) * part, y0 + (y1 - y0) * part), 24, colors[0])
        frames.append(sheet.image())
    return _clip(frames, _moving_facts(rng, colors, kinds[0], way, both))


def _moving_facts(
    rng: random.Random, colors: list[str], kind: str, way: str, both: bool
) -> list[Fact]:
    asked, ways = rng.randrange(3), [*_WAYS, "The object is stationary."]
    which, color = ("stationary", colors[2]) if both else ("moving", colors[0])
    moves = "yes" if asked == 0 or (asked == 1 and both) else "no"
    return [
        one_of(
            rng,
            f"What direction is the {colors[0]} {kind} moving in?",
            way,
            "moving_direction",
            ways,
        ),
        one_of(rng, "How many objects are moving?", "2" if both else "1", "moving_count", "0123"),
        one_of(rng, f"What color is the object that is {which}?", color, "moving_attribute", NAMED),
        one_of(
            rng,
            f"Are there any moving {colors[asked]} objects when the video ends?",
            moves,
            "object_existence",
            ("yes", "no", "not sure"),
        ),
    ]


def letters(rng: random.Random) -> Clip:
    """Show four or five letters one after another, each for a second."""
    # None of A to E: as an option's text they would read as an option's letter.
    shown = rng.sample("FGHKLMNPRSTUVXZ", rng.randint(4, 5))
    frames = []
    for letter in shown:
        sheet = Canvas(_WIDTH, _HEIGHT, "paper")
        sheet.box((70, 18, 210, 178), "white", outline="black", radius=8)
        sheet.text(letter, (140, 98), 110, "blue", anchor="mm")
        frames += [sheet.image()] * FPS
    asked = rng.randrange(len(shown) - 1)

    def order(question: str, place: int) -> Fact:
        return one_of(rng, question, shown[place], "character_order", shown)

    return _clip(
        frames,
        [
            order("Which letter is shown first?", 0),
            order("Which letter is shown last?", len(shown) - 1),
            order(f"Which letter is shown right after the letter {shown[asked]}?", asked + 1),
            one_of(
                rng,
                "How many letters are shown one after another?",
                str(len(shown)),
                "action_count",
                "3456",
            ),
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
    """Show the names of four places, each for a second and a half, with a lamp that goes on."""
    shown, part = rng.sample(words.PLACES, 4), rng.choice(list(_PARTS))
    walls = rng.sample(("sky", "brick", "grass", "paper"), 4)
    frames = []
    for quarter, (place, wall) in enumerate(zip(shown, walls, strict=True)):
        sheet = Canvas(_WIDTH, _HEIGHT, wall)
        lit = quarter in _PARTS[part]
        sheet.disc((140, 58), 34, "black")
        sheet.disc((140, 58), 31, "yellow" if lit else "gray")
        sheet.text(place.upper(), (140, 150), 42, anchor="mm", bold=True, width=250)
        frames += [sheet.image()] * (3 * FPS // 2)

    return _clip(frames, _place_facts(rng, shown, part))


def _place_facts(rng: random.Random, shown: list[str], part: str) -> list[Fact]:
    def route(names: list[str]) -> str:
        return "From the " + " to the ".join(names) + "."

    def place(question: str, number: int, span: tuple[float, float]) -> Fact:
        names = [f"{name.capitalize()}." for name in shown]
        return replace(one_of(rng, question, names[number], "action_sequence", names), span=span)

    answer = route(shown)
    lamp = "During which part of the video is the lamp on?"
    return [
        Fact(
            "What's the right option for how the places in the video change?",
            answer,
            "scene_transition",
            others(answer, lambda: route(rng.sample(shown, 4))),
        ),
        # Only the middle half is asked about: whoever shows the whole clip gets it wrong.
        place("Which place is shown first?", 1, (1.5, 4.5)),
        place(f"Which place is shown after the {shown[2]}?", 3, (0.0, 6.0)),
        replace(one_of(rng, lamp, part, "action_localization", list(_PARTS)), span=(0.0, 6.0)),
    ]


def subtitles(rng: random.Random, seconds: float) -> tuple[str, Fact]:
    """Return a SubRip file in the manner of Video-MME's, and what only it tells.

    Cues overlap, as those of automatic captions do, and carry the same font tag.
    """
    word = rng.choice(words.WORDS).lower()
    cues = (
        (0.0, 0.5 * seconds, "hello and welcome"),
        (0.3 * seconds, 0.8 * seconds, f"the word of the day is {word}"),
        (0.5 * seconds, seconds, "thank you for watching"),
    )
    blocks = [
        f"{number}\n{_stamp(start)} --> {_stamp(end)}\n"
        f'<font color="white" size=".72c">{text}</font>\n'
        for number, (start, end, text) in enumerate(cues, 1)
    ]
    known = [name.capitalize() for name in words.WORDS]
    question = "Which word does the speaker call the word of the day?"
    fact = one_of(rng, question, word.capitalize(), "spoken", known)
    return "\n".join(blocks), fact


def _stamp(seconds: float) -> str:
    whole, milliseconds = divmod(round(1000 * seconds), 1000)
    return f"00:{whole // 60:02}:{whole % 60:02},{milliseconds:03}"
