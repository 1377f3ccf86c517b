"""Rows of DocVQA, InfographicVQA and ChartQA.

Columns: lmms-lab/DocVQA, configurations ``DocVQA`` and ``InfographicVQA``; lmms-lab/ChartQA.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import count, cycle
from typing import Any

from evalkit.canary import pictures
from evalkit.canary.facts import Picture
from evalkit.canary.sets.common import FIRST_LONG, image

__all__ = ["chartqa", "docvqa", "infovqa"]


def docvqa(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Draw forms, with eight questions on each."""
    ids = count(FIRST_LONG)
    for number in count(1):
        page, document = pictures.page(rng), f"drwn{number:04}"
        for fact in rng.sample(page.facts, 8):
            yield {
                "questionId": str(next(ids)),
                "question": fact.question,
                "question_types": ["form"] if fact.kind == "field" else ["layout"],
                "image": image(page, f"{document}_1"),
                "docId": FIRST_LONG + number,
                "ucsf_document_id": document,
                "ucsf_document_page_no": "1",
                "answers": [fact.answer, *fact.also],
                "data_split": "val",
            }


def infovqa(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Draw infographics, with eight questions on each."""
    ids = count(FIRST_LONG)
    for number in count(FIRST_LONG):
        poster = pictures.poster(rng)
        texts = _texts(poster)
        for fact in rng.sample(poster.facts, 8):
            yield {
                "questionId": str(next(ids)),
                "question": fact.question,
                "answers": [fact.answer, *fact.also],
                "answer_type": ["single span"],
                "image": image(poster, str(number)),
                "image_url": f"{number}.png",
                "operation/reasoning": [],
                "ocr": texts,
                "data_split": "val",
            }


def _texts(picture: Picture) -> str:
    """Return a picture's texts as the JSON of the OCR engine that the dataset's authors ran."""
    lines = [
        {
            "BlockType": "LINE",
            "Text": text,
            "Geometry": {
                "BoundingBox": {
                    "Left": left / picture.width,
                    "Top": top / picture.height,
                    "Width": (right - left) / picture.width,
                    "Height": (bottom - top) / picture.height,
                }
            },
        }
        for text, (left, top, right, bottom) in picture.texts
    ]
    return json.dumps({"PAGE": [{"BlockType": "PAGE"}], "LINE": lines, "WORD": []})


def chartqa(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Draw bar charts, with eight questions on each; every other chart has people's questions."""
    asked = {"human_test": ("extreme", "color"), "augmented_test": ("read", "color")}
    for number, kind in zip(count(FIRST_LONG), cycle(asked)):
        chart = pictures.chart(rng)
        for fact in rng.sample(chart.of(*asked[kind]), 8):
            yield {
                "type": kind,
                "question": fact.question,
                "answer": fact.answer,
                "image": image(chart, str(number)),
            }
