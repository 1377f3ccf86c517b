"""List literals are parsed, whatever the text, and never run."""

from __future__ import annotations

import time
import warnings
from typing import Any

import pytest

from evalkit.metrics.text import literal_list

LISTS: list[tuple[str, list[Any]]] = [
    ("[]", []),
    ("['a', \"b's\"]", ["a", "b's"]),
    ("  ['a']\n", ["a"]),
    ("[2014, 2.5, -1, None, True]", [2014, 2.5, -1, None, True]),
    ("[['a'], ('b', 1)]", [["a"], ("b", 1)]),
    (r"['\frac{1}{2}', '\pi', '\\theta']", ["\x0crac{1}{2}", "\\pi", "\\theta"]),
    ("['５７', '٣', '×']", ["５７", "٣", "×"]),
    ("['a' 'b',]", ["ab"]),
    ("[\n'a',\n'b'\n]", ["a", "b"]),
]

NOT_LISTS = [
    "",
    " ",
    "62",
    "a [b] c",
    "[a, b]",
    "['a', b]",
    "['a'",
    "'a']",
    "['a'] + ['b']",
    "[1] == [1]",
    "[x for x in 'ab']",
    "[__import__('os').getcwd()]",
    "[0][0]",
    "[f'{1}']",
    "('a', 'b')",
    "{'a': ['b']}",
    "[1 2]",
    "[\x00]",
    "[" + "9" * 5000 + "]",
    "[{[]: 1}]",
]


@pytest.mark.parametrize(("text", "expected"), LISTS)
def test_a_list_literal_is_its_list(text: str, expected: list[Any]) -> None:
    assert literal_list(text) == expected


@pytest.mark.parametrize("text", NOT_LISTS)
def test_anything_else_is_none(text: str) -> None:
    assert literal_list(text) is None


def test_length_limit_counts_every_character() -> None:
    text = "[" + "1," * 10 + "]"
    assert literal_list(text, limit=len(text)) == [1] * 10
    assert literal_list(text, limit=len(text) - 1) is None
    assert literal_list("['" + "x" * 100_000 + "']") is None


BRACKETS = [("[", "]"), ("(", ")"), ("{1:", "}"), ("f(", ")")]
PREFIXES = ["-", "~", "not ", "1+", "1 if 1 else ", "lambda:", "'a\\", "0,[", "*"]


@pytest.mark.parametrize(("before", "after"), [*BRACKETS, *((each, "") for each in PREFIXES)])
def test_hostile_nesting_is_none_and_quick(before: str, after: str) -> None:
    start = time.perf_counter()
    for times in (300, 4_000, 98_000 // len(before + after)):
        assert literal_list(f"[{before * times}1{after * times}]") is None
    assert time.perf_counter() - start < 5


def test_warnings_as_errors_do_not_turn_a_list_into_none() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert literal_list(r"['\pi']") == [r"\pi"]
