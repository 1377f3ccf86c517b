"""What a run's answers cost: tokens, and money where the model's config has prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from evalkit.items import NARROW
from evalkit.types import Response

__all__ = ["usage"]


def usage(responses: Iterable[Response], model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the total of tokens over responses, of every sitting that gave one.

    Tries that failed on the way to an answer are not in it, since no server counts them.

    Args:
        responses: a task's stored responses.
        model: the model's config; ``price_in`` and ``price_out`` are what a million tokens cost.

    Returns:
        ``prompt_tokens``, ``completion_tokens``, ``uncounted`` (answers whose backend counts none),
        ``sampled`` (replies with a token that was surely not the likeliest, where that is known)
        and ``cost``, which is ``None`` without prices, and over the counted answers alone.
    """
    prompt = completion = uncounted = sampled = 0
    for response in responses:
        prompt += response.prompt_tokens or 0
        completion += response.completion_tokens or 0
        uncounted += response.text is not None and response.prompt_tokens is None
        sampled += response.details.get("lead", 0.0) <= -NARROW
    prices = model.get("price_in"), model.get("price_out")
    cost = None
    if prices != (None, None):
        cost = round((prompt * (prices[0] or 0) + completion * (prices[1] or 0)) / 1e6, 6)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "uncounted": uncounted,
        "sampled": sampled,
        "cost": cost,
    }
