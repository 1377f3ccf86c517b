"""One question at a time: plainly, or with the vision encoder's outputs shared.

Either way the model's own ``generate`` does the decoding. Given the encoder's outputs it computes
what it computes from pixels, so that the logits are the same to the bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.backends.encoding import PIXELS, encode
from evalkit.backends.loading import Loaded
from evalkit.backends.questions import (
    Fault,
    Question,
    Reply,
    alike,
    attempt,
    leads_of,
    respond,
)
from evalkit.types import Response

if TYPE_CHECKING:
    import torch

__all__ = ["one_by_one"]


def one_by_one(
    loaded: Loaded, groups: Iterable[Sequence[Question]], *, share: bool
) -> Iterator[Response]:
    """Yield the responses to groups of questions, each asked by itself.

    Args:
        loaded: the model.
        groups: prepared questions.
        share: whether questions on the same media share what the vision encoder makes of them.

    Raises:
        BackendError: the model is dead.
    """
    for questions in groups:
        yield from (each.failed(each.error) for each in questions if each.inputs is None)
        for kin in alike(questions):
            media: Mapping[str, Any] | Fault = kin[0].given.media
            if share and media:
                media = encoded(loaded, kin[0].given.media)
            for each in kin:
                yield answer(loaded, each, media)


def encoded(loaded: Loaded, media: Mapping[str, Any]) -> Mapping[str, Any] | Fault:
    """Return the arguments for the media with the encoder's outputs in place of pixels."""
    made = attempt(loaded, lambda: encode(loaded.model, media))
    if isinstance(made, Fault):
        return made
    rest = {name: tensor for name, tensor in media.items() if name not in PIXELS}
    return {**rest, "mm_encoder_outputs": made}


@dataclass(slots=True)
class Watch:
    """Sees the logits of every token, and leaves them as they are."""

    least: float = math.inf
    """The least lead of the largest over the next."""

    def __call__(self, ids: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        self.least = min(self.least, float(leads_of(logits)[0]))
        return logits


def answer(loaded: Loaded, asked: Question, media: Mapping[str, Any] | Fault) -> Response:
    """Return the response to one question."""
    start = time.perf_counter()
    inputs = asked.given

    def decode(media: Mapping[str, Any]) -> Reply:
        given = {
            name: value if isinstance(value, dict) else value.to(loaded.device)
            for name, value in {**inputs.text, **media}.items()
        }
        watch = Watch()
        most = asked.request.max_new_tokens
        out = loaded.model.generate(**given, max_new_tokens=most, logits_processor=[watch])
        return Reply(out[0, inputs.tokens :].tolist(), watch.least)

    made = media if isinstance(media, Fault) else attempt(loaded, lambda: decode(media))
    seconds = time.perf_counter() - start
    if isinstance(made, Fault):
        return asked.failed(made.why(inputs.tokens), seconds)
    return respond(loaded, asked, made, seconds)
