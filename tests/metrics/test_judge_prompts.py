"""Judge prompts are the evaluators' own, byte for byte, and filled in one pass."""

from __future__ import annotations

import hashlib

import pytest

from evalkit.metrics import judge_prompts
from evalkit.metrics.mmvet import JUDGES

# SHA-256 of each template, taken from the texts that the evaluators build.
DIGESTS = {
    ("mathvista", "official"): "6ddcae5e952925283e667f7e061505b707e1bf47e7c920daf9900803dc1e245a",
    ("mathvista", "vlmevalkit"): "40c2255ebd1904056fbfe46a51593f1ed5f7c74d09d20e7082881bb18473d1ab",
    ("choice", "en"): "bb51e2c5223f889a7d18ca97fdc2b4cfb326ea2bc72f524a1fdde27ce9563f66",
    ("choice", "zh"): "ab090703d1e3a98266f8382d262d53e0a93c93334eec3e33aaa958b1bd8be15c",
    ("mmvet", "official"): "b2e898d219694c36f5bb95ec579dc25b775585237b417185d161f6434b4ad91f",
    ("mmvet", "vlmevalkit"): "3b0bafe2ec340ff75bd45dee1993f5056f98cd96e4cd1ccf09172c4aedd80f1f",
}


@pytest.mark.parametrize(("file", "variant"), list(DIGESTS))
def test_templates_are_unchanged(file: str, variant: str) -> None:
    text = judge_prompts.templates(file)[variant]
    assert hashlib.sha256(text.encode()).hexdigest() == DIGESTS[file, variant]


def test_lmms_eval_lost_a_blank_line_a_word_and_the_last_blank() -> None:
    ours, official = (judge_prompts.templates("mmvet")[name] for name in ("lmms_eval", "official"))
    header = "score.\n\nQuestion | Ground truth"
    assert official.count(header) == 1
    assert ours + " " == official.replace(header, "score.\ngpt_query_prompt | Ground truth")


def test_vlmevalkit_has_the_official_words_in_other_lines() -> None:
    templates = judge_prompts.templates("mmvet")
    assert templates["vlmevalkit"].split() == templates["official"].split()
    assert templates["vlmevalkit"] != templates["official"]


@pytest.mark.parametrize(
    ("variant", "end"),
    [
        (
            "official",
            "Extracted answer: B\n\nHint: h\nQuestion: q\n\nIt is {query}\n\nExtracted answer: ",
        ),
        ("vlmevalkit", "B\n\nHint: h\nQuestion: q\nModel respone: It is {query}Extracted answer:"),
    ],
)
def test_mathvista(variant: str, end: str) -> None:
    prompt = judge_prompts.mathvista_prompt(
        variant, query="Hint: h\nQuestion: q", prediction="It is {query}"
    )
    assert prompt.endswith(end)


def test_choice_in_english() -> None:
    prompt = judge_prompts.choice_prompt(
        question="Which colour", options=["red", "{answer}"], prediction="{question} blue"
    )
    assert prompt.endswith(
        "Example 3: \nQuestion: Which colour?\nOptions: There are several options: \n"
        "A. red\nB. {answer}\n\nAnswer: {question} blue\nYour output: "
    )


def test_choice_in_chinese() -> None:
    prompt = judge_prompts.choice_prompt(
        question="这是什么颜色", options=["red", "blue"], prediction="蓝"
    )
    assert prompt.startswith("你是一个帮助我匹配答案")
    assert prompt.endswith(
        "例 3: \n问题: 这是什么颜色?\n选项: There are several options: \n"
        "A. red\nB. blue\n\n答案: 蓝\n输出: "
    )


@pytest.mark.parametrize(
    ("variant", "retry", "end"),
    [
        ("official", False, "\n\nx? | -1 <AND> -5 <OR> 2 | {answer} | "),
        ("official", True, " | {answer} | \nPredict the correctness of the answer (digit): "),
        ("vlmevalkit", False, " 1.0\n\nx? | -1 <AND> -5 <OR> 2 | {answer} | "),
        ("vlmevalkit_2024", True, " 1.0\n\nx? | -1 <AND> -5 <OR> 2 | {answer} | "),
        ("lmms_eval", True, " 1.0\n\nx? | -1 <AND> -5 <OR> 2 | {answer} |"),
    ],
)
def test_mmvet(variant: str, retry: bool, end: str) -> None:
    prompt = judge_prompts.mmvet_prompt(
        variant, question="x?", answer="-1<AND>-5<OR>2", prediction="{answer}", retry=retry
    )
    assert prompt.endswith(end)


def test_every_judge_has_a_prompt() -> None:
    for variant in JUDGES:
        assert judge_prompts.mmvet_prompt(variant, question="q", answer="a", prediction="p")
