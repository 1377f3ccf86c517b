"""The three rule sets of multiple-choice matching, and what every scorer does with odd text."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from evalkit.metrics import choice, mathvista, mmmu, mmvet, mvbench, realworldqa, videomme
from evalkit.metrics.letters import extract_letter
from evalkit.types import Score

ANIMALS = {"A": "a cat", "B": "a dog", "C": "Not sure"}

# A reply, then what VLMEvalKit of 2024, its head and the Qwen team's rules read; - is nothing.
READINGS = [
    ("B", "B", "B", "B"),
    ("b", "-", "-", "-"),
    ("(B).", "B", "B", "B"),
    ("**B**", "B", "B", "B"),
    ('"B"', "-", "-", "-"),
    ("<answer>B</answer>", "-", "-", "-"),
    ("B B B", "B", "B", "B"),
    ("A or B", "-", "-", "-"),
    ("Z", "Z", "Z", "Z"),
    ("I say Z", "Z", "Z", "Z"),
    ("B or Z", "B", "B", "B"),
    ("Cannot determine the answer: B", "Z", "Z", "Z"),
    ("Failed to obtain answer via API: B", "-", "-", "-"),
    ("Failed to obtain answer via API: a dog", "B", "-", "B"),
    # A lone letter counts at the head only if it first stands among the last four words.
    ("B one two three", "B", "B", "B"),
    ("B one two three four", "B", "-", "B"),
    ("B one two three four B", "B", "-", "B"),
    # An A in more than three words is an article to the Qwen team.
    ("A it is", "A", "A", "A"),
    ("A it is then", "A", "A", "-"),
    ("A dog it is", "A", "A", "B"),
    # The head reads "answer is X" for A to D, whatever else stands there and in either case.
    ("The correct answer is **B**, and not A or C, I think", "-", "B", "-"),
    ("I would say that the answer is a dog, and nothing else", "B", "A", "B"),
    ("the answer is d", "-", "-", "-"),
    # Texts: exactly one must occur; the head gives up on replies longer than twice all options.
    ("a dog", "B", "B", "B"),
    ("A DOG!", "A", "A", "A"),
    ("a cat, a dog", "-", "-", "-"),
    ("it must be a dog, as far as I can see", "B", "-", "B"),
    ("", "-", "-", "-"),
]


@pytest.mark.parametrize(("reply", "then", "now", "qwen"), READINGS)
def test_readings(reply: str, then: str, now: str, qwen: str) -> None:
    read = [rule(reply, ANIMALS) or "-" for rule in choice.RULES.values()]
    assert list(choice.RULES) == ["vlmevalkit_2024", "vlmevalkit", "qwen3vl"]
    assert read == [then, now, qwen]


def test_a_letter_beyond_the_options_is_none() -> None:
    for rule in choice.RULES.values():
        assert rule("D", ANIMALS) is None


@pytest.mark.parametrize("text", ["None", "N/A", "NA", "null", "nan", "=1+1"])
def test_options_and_replies_that_a_spreadsheet_would_lose(text: str) -> None:
    for score in choice.VARIANTS.values():
        assert score(text, answer="B", options=["left", text]) == Score(value=1.0, parsed="B")
        assert score("B", answer="B", options=["left", text]).value == 1.0


def test_an_empty_option_matches_no_text_and_keeps_its_letter() -> None:
    for score in choice.VARIANTS.values():
        assert score("up", answer="B", options=["left", ""]).status == "unparsed"
        assert score("B", answer="B", options=["left", ""]).value == 1.0


def test_a_refusal_is_wrong_and_silence_is_unparsed() -> None:
    for score in choice.VARIANTS.values():
        refused = score("I can't process this file.", answer="A", options=["left", "right"])
        assert refused == Score(value=0.0, parsed="Z")
        silent = score("", answer="A", options=["left", "right"])
        assert silent == Score(value=None, status="unparsed")


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("C", "C"),
        ("c", None),
        ("Berries.", "B"),
        ("Downhill", "D"),
        ("C. Berries", "C"),
        ("The correct answer is (C) Berries.", "B"),
        ("(C) Berries", "C"),
        ("It is (C) and not B: no", "C"),
        ("D: no, C) yes", "D"),
        # A phrase's first place counts, and each letter's first place behind it.
        ("answer is A. The correct answer is B", "B"),
        ("The answer is A, not B, no: A", "A"),
        ("So answer is B I think. The answer is A if B fails", "B"),
        ("(B) fails; I pick D2 now", "D"),
        ("so A: x, B: y, A: z", "A"),
        ("答案是C吗", "C"),
        ("", None),
        (" .'\" ", None),
        ("no idea", None),
    ],
)
def test_letters_of_lmms_eval(reply: str, letter: str | None) -> None:
    assert extract_letter(reply) == letter


LONG = 100_000
ODD = [
    "",
    " \t\r\n",
    "\x00\x07\x1b[0m",
    "\x1cB\x1f",
    "\ufeffB\u200b",
    "\ud800",
    "Ｂ",
    "１２",
    "٣",
    "İ" * LONG,
    r"$\frac{1}{2}$ \boxed{B}",
    "=B1",
    "None",
    "9" * LONG,
    "9" * LONG + "a",
    "9." + "9" * LONG + "e",
    "1e400",
    "-1e400",
    "nan",
    "111," * (LONG // 4) + "1a",
    ".5" * (LONG // 2),
    "1 " * (LONG // 2),
    "A." + " " * LONG + "x\ny",
    "A " * (LONG // 2),
    "(A)" * (LONG // 3),
    "[a" * (LONG // 2),
    "answer" + " " * LONG,
    "the answer is " * (LONG // 14),
    "-" * LONG,
    "\n" * LONG,
    "選" * LONG,
]
ODD_OPTIONS = ["None", "N/A", "null", "", r"$\frac{1}{2}$"]


Scorer = Callable[[str], Score]


def _scorers() -> Iterator[tuple[str, Scorer]]:
    def choices(score: Callable[..., Score], answer: str, options: list[str]) -> Scorer:
        return lambda text: score(text, answer=answer, options=options)

    def extracted(score: Callable[..., Score], kind: str, own: bool) -> Scorer:
        options = ODD_OPTIONS if kind == "text" else []
        rest = {"answer": "12", "options": options, "answer_type": kind, "precision": 1}
        return lambda text: score(text if own else "so", extraction=None if own else text, **rest)

    for module in (choice, realworldqa, videomme, mvbench, mmmu):
        for name, score in module.VARIANTS.items():
            yield f"{module.__name__}.{name}", choices(score, "B", ODD_OPTIONS)
    for name, score in mmmu.VARIANTS.items():
        yield f"mmmu.{name} open", choices(score, "['1,234', 'x']", [])
    for name, score in mathvista.VARIANTS.items():
        for kind in ("text", "integer", "float", "list"):
            yield f"mathvista.{name} {kind}", extracted(score, kind, True)
            yield f"mathvista.{name} {kind} extraction", extracted(score, kind, False)
    for name, score in mmvet.VARIANTS.items():
        yield f"mmvet.{name}", lambda text, score=score: score("x", judge=text)
    yield "realworldqa hub", lambda text: realworldqa.lmms_eval_hub(text, answer="3")


@pytest.mark.parametrize("score", [pytest.param(scorer, id=name) for name, scorer in _scorers()])
def test_odd_text_is_scored_and_fast(score: Scorer) -> None:
    for text in ODD:
        start = time.process_time()
        result = score(text)
        assert time.process_time() - start < 1.0, text[:20]
        assert result.value is None or 0.0 <= result.value <= 1.0
        assert (result.value is None) <= (result.status != "ok")
