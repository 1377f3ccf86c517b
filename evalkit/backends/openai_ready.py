"""Making a request ready for a chat endpoint: its media, its body, and what its prompt must be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from evalkit.backends.openai_messages import Sender, Sent, chat, limits
from evalkit.backends.openai_wire import packed
from evalkit.backends.reference import Expected, Reference
from evalkit.data.digest import digest_json
from evalkit.errors import EvalkitError, UsageError
from evalkit.types import Media, Request

__all__ = ["UNTIMED", "Asked", "Maker", "Shelf", "feed", "shown"]

CODERS = 4
"""Threads that decode and pack pictures; both let go of the interpreter."""

UNTIMED = (
    "start vLLM with --trust-request-mm-kwargs and leave out model.pixel_limits, or set"
    " model.videos=images or file"
)
"""What to do where a model goes by the frame rate and the server takes it from no request."""

Shelf = dict[Any, "asyncio.Future[Sent]"]
"""A group's media as they are sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request made ready."""

    request: Request
    """What is asked."""
    body: list[bytes]
    """What is sent, in pieces."""
    expected: Expected | None
    """The prompt as the reference makes it."""
    digests: Mapping[str, str]
    """Fingerprints of what is known here."""
    details: Mapping[str, Any]
    """What is shown of each medium."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """Makes requests ready, each medium of a group once."""

    settings: Mapping[str, Any]
    """The body of every request but for its messages and its limit on tokens."""
    token_limit: str
    """What the endpoint calls the limit on tokens."""
    pixel_limits: bool
    """Whether the protocol's pixel limits are passed on."""
    sender: Sender
    """Turns media into pieces of messages."""
    reference: Reference | None
    """The model's own processor."""
    leads: bool = False
    """Whether the endpoint is asked how sure each token was, which changes no reply."""
    strict: bool = True
    """Whether what would change the model's input unseen ends the run."""
    _coders: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(CODERS))
    _generation: dict[int, str] = field(default_factory=dict)

    def close(self) -> None:
        """Let the threads go."""
        self._coders.shutdown(wait=False, cancel_futures=True)

    async def ready(self, request: Request, shelf: Shelf) -> Asked:
        """Return a request made ready.

        Raises:
            DataError: a medium that cannot be sent, or text that cannot be asked.
        """
        sent = [await self._sent(media, request, shelf) for media in request.media]
        extents = [medium.extents for medium in sent]
        expected = self.reference.expect(request, extents) if self.reference else None
        most = request.max_new_tokens
        body = {**self.settings, self.token_limit: most}
        if most not in self._generation:
            self._generation[most] = digest_json(body)
        digests = {"generation": self._generation[most]}
        if self.leads:
            body |= {"logprobs": True, "top_logprobs": 2}
        if self.pixel_limits and (passed := limits(request)):
            body["mm_processor_kwargs"] = passed
        rates = {medium.rate for medium in sent if medium.rate is not None}
        told, unseen = self._timed(rates) if rates else ({}, {})
        body |= told
        if request.prefill:
            body |= {"add_generation_prompt": False, "continue_final_message": True}
        pixels = [digest for medium in sent for digest in medium.digests]
        if all(medium.digests for medium in sent):
            digests["pixels"] = digest_json(pixels)
        if expected is not None:
            digests["prompt"] = expected.digests["prompt"]
        return Asked(
            request=request,
            body=packed({**body, "messages": chat(request, sent)}),
            expected=expected,
            digests=digests,
            details={**shown(request, [medium.details for medium in sent]), **unseen},
        )

    def _timed(self, rates: set[float]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what tells vLLM how fast frames are, which else takes them for one a second.

        Beside it stands a detail of the response where that cannot be told to a model that goes by
        it: the time of every frame is wrong, with as many tokens as ever.

        Raises:
            UsageError: such a case ends the run.
        """
        if self.pixel_limits and len(rates) == 1:
            return {"media_io_kwargs": {"video": {"fps": min(rates)}}}, {}
        if self.reference is None or not self.reference.times:
            return {}, {}
        if self.strict:
            raise UsageError(
                "this model goes by the frame rate of videos, which the server is not told:"
                f" {UNTIMED}, or go on all the same with model.on_mismatch=report"
            )
        return {}, {"frame_rate": "not told"}

    async def _sent(self, media: Media, request: Request, shelf: Shelf) -> Sent:
        """Return a medium as it is sent, made once for a group."""
        key = media, request.pixels, request.frames
        if key not in shelf:
            loop = asyncio.get_running_loop()
            if self.sender.light(media):
                shelf[key] = loop.create_future()
                try:
                    shelf[key].set_result(self.sender.send(media, request))
                except EvalkitError:
                    del shelf[key]
                    raise
            else:
                shelf[key] = loop.run_in_executor(self._coders, self.sender.send, media, request)
        return await shelf[key]


def shown(request: Request, details: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is shown of each medium: ``images`` and ``videos``, in order."""
    kinds = [media.kind for media in request.media]
    return {
        f"{kind}s": [
            dict(fact) for given, fact in zip(kinds, details, strict=True) if given == kind
        ]
        for kind in sorted(set(kinds))
    }


def feed(groups: Iterable[Sequence[Request]]) -> Iterator[tuple[Request, Shelf]]:
    """Yield every request with the shelf of its group, in order: neighbours share their prefix."""
    for group in groups:
        shelf: Shelf = {}
        for request in group:
            yield request, shelf
