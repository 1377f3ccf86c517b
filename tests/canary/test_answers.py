"""The drawn answers: every scorer of a benchmark gives its own answers full marks."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import pytest

from evalkit.canary.sets import rows
from evalkit.metrics import anls, mathvista, mmmu, mvbench, ocr, realworldqa, relaxed, videomme, vqa


def full_marks() -> dict[str, Callable[[dict[str, Any]], dict[str, float | None]]]:
    """By set, a function from a row to what each scorer gives its own answer."""

    def plain(variants: Any, column: str, **more: Any) -> Any:
        def score(row: dict[str, Any]) -> dict[str, float | None]:
            gold = row[column] if isinstance(row[column], list) else [row[column]]
            return {v: f(gold[0], gold, **{k: of(row) for k, of in more.items()})
                    for v, f in variants.items()}  # fmt: skip

        return score

    def asked(variants: Any, options: Any, reply: Any, **more: Any) -> Any:
        def score(row: dict[str, Any]) -> dict[str, float | None]:
            extra = {key: of(row) for key, of in more.items()}
            if options:
                extra["options"] = options(row)
            return {v: f(reply(row), answer=row["answer"], **extra).value
                    for v, f in variants.items()}  # fmt: skip

        return score

    def answer(row: dict[str, Any]) -> str:
        return str(row["answer"])

    return {
        "docvqa": plain(anls.VARIANTS, "answers"),
        "infovqa": plain(anls.VARIANTS, "answers"),
        "chartqa": plain(relaxed.VARIANTS, "answer"),
        "textvqa": plain(vqa.VARIANTS, "answers"),
        "ocrbench": plain(ocr.VARIANTS, "answer", formula=lambda row: row["dataset"] == "HME100k"),
        "mmmu": asked(mmmu.VARIANTS, lambda row: ast.literal_eval(row["options"]), answer),
        "mathvista": asked(
            mathvista.VARIANTS,
            lambda row: row["choices"] or [],
            answer,
            answer_type=lambda row: row["answer_type"],
            precision=lambda row: row["precision"],
            extraction=lambda row: row["answer"],
        ),
        "realworldqa": asked(
            realworldqa.VARIANTS, lambda row: [row[k] for k in "ABCD" if row[k]], answer
        ),
        "realworldqa_hub": asked(realworldqa.HUB_VARIANTS, None, answer),
        "mvbench": asked(
            mvbench.VARIANTS,
            lambda row: row["candidates"],
            lambda row: f"{'ABCD'[row['candidates'].index(row['answer'])]})",
        ),
        "videomme": asked(videomme.VARIANTS, lambda row: row["options"], answer),
    }


NEVER = {
    ("mmmu", "lmms_eval", "open"),
    ("mathvista", "lmms_eval", "free_form"),
}
"""Kinds of rows to which a variant gives nothing: nor did the harness that it stands for."""


@pytest.mark.parametrize("name", full_marks())
def test_answers_get_full_marks_from_every_scorer(name: str) -> None:
    score = full_marks()[name]
    short = {
        (name, variant, row.get("question_type"))
        for row in list(rows(name, size=40))
        for variant, value in score(row).items()
        if value != 1.0
    }
    assert short == {kind for kind in NEVER if kind[0] == name}
