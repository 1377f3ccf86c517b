"""Do pictures reach the model, in their order, and without loss?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from evalkit.checks.asking import Replies, same
from evalkit.checks.findings import Line, fail, ok, warn
from evalkit.checks.questions import COLOURS
from evalkit.types import Request

__all__ = ["loss", "matter", "order"]


def matter(requests: Sequence[Request], first: Replies, blanked: Replies) -> Line:
    """Compare answers to questions on pictures with those to the same on grey."""
    shown = [request.id for request in requests if f"blank:{request.id}" in blanked]
    if not shown:
        return warn("pictures matter", "no question has a picture", "choose another task=NAME")
    pairs = same(first, blanked, [(name, f"blank:{name}") for name in shown])
    if pairs.same == pairs.asked:
        said = f"all {pairs.asked} answers are the same on grey pictures"
        cure = "pictures do not reach the model: does the server know that it sees?"
        return fail("pictures matter", said, cure, shown)
    if pairs.share > 0.5:
        said = f"{pairs.same} of {pairs.asked} answers are the same on grey pictures"
        return warn("pictures matter", said, "read the answers: does the model look?")
    return ok("pictures matter", f"{len(pairs.differing)} of {pairs.asked} answers change on grey")


def order(replies: Replies) -> Line:
    """Say whether two pictures arrive in the order in which they are sent."""
    first, second = COLOURS
    one = _colour(replies[f"order:{first},{second}"].text)
    other = _colour(replies[f"order:{second},{first}"].text)
    texts = [replies[name].text for name in replies if name.startswith("order:")]
    if (one, other) == (first, second):
        return ok("picture order", "the model names the first of two pictures, either way round")
    if (one, other) == (second, first):
        said = "the model takes the second of two pictures for the first, either way round"
        return fail("picture order", said, "pictures are swapped on their way to the model")
    if None in texts:
        cure = "does the server allow several pictures in a prompt?"
        return warn("picture order", "a question with two pictures is not answered", cure)
    if texts[0] == texts[1]:
        said = "the answer is the same whichever of two pictures is first"
        cure = "the order may be lost, or the model may not know: compare with against=MODEL"
        return warn("picture order", said, cure)
    return ok("picture order", "it changes the answer; the model does not name the first one")


def _colour(text: str | None) -> str | None:
    """Return the one colour that a reply names."""
    named = {name for name in COLOURS if re.search(rf"\b{name}\b", (text or "").lower())}
    return named.pop() if len(named) == 1 else None


def loss(triples: Sequence[tuple[Request, Request, Request]], replies: Replies) -> Line:
    """Say whether a pattern that JPEG turns into grey is told from grey.

    Args:
        triples: questions on a fine pattern, on grey, and on a coarse pattern.
        replies: their answers.
    """
    fine = same(replies, replies, [(one.id, grey.id) for one, grey, _ in triples])
    coarse = same(replies, replies, [(rough.id, grey.id) for _, grey, rough in triples])
    if fine.same < fine.asked:
        return ok("lossless pictures", "a pattern of single pixels reaches the model")
    if coarse.same == coarse.asked:
        said = "the model tells no pattern from grey"
        return warn("lossless pictures", said, "compare its answers with against=MODEL")
    said = "coarse stripes reach the model, and stripes of single pixels look like plain grey"
    cure = "pictures are re-encoded as JPEG or made smaller on their way: send PNG, unresized"
    return fail("lossless pictures", said, cure)
