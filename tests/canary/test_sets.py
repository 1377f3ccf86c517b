"""The drawn set: each dataset's own columns, the same rows everywhere, and pictures to be read."""

from __future__ import annotations

import ast
import io
import itertools
import os
import re
import subprocess
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from evalkit.canary.sets import SIZE, names, rows
from evalkit.data.digest import digest_bytes, digest_json
from evalkit.errors import UsageError

NONE = type(None)
MEDIUM = {"bytes": bytes, "path": str}

COLUMNS: dict[str, dict[str, Any]] = {
    "docvqa": {
        "questionId": str,
        "question": str,
        "question_types": [str],
        "image": MEDIUM,
        "docId": int,
        "ucsf_document_id": str,
        "ucsf_document_page_no": str,
        "answers": [str],
        "data_split": str,
    },
    "infovqa": {
        "questionId": str,
        "question": str,
        "answers": [str],
        "answer_type": [str],
        "image": MEDIUM,
        "image_url": str,
        "operation/reasoning": [str],
        "ocr": str,
        "data_split": str,
    },
    "chartqa": {"type": str, "question": str, "answer": str, "image": MEDIUM},
    "textvqa": {
        "image_id": str,
        "question_id": int,
        "question": str,
        "question_tokens": [str],
        "image": MEDIUM,
        "image_width": int,
        "image_height": int,
        "flickr_original_url": str,
        "flickr_300k_url": str,
        "answers": [str],
        "image_classes": [str],
        "set_name": str,
        "ocr_tokens": [str],
    },
    "ocrbench": {
        "dataset": str,
        "question": str,
        "question_type": str,
        "answer": [str],
        "image": MEDIUM,
    },
    "mmmu": {
        "id": str,
        "question": str,
        "options": str,
        "explanation": str,
        "image_1": MEDIUM,
        **{f"image_{place}": (MEDIUM, NONE) for place in range(2, 8)},
        "img_type": str,
        "answer": str,
        "topic_difficulty": str,
        "question_type": str,
        "subfield": str,
    },
    "mathvista": {
        "pid": str,
        "question": str,
        "image": str,
        "decoded_image": MEDIUM,
        "choices": ([str], NONE),
        "unit": (str, NONE),
        "precision": (float, NONE),
        "answer": str,
        "question_type": str,
        "answer_type": str,
        "metadata": {
            "category": str,
            "context": str,
            "grade": str,
            "img_height": int,
            "img_width": int,
            "language": str,
            "skills": [str],
            "source": str,
            "split": str,
            "task": str,
        },
        "query": str,
    },
    "realworldqa": {
        "index": int,
        "image": MEDIUM,
        "question": str,
        "A": str,
        "B": str,
        "C": (str, NONE),
        "D": (str, NONE),
        "answer": str,
    },
    "realworldqa_hub": {"image": MEDIUM, "question": str, "answer": str},
    "mmvet": {
        "question_id": str,
        "image": MEDIUM,
        "question": str,
        "answer": str,
        "image_source": str,
        "capability": str,
    },
    "mvbench": {
        "config": str,
        "video": MEDIUM,
        "question": str,
        "candidates": [str],
        "answer": str,
    },
    "videomme": {
        "video_id": str,
        "duration": str,
        "domain": str,
        "sub_category": str,
        "url": str,
        "videoID": str,
        "question_id": str,
        "task_type": str,
        "question": str,
        "options": [str],
        "answer": str,
        "video": MEDIUM,
        "subtitles": (str, NONE),
    },
}
"""Columns by set: a type, a list of it, a struct, or several of these where it may be empty."""

BOUNDS = {"start": float, "end": float}
"""What an MVBench row has beside its columns where it asks about a part of its clip."""

IDS = {
    "docvqa": "questionId",
    "infovqa": "questionId",
    "textvqa": "question_id",
    "mmmu": "id",
    "mathvista": "pid",
    "realworldqa": "index",
    "mmvet": "question_id",
    "videomme": "question_id",
}

# Of rows without their media, which depend on the releases of PIL and PyAV too. A change here
# changes what everybody's built-in runs ask: say so in the changelog.
DIGESTS = {
    "docvqa": "7955535895c8cf315261905cb82284b8",
    "infovqa": "6b6f15b049d8d9e76eac850d9799754f",
    "chartqa": "3460e34ea8ba29da5370b824e97ccf6a",
    "textvqa": "991bcc45b509ff88df44262dfae2c2ad",
    "ocrbench": "25d2013636b05bafa395c5a700eb9900",
    "mmmu": "8e60037e7a42719450b9331f7ca29b11",
    "mathvista": "e132fb754c3b1eb330a701b60002ae9a",
    "realworldqa": "6d5d27f50ae11cd2c074b58e945cb474",
    "realworldqa_hub": "6e391c5057c7e1359c61b6a412a05038",
    "mmvet": "8511c6c8d22c10bf92dc6167574b7c12",
    "mvbench": "bf6f7e08e978fc278d40e48f60e53acb",
    "videomme": "693c5cd8cddf02312b0cd6c5df788945",
}


@cache
def long(name: str) -> list[dict[str, Any]]:
    """Forty rows of a set, all that a run asks."""
    return list(rows(name))


def matches(value: Any, wanted: Any) -> bool:
    """Whether a value has the type that a column's entry asks for."""
    if isinstance(wanted, tuple):
        return any(matches(value, one) for one in wanted)
    if isinstance(wanted, list):
        return type(value) is list and all(matches(item, wanted[0]) for item in value)
    if isinstance(wanted, dict):
        return (
            type(value) is dict
            and list(value) == list(wanted)
            and all(matches(value[key], wanted[key]) for key in wanted)
        )
    return type(value) is wanted


def media(row: dict[str, Any]) -> list[bytes]:
    """The files in a row."""
    return [
        value["bytes"] for value in row.values() if isinstance(value, dict) and "bytes" in value
    ]


def bare(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what depends on how text is rendered: its media, and where words stand."""
    return {
        key: value["path"] if isinstance(value, dict) and "bytes" in value else value
        for key, value in row.items()
        if key != "ocr"
    }


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_are_the_datasets_own(name: str) -> None:
    for row in long(name):
        wanted = COLUMNS[name] | (BOUNDS if "start" in row else {})
        assert list(row) == list(wanted)
        assert [column for column in row if not matches(row[column], wanted[column])] == []


def test_every_set_is_tested() -> None:
    assert names() == tuple(COLUMNS)


@pytest.mark.parametrize("name", COLUMNS)
def test_rows_are_pinned(name: str) -> None:
    assert digest_json([bare(row) for row in rows(name)]) == DIGESTS[name]


def test_another_process_draws_the_same_bytes() -> None:
    script = (
        "from evalkit.canary.sets import names, rows\n"
        "from evalkit.data.digest import digest_bytes\n"
        "print(digest_bytes(repr([list(rows(name)) for name in names()]).encode()))"
    )
    there = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    here = digest_bytes(repr([list(rows(name)) for name in names()]).encode())
    assert there.stdout.strip() == here


@pytest.mark.parametrize("name", COLUMNS)
def test_more_rows_and_other_seeds(name: str) -> None:
    drawn = list(rows(name, size=12))
    assert len(long(name)) == SIZE == 40
    assert drawn == long(name)[:12]
    files = {file for row in long(name) for file in media(row)}
    others = {file for row in rows(name, seed=1) for file in media(row)}
    assert not files & others


def test_drawing_everything_takes_seconds() -> None:
    start = time.process_time()
    assert sum(len(list(rows(name))) for name in names()) == 12 * SIZE
    assert time.process_time() - start < 15


def test_an_unknown_set_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown drawn set: docvqq\. Did you mean docvqa\?"):
        rows("docvqq")


@pytest.mark.parametrize("name", COLUMNS)
def test_nothing_comes_twice(name: str) -> None:
    key = IDS.get(name)
    if key:
        assert len({row[key] for row in long(name)}) == 40
    asked = [
        (row["question"], row.get("options"), row.get("start"), tuple(media(row)))
        for row in long(name)
    ]
    assert len({repr(one) for one in asked}) == 40


@pytest.mark.parametrize(
    ("name", "pictures"),
    {
        "docvqa": 5, "infovqa": 5, "chartqa": 5, "textvqa": 7, "ocrbench": 24, "mmmu": 7,
        "mathvista": 10, "realworldqa": 7, "realworldqa_hub": 7, "mmvet": 8, "mvbench": 10,
        "videomme": 14,
    }.items(),
)  # fmt: skip
def test_questions_share_their_pictures_and_stand_together(name: str, pictures: int) -> None:
    first = [media(row)[0] for row in rows(name)]
    assert len(set(first)) == pictures
    assert len(list(itertools.groupby(first))) == pictures


@pytest.mark.parametrize("name", [name for name in COLUMNS if name not in ("mvbench", "videomme")])
def test_every_picture_decodes(name: str) -> None:
    from PIL import Image

    rows_by_picture = {media(row)[0]: row for row in long(name)}
    for data, row in rows_by_picture.items():
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.format == "PNG"
            assert picture.mode == "RGB"
            assert picture.size in {(1008, 1008), (504, 504), (560, 448)}
            assert len(picture.getcolors(1 << 21) or []) > 2
            shown = picture.size
        if name == "textvqa":
            assert shown == (row["image_width"], row["image_height"])
        if name == "mathvista":
            assert shown == (row["metadata"]["img_width"], row["metadata"]["img_height"])


@pytest.mark.parametrize("name", ["mvbench", "videomme"])
def test_every_clip_decodes(name: str) -> None:
    import av

    for row in rows(name):
        with av.open(io.BytesIO(row["video"]["bytes"])) as container:
            frames = list(container.decode(video=0))
        seconds = frames[-1].time + 1 / 8
        assert (len(frames), frames[0].time) == (8 * seconds, 0)
        assert frames[0].to_image() != frames[-1].to_image()
        assert 0 <= row.get("start", 0) < row.get("end", seconds) <= seconds <= 6


def test_subtitles_tell_what_the_clip_does_not() -> None:
    told, without = 0, 0
    for row in long("videomme"):
        if row["subtitles"] is None:
            without += 1
            assert row["task_type"] != "Information Synopsis"
        elif row["task_type"] == "Information Synopsis":
            told += 1
            texts = dict(option.split(". ", 1) for option in row["options"])
            said = [text in row["subtitles"] for text in texts.values()]
            assert said.count(True) == 1
            assert texts[row["answer"]] in row["subtitles"]
    assert (told, without) == (7, 9)


def values(name: str, column: str) -> set[Any]:
    """Every value of a column, the elements of lists one by one."""
    cells = [row.get(column, row.get("metadata", {}).get(column)) for row in long(name)]
    return {one for cell in cells for one in (cell if isinstance(cell, list) else [cell])}


RECOGNITION = {
    f"{kind} Recognition"
    for kind in ("Regular Text", "Irregular Text", "Artistic Text", "Handwriting", "Digit String",
                 "Non-Semantic Text", "Handwritten Mathematical Expression")
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "column", "known"),
    [
        ("docvqa", "data_split", {"val"}),
        ("docvqa", "question_types", {"form", "layout"}),
        ("infovqa", "answer_type", {"single span"}),
        ("chartqa", "type", {"human_test", "augmented_test"}),
        ("textvqa", "set_name", {"val"}),
        (
            "ocrbench",
            "question_type",
            {
                *RECOGNITION,
                "Scene Text-centric VQA",
                "Doc-oriented VQA",
                "Key Information Extraction",
            },
        ),
        ("mmmu", "question_type", {"multiple-choice", "open"}),
        ("mathvista", "question_type", {"multi_choice", "free_form"}),
        ("mathvista", "answer_type", {"text", "integer", "float"}),
        ("mathvista", "precision", {None, 1.0}),
        ("mathvista", "category", {"math-targeted-vqa", "general-vqa"}),
        (
            "mathvista",
            "task",
            {
                "figure question answering",
                "geometry problem solving",
                "math word problem",
                "textbook question answering",
                "visual question answering",
            },
        ),
        (
            "mathvista",
            "grade",
            {"elementary school", "high school", "college", "not applicable"},
        ),
        ("realworldqa", "answer", {"A", "B", "C", "D"}),
        ("mmvet", "capability", {"rec,ocr", "rec,ocr,spat", "ocr", "ocr,math"}),
        (
            "mvbench",
            "config",
            {
                "moving_direction",
                "moving_attribute",
                "object_existence",
                "character_order",
                "scene_transition",
                "action_sequence",
                "action_localization",
            },
        ),
        ("videomme", "duration", {"short", "medium", "long"}),
    ],
)
def test_categories_are_the_published_ones(name: str, column: str, known: set[Any]) -> None:
    assert values(name, column) == known


def test_mmmu_rows_hang_together() -> None:
    subjects = Counter(row["id"].split("_")[1] for row in long("mmmu"))
    assert subjects == {"Accounting": 12, "Economics": 16, "Math": 6, "Design": 6}
    shapes = set()
    for row in long("mmmu"):
        options = ast.literal_eval(row["options"])
        shown = len(media(row))
        text = row["question"] + row["options"]
        assert {f"<image {n}>" in text for n in range(1, shown + 1)} == {True}
        assert f"<image {shown + 1}>" not in text
        assert row["id"].rsplit("_", 1)[0] == f"validation_{row['id'].split('_')[1]}"
        assert (row["question_type"] == "open") == (options == [])
        if options:
            assert row["answer"] in "ABCDE"[: len(options)]
            assert len(set(options)) == len(options)
        shapes.add((shown, len(options), "<image" in row["options"]))
    assert {(1, 0, False), (1, 3, False), (1, 4, False), (2, 4, False), (3, 4, True)} == shapes


def test_mathvista_queries_hold_hint_unit_and_choices() -> None:
    queries = [row["query"] for row in long("mathvista")]
    assert all(query.startswith("Hint: Please answer the question ") for query in queries)
    assert any(query.endswith("(Unit: cm)") for query in queries)
    for row, query in zip(long("mathvista"), queries, strict=True):
        assert f"\nQuestion: {row['question']}" in query
        assert ("\nChoices:\n(A) " in query) == (row["choices"] is not None)
        assert (row["choices"] or [row["answer"]]).count(row["answer"]) == 1


def test_mmvet_answers_are_in_its_notation() -> None:
    answers = [row["answer"] for row in rows("mmvet")]
    parts = [part for answer in answers for part in re.split("<AND>|<OR>", answer)]
    assert all(part and part == part.strip() for part in parts)
    assert sum("<AND>" in answer for answer in answers) == 8
    assert sum("<OR>" in answer for answer in answers) == 2
