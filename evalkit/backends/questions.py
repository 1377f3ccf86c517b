"""Requests on their way through a model in this process: prepared, asked, answered.

A group is prepared as a whole, in any thread, so that the media that its requests share are decoded
and cut into patches once. What goes wrong with one of them is its own response.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from evalkit.backends.base import lead_detail
from evalkit.backends.loading import Loaded
from evalkit.data.digest import digest_json
from evalkit.errors import BackendError, DataError, one_line
from evalkit.types import Request, Response

if TYPE_CHECKING:
    import torch

__all__ = [
    "Fault",
    "Inputs",
    "Maker",
    "Question",
    "Reply",
    "alike",
    "attempt",
    "held",
    "leads_of",
    "prepare",
    "respond",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What one request becomes."""

    text: Mapping[str, torch.Tensor]
    """The model's arguments that are this request's own: token ids, and what each stands for."""
    media: Mapping[str, torch.Tensor]
    """Its arguments for the media; the same object for all requests of a group that show the same
    media."""
    tokens: int
    """Tokens of the prompt, pads of media included."""
    grid: tuple[tuple[int, int, int], ...]
    """Time, height and width of each medium in patches."""
    digests: Mapping[str, str]
    """Fingerprints of the rendered prompt, the pixels and the token ids."""
    details: Mapping[str, Any]
    """What was shown of each medium: ``images`` and ``videos``, in order."""

    @property
    def tensors(self) -> Mapping[str, torch.Tensor]:
        """All of the model's arguments."""
        return {**self.text, **self.media}


class Maker(Protocol):
    """Makes inputs of a group's requests, and keeps its media while it lives."""

    def prepare(self, request: Request) -> Inputs:
        """Return what the model is fed for a request.

        Raises:
            DataError: this request cannot be asked.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request with its inputs, or with the reason why it has none."""

    request: Request
    """What is asked."""
    inputs: Inputs | None
    """What the model is fed; ``None`` where the request cannot be asked."""
    error: str
    """Why it cannot be asked."""
    seconds: float
    """How long its preparation took."""

    @property
    def given(self) -> Inputs:
        """The inputs of a question that can be asked."""
        assert self.inputs is not None, "asked only where there are inputs"
        return self.inputs

    def failed(self, why: str, seconds: float = 0.0) -> Response:
        """Return the response of a request that failed, ``seconds`` after it was prepared."""
        return Response(id=self.request.id, error=why, seconds=self.seconds + seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why the model did not do something, when it lives on."""

    text: str
    """One line."""
    memory: bool
    """Whether memory ran out."""

    def why(self, tokens: int) -> str:
        """Return the error of a request with so many tokens of prompt."""
        if not self.memory:
            return f"the model failed on this request: {self.text}"
        return (
            f"out of memory with {tokens} tokens of prompt ({self.text}): lower the"
            " protocol's pixels, or set model.device_map=auto where there are several devices"
        )


def prepare(maker: Maker, group: Sequence[Request], context: int) -> list[Question]:
    """Return a group's questions, each of its media having been prepared once.

    Args:
        maker: a new one for every group.
        group: requests that share their media.
        context: the most tokens of prompt and reply together.
    """
    return [question(maker, request, context) for request in group]


def question(maker: Maker, request: Request, context: int) -> Question:
    """Return one request with its inputs or the reason why it has none."""
    start = time.perf_counter()
    inputs, error = None, ""
    try:
        inputs = maker.prepare(request)
        if inputs.tokens + request.max_new_tokens > context:
            raise DataError(
                f"context exceeded: {inputs.tokens} tokens of prompt and up to"
                f" {request.max_new_tokens} of reply are more than {context}; raise"
                " model.max_context, or lower the protocol's pixels"
            )
    except DataError as fault:
        inputs, error = None, one_line(fault)
    seconds = time.perf_counter() - start
    return Question(request=request, inputs=inputs, error=error, seconds=seconds)


def held(questions: Sequence[Question]) -> int:
    """Return how many bytes a group's inputs hold; media that questions share count once."""
    media = {id(q.inputs.media): q.inputs.media for q in questions if q.inputs is not None}
    return sum(tensor.nbytes for tensors in media.values() for tensor in tensors.values())


def alike(questions: Sequence[Question]) -> list[list[Question]]:
    """Return the questions that can be asked, in sets that show the same media the same way."""
    sets: dict[int, list[Question]] = {}
    for each in questions:
        if each.inputs is not None:
            sets.setdefault(id(each.inputs.media), []).append(each)
    return list(sets.values())


def attempt(loaded: Loaded, work: Callable[[], T]) -> T | Fault:
    """Return what some work with the model returns, or why it failed.

    The exception is dropped here: its traceback would hold the tensors that memory ran out with.

    Raises:
        BackendError: the model is dead.
    """
    import torch

    try:
        with torch.inference_mode():
            return work()
    except Exception as error:  # noqa: BLE001 - libraries raise anything; a dead model is raised
        check_alive(loaded, error)
        text = one_line(error, 160)
        memory = isinstance(error, (torch.OutOfMemoryError, MemoryError))
        return Fault(text=text, memory=memory or "DefaultCPUAllocator" in text)


def check_alive(loaded: Loaded, error: Exception) -> None:
    """Raise ``BackendError`` when after a failure not even a weight can be read back.

    A device that failed an assertion fails every later call, so that the rest of the run would be
    recorded as answers that failed.
    """
    try:
        weight_of(loaded)
    except RuntimeError:
        raise BackendError(f"the model is dead: {one_line(error)}") from error


def weight_of(loaded: Loaded) -> float:
    """Return one of the model's weights."""
    return float(next(iter(loaded.model.parameters())).flatten()[0].item())


class Reply(NamedTuple):
    """What a model says to one question."""

    tokens: list[int]
    """Its tokens, the end token included."""
    lead: float
    """By how much the logit of the likeliest token led over the next, where it led by the least."""


def leads_of(logits: torch.Tensor) -> torch.Tensor:
    """Return by how much the largest logit of each row leads over the next: rows."""
    best = logits.topk(2).values.float()
    return best[:, 0] - best[:, 1]


def respond(loaded: Loaded, asked: Question, reply: Reply, seconds: float) -> Response:
    """Return the response that a reply makes.

    Args:
        loaded: the model that replied.
        asked: what it replied to.
        reply: what it said.
        seconds: how long the model took, beside the preparation.
    """
    inputs, most, tokens = asked.given, asked.request.max_new_tokens, reply.tokens
    decoding = {**loaded.decoding, "max_new_tokens": most}
    return Response(
        id=asked.request.id,
        text=loaded.tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        ),
        finish_reason="stop" if tokens[-1] in decoding["eos_token_id"] else "length",
        prompt_tokens=inputs.tokens,
        completion_tokens=len(tokens),
        grid=inputs.grid,
        seconds=asked.seconds + seconds,
        digests={**inputs.digests, "generation": digest_json(decoding)},
        details={**inputs.details, **lead_detail(reply.lead)},
    )
