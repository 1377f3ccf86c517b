"""Rows of MVBench and Video-MME, with their clips.

Columns: OpenGVLab/MVBench, with the name of a row's configuration beside them; lmms-lab/Video-MME.
The published datasets name a file and keep it in an archive. Here ``video`` holds the clip itself,
``{"bytes": ..., "path": ...}`` with that name as the path, and ``subtitles`` of Video-MME the text
of its SubRip file, or ``None``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count, cycle
from typing import Any

from evalkit.canary import clips
from evalkit.canary.facts import Fact
from evalkit.canary.sets.common import FIRST, LETTERS, lettered

__all__ = ["mvbench", "videomme"]

_CLIPS = (clips.moving, clips.letters, clips.places)


def mvbench(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Draw clips, with four questions on each; some ask about a part of theirs."""
    for number, draw in zip(count(FIRST), cycle(_CLIPS)):
        clip = draw(rng)
        for fact in clip.facts:
            row: dict[str, Any] = {
                "config": fact.kind,
                "video": {"bytes": clip.mp4, "path": f"drawn_{number}.mp4"},
                "question": fact.question,
                "candidates": lettered(rng, fact)[0],
                "answer": fact.answer,
            }
            if fact.span is not None:
                row["start"], row["end"] = fact.span
            yield row


_TASKS = {
    "moving_direction": "Spatial Perception",
    "moving_count": "Counting Problem",
    "moving_attribute": "Attribute Perception",
    "character_order": "Temporal Reasoning",
    "action_count": "Counting Problem",
    "scene_transition": "Temporal Perception",
    "action_sequence": "Temporal Reasoning",
    "action_localization": "Temporal Perception",
    "spoken": "Information Synopsis",
}
"""Video-MME's task type for each kind of question."""

_DOMAINS = (
    ("Knowledge", "Technology"),
    ("Artistic Performance", "Magic Show"),
    ("Life Record", "Daily Life"),
    ("Multilingual", "Multilingual"),
)


def videomme(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Draw clips, with three questions on each.

    Three clips of four have subtitles; two of these also have a question that only they answer.
    The classes of duration come in turn, though every clip is a few seconds long.
    """
    durations, domains = cycle(("short", "medium", "long")), cycle(_DOMAINS)
    for number, draw in zip(count(FIRST), cycle(_CLIPS)):
        clip = draw(rng)
        asked = [fact for fact in clip.facts if len(fact.wrong) > 2 and fact.span != (1.0, 2.9)]
        text = None
        if number % 4:
            text, spoken = clips.subtitles(rng, clip.seconds)
        if number % 2:
            asked = [*asked[:2], spoken]
        key, (domain, category) = f"drawn{number:06}", next(domains)
        columns = {
            "video_id": f"{number:03}",
            "duration": next(durations),
            "domain": domain,
            "sub_category": category,
            "url": "",
            "videoID": key,
        }
        media = {
            "video": {"bytes": clip.mp4, "path": f"{key}.mp4"},
            "subtitles": text,
        }
        for place, fact in enumerate(asked[:3], 1):
            question = {"question_id": f"{number:03}-{place}", "task_type": _TASKS[fact.kind]}
            yield {**columns, **question, **_question(rng, fact), **media}


def _question(rng: random.Random, fact: Fact) -> dict[str, Any]:
    options, letter = lettered(rng, fact)
    texts = [f"{place}. {text}" for place, text in zip(LETTERS, options, strict=False)]
    return {"question": fact.question, "options": texts, "answer": letter}
