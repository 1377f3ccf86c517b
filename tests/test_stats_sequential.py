"""The confidence sequence: its shape, its clusters, and when it lets a gate stop."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from evalkit.errors import UsageError
from evalkit.stats import Look, confidence_sequence


def _answers(n: int, up: float, down: float, seed: int = 0) -> list[list[float]]:
    rolls = np.random.default_rng(seed).random(n)
    return [[1.0] if roll < up else [-1.0] if roll < up + down else [0.0] for roll in rolls]


def _looks(answers: list[list[float]], largest: int = 1, confidence: float = 0.95) -> list[Look]:
    return list(confidence_sequence(answers, len(answers), largest, confidence))


def test_it_starts_knowing_nothing_and_only_narrows() -> None:
    looks = _looks(_answers(1000, 0.1, 0.05))
    assert (looks[0].n, looks[0].low, looks[0].high) == (1, -1.0, 1.0)
    assert all(one.low <= two.low <= two.high <= one.high for one, two in pairwise(looks))
    assert looks[-1].low < 0.05 < looks[-1].high
    assert looks[-1].high - looks[-1].low < 0.08


def test_it_counts_items_and_their_mean() -> None:
    looks = _looks([[1.0, 0.0], [-1.0], [0.5, 0.5, 0.0]], largest=3)
    assert [look.n for look in looks] == [2, 3, 6]
    assert [look.mean for look in looks] == pytest.approx([0.5, 0.0, 1 / 6])


def test_it_streams() -> None:
    def endless() -> object:
        while True:
            yield [-1.0]

    for look in confidence_sequence(endless(), horizon=1000):  # type: ignore[arg-type]
        if look.high < -0.02:
            break
    assert look.n < 100


def test_it_is_wider_than_an_interval_for_one_look_but_not_by_much() -> None:
    answers = _answers(2000, 0.05, 0.05, seed=1)
    last = _looks(answers)[-1]
    once = 1.96 * float(np.std(answers)) / 2000**0.5
    assert once < (last.high - last.low) / 2 < 2 * once


def test_a_real_regression_stops_early_and_none_does_not_fail() -> None:
    worse = _looks(_answers(1000, 0.02, 0.12), confidence=0.9)
    assert next(look.n for look in worse if look.high < -0.02) < 400
    assert all(look.high >= -0.02 for look in _looks(_answers(1000, 0.03, 0.03)))


def test_identical_answers_pass_early() -> None:
    looks = _looks([[0.0]] * 1000, confidence=0.9)
    stop = next(look.n for look in looks if look.low > -0.02)
    # 0.98**149 is the first chance of a clean start below 0.05: earlier would be unsound.
    assert 149 <= stop <= 230


def test_a_confidence_that_is_lower_stops_sooner() -> None:
    answers = _answers(600, 0.0, 0.08)
    sure, less = _looks(answers, confidence=0.99)[-1], _looks(answers, confidence=0.8)[-1]
    assert sure.low < less.low < less.high < sure.high


def test_clusters_that_repeat_themselves_teach_no_more_than_their_number() -> None:
    answers = _answers(500, 0.03, 0.1)
    once = _looks(answers)[-1]
    thrice = _looks([answer * 3 for answer in answers], largest=3)[-1]
    assert thrice.n == 1500
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high), abs=0.001)


def test_mirrored_answers_mirror_the_interval() -> None:
    answers = _answers(400, 0.02, 0.1)
    one, two = _looks(answers)[-1], _looks([[-value for value in answer] for answer in answers])[-1]
    assert (two.low, two.high) == pytest.approx((-one.high, -one.low))


def test_extremes_stay_on_the_scale() -> None:
    last = _looks([[1.0]] * 300)[-1]
    assert 0.9 < last.low <= last.high == 1.0


def test_mistakes_are_one_line() -> None:
    with pytest.raises(UsageError, match="a cluster of 2 items, but largest is 1"):
        _looks([[0.0, 0.0]])
    with pytest.raises(UsageError, match="from -1 to 1, item 0 is 2"):
        _looks([[2.0]])
    with pytest.raises(UsageError, match="horizon and largest"):
        next(confidence_sequence([[0.0]], 0))
    with pytest.raises(UsageError, match="confidence"):
        next(confidence_sequence([[0.0]], 10, confidence=95))
