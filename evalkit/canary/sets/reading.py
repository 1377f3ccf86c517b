"""Rows of TextVQA and OCRBench.

Columns: lmms-lab/textvqa; echo840/OCRBench.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count
from typing import Any

from evalkit.canary import figures, pictures, scenes
from evalkit.canary.facts import Fact, Picture
from evalkit.canary.sets.common import FIRST_LONG, image

__all__ = ["ocrbench", "textvqa"]


_DISSENT = ("unanswerable", "answering does not require reading text in the image")


def textvqa(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Draw streets with signs, with six questions on each and ten answers to every one."""
    for number in count(FIRST_LONG, 6):
        sign, key = scenes.sign(rng, half=True), f"{rng.getrandbits(64):016x}"
        for step, fact in enumerate(rng.sample(sign.facts, 6)):
            # Annotators write small letters. Two of ten disagree, which costs nobody a point.
            answers = [fact.answer.lower()] * 8 + list(_DISSENT)
            yield {
                "image_id": key,
                "question_id": number + step,
                "question": fact.question,
                "question_tokens": fact.question.lower().rstrip("?").split(),
                "image": image(sign, key),
                "image_width": sign.width,
                "image_height": sign.height,
                "flickr_original_url": "",
                "flickr_300k_url": "",
                "answers": answers,
                "image_classes": ["Building", "Traffic sign"],
                "set_name": "val",
                "ocr_tokens": [text for text, _ in sign.texts],
            }


_RECOGNITION = (
    ("Regular Text Recognition", "IIIT5K"),
    ("Irregular Text Recognition", "svtp"),
    ("Artistic Text Recognition", "WordArt"),
    ("Handwriting Recognition", "IAM"),
    ("Digit String Recognition", "ORAND"),
    ("Non-Semantic Text Recognition", "NonSemanticText"),
)
"""OCRBench's recognition types, each with a dataset of its rows, in the order of the styles."""


def ocrbench(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Draw a word for each recognition type, then a sign, a form and a formula, over and over."""
    for turn in count():
        for style, (kind, dataset) in zip(figures.STYLES, _RECOGNITION, strict=True):
            what = "what is the number" if style == "digits" else "what is written"
            word = figures.word(rng, style)
            yield _ocr(word, word.facts[0], kind, dataset, f"{what} in the image?")
        sign = scenes.sign(rng)
        for fact in rng.sample(sign.facts, 4):
            dataset = "STVQA" if turn % 2 else "textVQA"
            yield _ocr(sign, fact, "Scene Text-centric VQA", dataset, fact.question)
        page = pictures.page(rng)
        fields = rng.sample(page.of("field"), 6)
        for fact in fields[:3]:
            yield _ocr(page, fact, "Doc-oriented VQA", "docVQA", fact.question)
        for fact, dataset in zip(fields[3:], ("FUNSD", "SROIE", "POIE"), strict=True):
            question = (
                f"what is the value for '{fact.label.lower()}'? "
                "Answer this question using the text in the image directly."
            )
            yield _ocr(page, fact, "Key Information Extraction", dataset, question)
        formula = figures.formula(rng)
        yield _ocr(
            formula,
            formula.of("latex")[0],
            "Handwritten Mathematical Expression Recognition",
            "HME100k",
            "Please write out the expression of the formula in the image using LaTeX format.",
        )


def _ocr(picture: Picture, fact: Fact, kind: str, dataset: str, question: str) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "question": question,
        "question_type": kind,
        "answer": [fact.answer, *fact.also],
        "image": image(picture, dataset),
    }
