"""Runs a Qwen2-VL checkpoint with transformers: its own processor, chat template and weights.

Decoding is greedy with a repetition penalty of 1.0, whatever ``generation_config.json`` says: the
release of 2024 sampled with ``top_k`` 1, which is the same thing. Requests of a group share their
decoded pictures; one request at a time goes through the model, so that no answer depends on others.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

from evalkit.backends.hardware import choose_attention, choose_device, choose_dtype, device_name
from evalkit.backends.loading import Loaded, load, quiet
from evalkit.backends.qwen2_vl import Inputs, Preparer
from evalkit.backends.weights import find_checkpoint
from evalkit.data import quiet as hub
from evalkit.data.digest import digest_json
from evalkit.errors import BackendError, DataError, UsageError, one_line
from evalkit.types import Request, Response

__all__ = ["TransformersBackend"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformersBackend:
    """A Qwen2-VL checkpoint on this machine."""

    path: str
    """A folder, a Hub repository's name such as ``Qwen/Qwen2-VL-2B-Instruct``, or ``builtin``."""
    revision: str | None = None
    """The repository's branch, tag or commit; not asked where ``path`` is a folder."""
    dtype: str = "auto"
    """``auto``, ``float32``, ``bfloat16`` or ``float16``."""
    device: str = "auto"
    """``auto``, or a device as torch names it, such as ``cuda:1``."""
    device_map: str | dict[str, Any] | None = None
    """How accelerate spreads the model over devices, such as ``auto``; ``None`` for one device."""
    attention: str = "auto"
    """``auto``, ``sdpa``, ``flash_attention_2`` or ``eager``."""
    max_context: int | None = None
    """The most tokens of prompt and reply together; ``None`` for the checkpoint's own limit."""
    max_reply: int | None = None
    """The most tokens of a reply, whatever the protocol allows: for a model that never stops."""
    allow_eager_bf16: bool = False
    """Whether eager attention may run in 16 bits."""
    _open: ExitStack = field(default_factory=ExitStack, init=False, repr=False, compare=False)
    _held: list[Loaded] = field(default_factory=list, init=False, repr=False, compare=False)

    def __enter__(self) -> TransformersBackend:
        """Load the checkpoint.

        Raises:
            UsageError: a setting that cannot work, or a checkpoint that is not what it must be.
            BackendError: the Hub fails, or the model does not load.
        """
        with ExitStack() as stack:
            stack.enter_context(quiet())
            self._held.append(self._load())
            stack.callback(self._held.clear)
            self._open.push(stack.pop_all())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drop the model."""
        self._open.close()

    @property
    def identity(self) -> Mapping[str, Any]:
        """The checkpoint's name, its commit or digest, and the number format."""
        loaded = self._loaded
        limit = {} if self.max_reply is None else {"max_reply": self.max_reply}
        return {
            "model": loaded.checkpoint.name,
            "revision": loaded.checkpoint.revision,
            "dtype": loaded.dtype,
            **limit,
        }

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the model really runs with."""
        return {**self._loaded.facts, "device_name": device_name(self._loaded.device)}

    def generate(self, groups: Iterable[Sequence[Request]]) -> Iterator[Response]:
        """Yield one response for every request, in the order of the groups.

        Args:
            groups: requests that share their media; a group's pictures are kept until its end.

        Raises:
            BackendError: the model is dead.
        """
        loaded = self._loaded
        for group in groups:
            preparer = Preparer(processor=loaded.processor)
            for request in group:
                yield _answer(loaded, preparer, self._limited(request))

    @property
    def _loaded(self) -> Loaded:
        if not self._held:
            raise BackendError("the model is not loaded: use the backend in a `with` statement")
        return self._held[0]

    def _limited(self, request: Request) -> Request:
        if self.max_reply is None or request.max_new_tokens <= self.max_reply:
            return request
        return replace(request, max_new_tokens=self.max_reply)

    def _load(self) -> Loaded:
        device = choose_device(self.device)
        dtype = choose_dtype(self.dtype, device)
        attention = choose_attention(self.attention, device, dtype, self.allow_eager_bf16)
        for name in ("max_context", "max_reply"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"model.{name} must be positive, not {value}")
        with hub.quiet():
            return load(
                find_checkpoint(self.path, self.revision, "qwen2_vl"),
                dtype=dtype,
                attention=attention,
                device_map=self.device_map or {"": str(device)},
                max_context=self.max_context,
            )


def _answer(loaded: Loaded, preparer: Preparer, request: Request) -> Response:
    """Return the response to one request, which holds the reason where it failed."""
    start = time.perf_counter()
    try:
        inputs = preparer.prepare(request)
        if inputs.tokens + request.max_new_tokens > loaded.context:
            raise DataError(
                f"context exceeded: {inputs.tokens} tokens of prompt and up to"
                f" {request.max_new_tokens} of reply are more than {loaded.context}; raise"
                " model.max_context, or lower the protocol's pixels"
            )
        tokens = _decode(loaded, inputs, request.max_new_tokens)
    except DataError as error:
        seconds = time.perf_counter() - start
        return Response(id=request.id, error=one_line(error), seconds=seconds)
    decoding = {**loaded.decoding, "max_new_tokens": request.max_new_tokens}
    return Response(
        id=request.id,
        text=loaded.processor.tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        ),
        finish_reason="stop" if tokens[-1] in decoding["eos_token_id"] else "length",
        prompt_tokens=inputs.tokens,
        completion_tokens=len(tokens),
        grid=inputs.grid,
        seconds=time.perf_counter() - start,
        digests={**inputs.digests, "generation": digest_json(decoding)},
        details=inputs.details,
    )


def _decode(loaded: Loaded, inputs: Inputs, max_new_tokens: int) -> list[int]:
    """Return the tokens of the greedy reply, the end token included.

    Raises:
        DataError: this request fails, and the model lives on.
        BackendError: the model is dead.
    """
    import torch

    try:
        tensors = {name: tensor.to(loaded.device) for name, tensor in inputs.tensors.items()}
        out = loaded.model.generate(**tensors, max_new_tokens=max_new_tokens)
        tokens: list[int] = out[0, inputs.tokens :].tolist()
    except Exception as error:
        _check_alive(loaded, error)
        fault = one_line(error, 160)
        full = isinstance(error, (torch.OutOfMemoryError, MemoryError))
        if full or "DefaultCPUAllocator" in fault:
            raise DataError(
                f"out of memory with {inputs.tokens} tokens of prompt ({fault}): lower the"
                " protocol's pixels, or set model.device_map=auto where there are several devices"
            ) from error
        raise DataError(f"the model failed on this request: {fault}") from error
    return tokens


def _check_alive(loaded: Loaded, error: Exception) -> None:
    """Raise ``BackendError`` when after a failure not even a weight can be read back.

    A device that failed an assertion fails every later call, so that the rest of the run would be
    recorded as answers that failed.
    """
    try:
        next(iter(loaded.model.parameters())).flatten()[0].item()
    except RuntimeError:
        raise BackendError(f"the model is dead: {one_line(error)}") from error
