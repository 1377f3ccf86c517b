"""Runs a checkpoint with transformers: its own processor, chat template and weights.

Decoding is greedy with a repetition penalty of 1.0, whatever ``generation_config.json`` says: the
release of 2024 sampled with ``top_k`` 1, which is the same thing.

What questions on the same media share is a setting, ``sharing``. It changes no question and no
weight, only in which shapes the same numbers are summed up, as the device, the attention kernel and
the other questions of a batch do too; so like these it stands in the manifest and not in the keys
of responses. ``exact`` gives the logits of a plain call to the bit, ``shared`` up to rounding.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Any

from evalkit.ahead import Ahead
from evalkit.backends.encoding import takes_encoded
from evalkit.backends.generic import GenericPreparer
from evalkit.backends.hardware import choose_attention, choose_device, choose_dtype, device_name
from evalkit.backends.loading import Loaded, in_memory, load, quiet
from evalkit.backends.questions import Maker, Question, held, prepare
from evalkit.backends.qwen2_vl import Preparer
from evalkit.backends.single import one_by_one
from evalkit.backends.together import Together, budget_for
from evalkit.backends.weights import find_checkpoint
from evalkit.data import quiet as hub
from evalkit.errors import BackendError, UsageError, nearest
from evalkit.types import Request, Response

__all__ = ["TransformersBackend"]

QWEN2_VL = "qwen2_vl"
"""The model type whose prompts are taken apart here; others go through their processor whole."""

SHARING = ("shared", "exact", "off")

PREPARED = {"cpu": 96 << 20}
"""Bytes of prepared inputs that may wait for the model, by type of device."""

PREPARED_ELSEWHERE = 4 << 30
"""The same for accelerators, whose next batch must be ready when they are."""

MOST_WORKERS = 16
"""The most threads that prepare inputs for an accelerator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformersBackend:
    """A checkpoint on this machine."""

    path: str
    """A folder, a Hub repository's name such as ``Qwen/Qwen2-VL-2B-Instruct``, or ``builtin``."""
    revision: str | None = None
    """The repository's branch, tag or commit; not asked where ``path`` is a folder."""
    family: str | None = QWEN2_VL
    """The model type that the checkpoint must have; ``None`` takes any."""
    dtype: str = "auto"
    """``auto``, ``float32``, ``bfloat16`` or ``float16``."""
    device: str = "auto"
    """``auto``, or a device as torch names it, such as ``cuda:1``."""
    device_map: str | dict[str, Any] | None = None
    """How accelerate spreads the model over devices, such as ``auto``; ``None`` for one device."""
    attention: str = "auto"
    """``auto``, ``sdpa``, ``flash_attention_2`` or ``eager``."""
    sharing: str = "shared"
    """What questions on the same media share. ``shared``: the vision encoder's outputs and the
    common beginning of their prompts, and a batch. ``exact``: the encoder's outputs. ``off``:
    decoding of pictures and nothing in the model."""
    compile: bool = False
    """Whether decoding is compiled, with a cache of fixed size; for ``sharing: shared``."""
    batch_tokens: int | None = None
    """The most tokens of a batch, padding and replies included; ``None`` goes by the memory."""
    workers: int | None = None
    """Threads that decode and preprocess media ahead of the model; ``None`` goes by the machine."""
    threads: int | None = None
    """Threads that a model on a processor computes with; ``None`` is one a core."""
    max_context: int | None = None
    """The most tokens of prompt and reply together; ``None`` for the checkpoint's own limit."""
    max_reply: int | None = None
    """The most tokens of a reply, whatever the protocol allows: for a model that never stops."""
    allow_eager_bf16: bool = False
    """Whether eager attention may run in 16 bits."""
    _open: ExitStack = field(default_factory=ExitStack, init=False, repr=False, compare=False)
    _held: list[Loaded] = field(default_factory=list, init=False, repr=False, compare=False)
    _weights: list[str] = field(default_factory=list, init=False, repr=False, compare=False)
    _batches: list[Together] = field(default_factory=list, init=False, repr=False, compare=False)
    _ahead: list[float] = field(default_factory=list, init=False, repr=False, compare=False)

    def __enter__(self) -> TransformersBackend:
        """Load the checkpoint.

        Raises:
            UsageError: a setting that cannot work, or a checkpoint that is not what it must be.
            BackendError: the Hub fails, or the model does not load.
        """
        with ExitStack() as stack:
            self._check_settings()
            stack.enter_context(quiet())
            if self.threads is not None:
                stack.callback(_use_threads(self.threads))
            self._held.append(self._load())
            stack.callback(self._held.clear)
            # Once: facts are asked for after every task, and each weight is a wait for a device.
            self._weights.append(in_memory(self._loaded.model))
            stack.callback(self._weights.clear)
            self._check_sharing()
            self._batches.append(self._together())
            stack.callback(self._batches.clear)
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
        loaded = self._loaded
        return {
            **loaded.facts,
            "weights_in_memory": self._weights[0],
            "device_name": device_name(loaded.device),
            "sharing": self.sharing,
            "batch_tokens": self._batches[0].budget if self.sharing == "shared" else None,
            "compile": self.compile,
        }

    @property
    def waited(self) -> float:
        """Seconds that the model has waited for inputs."""
        return sum(self._ahead)

    def generate(self, groups: Iterable[Sequence[Request]]) -> Iterator[Response]:
        """Yield one response for every request, in the order of the groups but for failures.

        Args:
            groups: requests that share their media, read ahead in a thread of its own.

        Raises:
            BackendError: the model is dead.
        """
        loaded, kind = self._loaded, self._loaded.device.type
        cores = os.cpu_count() or 1
        with Ahead(
            groups,
            self._prepare,
            size=held,
            budget=PREPARED.get(kind, PREPARED_ELSEWHERE),
            workers=self.workers or (1 if kind == "cpu" else min(MOST_WORKERS, cores)),
            initialise=partial(_use_threads, 1),  # its fellows share the work out already
        ) as ready:
            try:
                if self.sharing == "shared":
                    yield from self._batches[0].answers(ready)
                else:
                    yield from one_by_one(loaded, ready, share=self.sharing == "exact")
            finally:
                self._ahead.append(ready.waited)

    def _prepare(self, group: Sequence[Request]) -> list[Question]:
        loaded = self._loaded
        maker: Maker
        if loaded.family == QWEN2_VL:
            maker = Preparer(processor=loaded.processor, dtype=loaded.model.dtype)
        else:
            maker = GenericPreparer(processor=loaded.processor)
        return prepare(maker, [self._limited(request) for request in group], loaded.context)

    @property
    def _loaded(self) -> Loaded:
        if not self._held:
            raise BackendError("the model is not loaded: use the backend in a `with` statement")
        return self._held[0]

    def _together(self) -> Together:
        """Return what makes batches; what it learns of memory holds for all tasks."""
        import torch

        loaded = self._loaded
        step = torch.compile(loaded.model, dynamic=True) if self.compile else None
        budget = self.batch_tokens or budget_for(loaded)
        return Together(loaded=loaded, budget=budget, step=step)

    def _limited(self, request: Request) -> Request:
        if self.max_reply is None or request.max_new_tokens <= self.max_reply:
            return request
        return replace(request, max_new_tokens=self.max_reply)

    def _check_settings(self) -> None:
        """Refuse settings that cannot work with any model."""
        for name in ("max_context", "max_reply", "batch_tokens", "workers", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"model.{name} must be positive, not {value}")
        if self.sharing not in SHARING:
            raise UsageError(nearest("model.sharing", self.sharing, list(SHARING)))
        if self.compile and self.sharing != "shared":
            raise UsageError(
                f"model.compile=true changes the rounding that model.sharing={self.sharing} keeps:"
                " use model.sharing=shared with it"
            )

    def _load(self) -> Loaded:
        device = choose_device(self.device)
        dtype = choose_dtype(self.dtype, device)
        attention = choose_attention(self.attention, device, dtype, self.allow_eager_bf16)
        if self.compile and attention == "flash_attention_2":
            raise UsageError("model.compile=true needs model.attention=sdpa: set it too")
        with hub.quiet():
            return load(
                find_checkpoint(self.path, self.revision, self.family),
                dtype=dtype,
                attention=attention,
                device_map=self.device_map or {"": str(device)},
                max_context=self.max_context,
            )

    def _check_sharing(self) -> None:
        """Refuse to share what this model cannot share."""
        loaded = self._loaded
        able = takes_encoded(loaded.model)
        if self.sharing == "exact" and not able:
            raise UsageError(
                f"{type(loaded.model).__name__} does not take its vision encoder's outputs: use"
                " model.sharing=off"
            )
        if self.sharing == "shared" and not (able and loaded.family == QWEN2_VL and loaded.full):
            raise UsageError(
                f"model.sharing=shared is for Qwen2-VL with full attention: with"
                f" {type(loaded.model).__name__} use model.sharing={'exact' if able else 'off'}"
            )


def _use_threads(count: int) -> Callable[[], None]:
    """Have torch compute with so many threads; return what undoes it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    return partial(torch.set_num_threads, before)
