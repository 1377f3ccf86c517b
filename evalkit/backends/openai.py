"""Asks any OpenAI-compatible chat endpoint: vLLM, SGLang, ``transformers serve``, hosted services.

Decoding is greedy: temperature 0, a fixed seed, penalties that do nothing. Every prompt's token
count is held against the model's own processor on this machine. The key is read from the
environment and stands in no config, record or message.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from evalkit.backends.openai_hello import hello, where
from evalkit.backends.openai_http import carrier, is_address
from evalkit.backends.openai_messages import Sender
from evalkit.backends.openai_pace import Pace
from evalkit.backends.openai_ready import Maker, feed
from evalkit.backends.openai_talk import Manner, Talk, drive
from evalkit.backends.openai_wire import Wire
from evalkit.backends.reference import Reference, load_reference
from evalkit.errors import BackendError, UsageError, nearest
from evalkit.types import Request, Response

__all__ = ["OpenAIBackend"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIBackend:
    """A model behind a chat endpoint."""

    model: str
    """The model's name at the endpoint."""
    base_url: str | None = None
    """The endpoint, such as ``http://127.0.0.1:8000/v1``; ``None`` for the client's own."""
    key_env: str = "OPENAI_API_KEY"
    """The environment variable that holds the key; a server of one's own needs none."""
    reference: str | None = None
    """A folder or Hub repository whose processor says what every prompt must be, or ``builtin``;
    ``None`` where there is none, and nothing can be checked."""
    revision: str | None = None
    """The revision of ``reference`` on the Hub."""
    images: str = "resized"
    """``resized``: PNG of the protocol's resized picture. ``original``: the dataset's own bytes,
    which the server decodes and resizes in its own way. ``file``, ``url``: the same by name."""
    videos: str = "frames"
    """``frames``: one video of PNG frames, as vLLM takes it. ``images``: separate pictures.
    ``file``: the video itself, of which the server chooses frames."""
    media_folder: str | None = None
    """Where ``images=file`` and ``url`` put pictures for the server."""
    media_url: str | None = None
    """The address below which ``media_folder`` is served, for ``images=url``."""
    pixel_limits: bool | str = "auto"
    """Whether the protocol's pixel limits are passed on, as ``mm_processor_kwargs``. ``auto`` goes
    without where the server refuses them and pictures are sent at their final size."""
    on_mismatch: str = "stop"
    """What a token count that is not the reference's does: ``stop`` the run, or ``report`` it; and
    whether frames are sent to a model that goes by their rate where that cannot be told."""
    concurrency: int = 64
    """The most requests under way; fewer when the server says that it has too much to do."""
    timeout: float = 600.0
    """Seconds until a request that is not answered is asked again."""
    max_retries: int = 7
    """How often a request is asked again after a failure of its own."""
    patience: float = 120.0
    """Seconds of refused connections or refusals after which the server counts as dead."""
    seed: int = 0
    """The seed, for servers whose greedy decoding breaks ties by it."""
    max_reply: int | None = None
    """The most tokens of a reply, whatever the protocol allows."""
    token_limit: str = "max_tokens"
    """What the endpoint calls the limit: ``max_tokens`` or ``max_completion_tokens``."""
    leads: bool = False
    """Whether the endpoint is asked for the log-probabilities of the two likeliest tokens, so that
    close calls and sampling are known."""
    price_in: float | None = None
    """What a million tokens of prompt cost."""
    price_out: float | None = None
    """What a million tokens of reply cost."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of every request's body; those that are null are left out."""
    _held: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __enter__(self) -> OpenAIBackend:
        """Load the reference, and ask one small question.

        Raises:
            UsageError: a setting that cannot work, or a model that the endpoint does not have.
            BackendError: the endpoint cannot be reached, refuses the key, or does not answer.
        """
        self._check()
        key = os.environ.get(self.key_env, "")
        if self.base_url is None and not key:
            raise UsageError(
                f"model={self.model}: set the key in {self.key_env}, or model.base_url=http://..."
            )
        if self.reference is not None:
            self._held["reference"] = load_reference(self.reference, self.revision)
        carried = carrier(self.base_url, key, self.timeout)
        self._held["wire"] = Wire(carrier=carried, key=key, key_env=self.key_env)
        self._held["loop"] = asyncio.new_event_loop()
        try:
            self._held["facts"], self._held["limits"] = hello(self, key)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections and forget the key."""
        self._close()

    @property
    def identity(self) -> Mapping[str, Any]:
        """The model's name and how it is asked; where it is served does not change its answers."""
        limit = {} if self.max_reply is None else {"max_reply": self.max_reply}
        return {
            "model": self.model,
            "revision": self.revision or "",
            "dtype": "",
            "images": self.images,
            "videos": self.videos,
            "settings": self.settings,
            **limit,
        }

    @property
    def settings(self) -> dict[str, Any]:
        """The fields that every request's body has."""
        extra = {name: value for name, value in self.extra.items() if value is not None}
        return {
            "model": self.model,
            "temperature": 0.0,
            "frequency_penalty": 0.0,
            "seed": self.seed,
            **extra,
        }

    @property
    def facts(self) -> Mapping[str, Any]:
        """The endpoint, what it says of itself, and what is checked."""
        reference: Reference | None = self._held.get("reference")
        return {
            "backend": "openai",
            "endpoint": where(self.base_url),
            "token_check": (
                {**reference.facts, "on_mismatch": self.on_mismatch}
                if reference
                else "off: without model.reference other pixels or another template go unseen"
            ),
            "pixel_limits": self._held.get("limits", self.pixel_limits),
            "concurrency": self.concurrency,
            "prices": [self.price_in, self.price_out],
            **self._held.get("facts", {}),
        }

    def generate(self, groups: Iterable[Sequence[Request]]) -> Iterator[Response]:
        """Yield one response for every request, as they come.

        Args:
            groups: requests that share their media; they are sent in this order.

        Raises:
            BackendError: the endpoint is dead, or counts other tokens than the reference.
        """
        if "wire" not in self._held:
            raise BackendError("the backend is closed: use it in a `with` statement")
        manner = Manner(
            where=f"the server at {where(self.base_url)}",
            stop=self.on_mismatch == "stop",
            max_retries=self.max_retries,
            patience=self.patience,
        )
        yield from self.talk(groups, manner, limits=self._held["limits"])

    def talk(
        self, groups: Iterable[Sequence[Request]], manner: Manner, *, limits: bool
    ) -> Iterator[Response]:
        """Yield responses, driving the event loop between them."""
        loop: asyncio.AbstractEventLoop = self._held["loop"]
        talk = Talk(
            manner=manner,
            wire=self._held["wire"],
            maker=Maker(
                settings=self.settings,
                token_limit=self.token_limit,
                pixel_limits=limits,
                sender=self._sender,
                reference=self._held.get("reference"),
                leads=self.leads,
                strict=self.on_mismatch == "stop",
            ),
            pace=Pace(most=self.concurrency),
        )
        taken = feed([self._limited(request) for request in group] for group in groups)
        try:
            while talk.fill(loop, taken):
                found, end = drive(loop, talk.some())
                yield from found
                if end is not None:
                    raise end
        finally:
            drive(loop, talk.close())

    def _close(self) -> None:
        loop: asyncio.AbstractEventLoop = self._held["loop"]
        drive(loop, self._held["wire"].close())
        loop.close()
        self._held.clear()

    @property
    def _sender(self) -> Sender:
        return Sender(
            images=self.images,
            videos=self.videos,
            folder=Path(self.media_folder) if self.media_folder else None,
            url=self.media_url,
        )

    def _limited(self, request: Request) -> Request:
        if self.max_reply is None or request.max_new_tokens <= self.max_reply:
            return request
        return replace(request, max_new_tokens=self.max_reply)

    def _check(self) -> None:
        self._sender.check()
        if self.on_mismatch not in ("stop", "report"):
            raise UsageError(nearest("model.on_mismatch", self.on_mismatch, ["stop", "report"]))
        if self.pixel_limits not in (True, False, "auto"):
            known = ["true", "false", "auto"]
            raise UsageError(nearest("model.pixel_limits", str(self.pixel_limits), known))
        known = ["max_tokens", "max_completion_tokens"]
        if self.token_limit not in known:
            raise UsageError(nearest("model.token_limit", self.token_limit, known))
        for name in ("concurrency", "timeout", "patience", "max_reply"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"model.{name} must be positive, not {value}")
        if self.base_url is not None and "@" in self.base_url.partition("//")[2].partition("/")[0]:
            raise UsageError(
                "model.base_url holds a name or password, which would stand in the run's config:"
                f" put the key in the environment variable {self.key_env}"
            )
        if self.base_url is not None and not is_address(self.base_url):
            raise UsageError(
                f"model.base_url={self.base_url} is no address: write one such as"
                " http://127.0.0.1:8000/v1"
            )
