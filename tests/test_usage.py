"""What answers cost."""

from __future__ import annotations

from evalkit.types import Response
from evalkit.usage import usage

ANSWERS = [
    Response(id="a", text="yes", prompt_tokens=1_000_000, completion_tokens=20),
    Response(id="b", text="no", prompt_tokens=500_000, completion_tokens=500_000),
    Response(id="c", text="maybe"),
    Response(id="d", error="context exceeded"),
]


def test_tokens_are_added_up_and_priced() -> None:
    found = usage(ANSWERS, {"price_in": 2.0, "price_out": 8.0})
    assert found == {
        "prompt_tokens": 1_500_000,
        "completion_tokens": 500_020,
        "uncounted": 1,
        "sampled": 0,
        "cost": 7.00016,
    }


def test_replies_that_were_surely_drawn_are_counted() -> None:
    leads = (-3.0, -0.6, -0.1, 0.0, 2.0)
    found = [Response(id=str(lead), text="yes", details={"lead": lead}) for lead in leads]
    assert usage([*found, *ANSWERS], {})["sampled"] == 2


def test_without_prices_there_is_no_cost() -> None:
    assert usage(ANSWERS, {})["cost"] is None
    assert usage([], {"price_in": 1.0})["cost"] == 0.0
