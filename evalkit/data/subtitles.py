r"""Which subtitles a protocol puts into a prompt, told from the frames that it shows.

YouTube's automatic captions stay on screen while the next one is shown already, so cues overlap and
the harnesses choose differently. Their rules, by name:

``vlmevalkit``
    VLMEvalKit e8e78f05: of every frame the first cue around it, so that the older of two wins; one
    line a frame, repeats kept.
``lmms_eval``
    lmms-eval 75571cfe: every cue around a frame, once; of its text only the first white ``<font>``
    span, and nothing of cues without one.
``qwen3vl``
    QwenLM/Qwen3-VL c4dcdb4: every cue around a frame, once, joined by spaces.
``model_card``
    The same, for the frames that the model really sees, without the marks that italics leave.
``all``
    mfarre/Qwen2-VL 0b8bd1c: every cue, a line each.

But for ``lmms_eval``, which has a parser of its own, cues are read by pysubs2 as the harnesses read
them: other tags vanish, ``<i>`` becomes ``{\i1}``, ``&amp;`` stays.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from evalkit.errors import UsageError, nearest

__all__ = ["RULES", "Cue", "Shown", "parse_srt", "read_srt", "select_subtitles"]


class Cue(NamedTuple):
    """One subtitle."""

    start: int
    """When it appears, in milliseconds."""
    end: int
    """When it goes, in milliseconds."""
    text: str
    """Its text in pysubs2's form, on one line."""


class Shown(NamedTuple):
    """The frames by which subtitles are chosen, in order."""

    indices: Sequence[int]
    """Frame numbers."""
    times: Sequence[float]
    """When each is shown, in seconds."""
    fps: float
    """The video's frames a second."""

    @classmethod
    def at(cls, indices: Sequence[int], fps: float) -> Shown:
        """Return frames of a video whose frames are evenly spaced in time."""
        return cls(indices, [index / fps for index in indices], fps)


def select_subtitles(srt: bytes | str | None, rule: str, shown: Shown) -> str | None:
    """Return the text that a protocol puts into its prompt.

    Args:
        srt: an SRT file's bytes or text; ``None`` where the video has no subtitles.
        rule: a rule's name.
        shown: the frames that the rule goes by.

    Returns:
        The text, empty when no cue is near a frame; ``None`` where there is no file.

    Raises:
        UsageError: there is no such rule.
    """
    select = RULES.get(rule)
    if select is None:
        raise UsageError(nearest("subtitle rule", rule, list(RULES)))
    return None if srt is None else select(read_srt(srt), shown)


def read_srt(srt: bytes | str) -> str:
    """Return an SRT file's text with plain newlines.

    Bytes are UTF-8, or else Windows' Latin-1, as older subtitles are.
    """
    text = srt if isinstance(srt, str) else _decoded(srt)
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _decoded(data: bytes) -> str:
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def parse_srt(text: str) -> list[Cue]:
    """Return an SRT file's cues, as pysubs2 reads them: none of a file that is no SRT."""
    from pysubs2 import SSAFile

    events = SSAFile.from_string(text, format_="srt").events
    return [Cue(event.start, event.end, event.text.replace("\\N", " ")) for event in events]


def _vlmevalkit(text: str, shown: Shown) -> str:
    cues = parse_srt(text)
    lines = []
    for index in shown.indices:
        now = round(index * (1000 / shown.fps))
        line = next((cue.text for cue in cues if cue.start < now < cue.end), "")
        if line.strip():
            lines.append(line)
    return "\n".join(lines)


def _lmms_eval(text: str, shown: Shown) -> str:
    spans = _sections(text)
    frames = [(int(start * shown.fps), int(end * shown.fps)) for start, end in spans]
    hits = [
        place
        for index in shown.indices
        for place, (first, after) in enumerate(frames)
        if first <= index < after
    ]
    texts = list(spans.values())
    # Not sorted: the harness goes by the order of a set, where large numbers may come first.
    found = [
        re.search(r'<font color="white" size=".72c">(.*?)</font>', texts[i]) for i in set(hits)
    ]
    return "\n".join(match[1] for match in found if match)


def _sections(text: str) -> dict[tuple[float, float], str]:
    """Return texts by start and end in seconds; of cues with the same times the last one's text."""
    sections: dict[tuple[float, float], str] = {}
    for section in text.split("\n\n"):
        lines = section.strip("\n").split("\n")
        if len(lines) < 3:
            continue
        try:
            start, end = (_seconds(part) for part in lines[1].split(" --> "))
        except ValueError:
            continue
        sections[start, end] = " ".join(lines[2:])
    return sections


def _seconds(text: str) -> float:
    hours, minutes, rest = text.split(":")
    seconds, thousandths = rest.split(",")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(thousandths) / 1000


def _around(cues: Sequence[Cue], times: Sequence[float]) -> list[str]:
    """Return the texts of cues that hold a frame strictly between their start and end."""
    moments = sorted(times)
    texts = []
    for cue in cues:
        following = bisect_right(moments, cue.start / 1000)
        if following < len(moments) and moments[following] < cue.end / 1000 and cue.text.strip():
            texts.append(cue.text)
    return texts


def _qwen3vl(text: str, shown: Shown) -> str:
    return " ".join(_around(parse_srt(text), shown.times))


def _model_card(text: str, shown: Shown) -> str:
    plain = [cue._replace(text=re.sub(r"\{\\[^}]*\}", "", cue.text)) for cue in parse_srt(text)]
    return " ".join(_around(plain, shown.times))


def _all(text: str, shown: Shown) -> str:
    del shown
    return "\n".join(cue.text for cue in parse_srt(text) if cue.text.strip())


RULES: Mapping[str, Callable[[str, Shown], str]] = {
    "all": _all,
    "lmms_eval": _lmms_eval,
    "model_card": _model_card,
    "qwen3vl": _qwen3vl,
    "vlmevalkit": _vlmevalkit,
}
"""Subtitle rules by name: from an SRT file's text and the frames shown to the prompt's text."""
