"""MVBench's twenty tasks: their names in tables, and the folders that their videos lie in.

The dataset has two revisions on the Hub. ``main`` holds the videos as their own datasets have them,
in archives; a row says which part of its video it is about. ``video`` holds that part alone, cut
and converted, as files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from evalkit.errors import DataError, nearest

__all__ = ["TASKS", "Place", "is_cut", "names", "place"]


class Place(NamedTuple):
    """A task and where its videos are."""

    title: str
    """The task's name in tables."""
    whole: str
    """The folder of whole videos, below ``video`` of revision ``main``."""
    cut: str
    """The folder of revision ``video``."""


_STAR = ("star/Charades_v1_480", "star/Charades_segment")
_CLEVRER = ("clevrer/video_validation",) * 2
_PERCEPTION = ("perception/videos",) * 2

TASKS: Mapping[str, Place] = {
    "action_sequence": Place("Action Sequence", *_STAR),
    "action_prediction": Place("Action Prediction", *_STAR),
    "action_antonym": Place("Action Antonym", "ssv2_video", "ssv2_video_mp4"),
    "fine_grained_action": Place("Fine-grained Action", *("Moments_in_Time_Raw/videos",) * 2),
    "unexpected_action": Place("Unexpected Action", *("FunQA_test/test",) * 2),
    "object_existence": Place("Object Existence", *_CLEVRER),
    "object_interaction": Place("Object Interaction", *_STAR),
    "object_shuffle": Place("Object Shuffle", *_PERCEPTION),
    "moving_direction": Place("Moving Direction", *_CLEVRER),
    "action_localization": Place("Action Localization", "sta/sta_video", "sta/sta_video_segment"),
    "scene_transition": Place("Scene Transition", *("scene_qa/video",) * 2),
    "action_count": Place("Action Count", *_PERCEPTION),
    "moving_count": Place("Moving Count", *_CLEVRER),
    "moving_attribute": Place("Moving Attribute", *_CLEVRER),
    "state_change": Place("State Change", *_PERCEPTION),
    "fine_grained_pose": Place("Fine-grained Pose", "nturgbd", "nturgbd_convert"),
    "character_order": Place("Character Order", *_PERCEPTION),
    "egocentric_navigation": Place("Egocentric Navigation", *("vlnqa",) * 2),
    "episodic_reasoning": Place(
        "Episodic Reasoning", "tvqa/frames_fps3_hq", "tvqa/video_fps3_hq_segment"
    ),
    "counterfactual_inference": Place("Counterfactual Inference", *_CLEVRER),
}
"""Tasks by the dataset's config.

Source: OpenGVLab/MVBench, the code on its page (``main``) and ``test.json`` (``video``).
"""


def place(config: str) -> Place:
    """Return the task of a config.

    Raises:
        DataError: there is no such config.
    """
    if config not in TASKS:
        raise DataError(nearest("config of mvbench", config, list(TASKS)))
    return TASKS[config]


def names(config: str, video: str, bounds: tuple[Any, Any]) -> list[str]:
    """Return the names under which a row's video may lie, in either revision, the best first.

    ``data0613`` holds replacements for videos of two datasets, and so goes before these.

    Args:
        config: the row's config.
        video: the row's ``video``.
        bounds: the row's start and end, ``None`` where it has none.
    """
    _, whole, cut = place(config)
    stem = PurePosixPath(video).stem if PurePosixPath(video).suffix else video
    replaced = whole.startswith(("clevrer/", "star/"))
    folders = [*([f"data0613/{whole}"] if replaced else []), whole, cut]
    found = [f"{top}{folder}/{video}" for top in ("video/", "") for folder in folders]
    found += [f"{cut}/{stem}_{bounds[0]}_{bounds[1]}.mp4"] if bounds != (None, None) else []
    return [*dict.fromkeys([*found, f"{cut}/{stem}.mp4", video])]


def is_cut(config: str, path: str, bounds: tuple[Any, Any]) -> bool:
    """Return whether a video is only the part that its row is about, told from where it lies.

    >>> is_cut("action_sequence", "/data/star/Charades_segment/ZS9XR_1.5_17.1.mp4", (1.5, 17.1))
    True
    >>> is_cut("action_sequence", "/data/video/star/Charades_v1_480/ZS9XR.mp4", (1.5, 17.1))
    False
    """
    _, whole, cut = place(config)
    pieces = PurePosixPath(path)
    inside = whole != cut and f"/{cut}/" in f"/{pieces.parent}/"
    return inside or pieces.stem.endswith(f"_{bounds[0]}_{bounds[1]}")
