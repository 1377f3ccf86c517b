"""Runs Qwen2-VL or Qwen2.5-VL with vLLM in this process.

The prompt is the checkpoint's own chat template's, pictures come at the protocol's size, and the
prompt that vLLM makes of them is held against the checkpoint's own processor, token by token.
Prefix caching is on: questions on one picture come one after another and share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

from evalkit.backends.base import lead_detail
from evalkit.backends.reference import CURE, Reference, load_reference, mismatch
from evalkit.backends.vllm_prompts import Prompt, prompts
from evalkit.backends.weights import BUILTIN
from evalkit.data.digest import digest_json
from evalkit.errors import BackendError, UsageError, nearest, one_line
from evalkit.types import Request, Response

__all__ = ["VLLMBackend"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VLLMBackend:
    """A model that vLLM runs in this process."""

    path: str
    """A folder, a Hub repository's name, or ``builtin``."""
    revision: str | None = None
    """The repository's branch, tag or commit."""
    dtype: str = "bfloat16"
    """The number format, as vLLM names it."""
    max_context: int = 32768
    """The most tokens of prompt and reply."""
    tensor_parallel: int = 1
    """Accelerators that share the model."""
    images_per_prompt: int = 24
    """The most pictures in one request."""
    window: int = 256
    """Requests that vLLM is handed at once."""
    on_mismatch: str = "stop"
    """What a prompt that is not the processor's does: ``stop`` the run, or ``report`` it."""
    seed: int = 0
    """The seed, which greedy decoding does not need."""
    max_reply: int | None = None
    """The most tokens of a reply, whatever the protocol allows."""
    leads: bool = False
    """Whether the log-probabilities of the two likeliest tokens are kept, to tell close calls."""
    engine: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of ``vllm.LLM``."""
    _held: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __enter__(self) -> VLLMBackend:
        """Load the model.

        Raises:
            UsageError: vLLM is not installed, or a setting cannot work.
            BackendError: the model does not load.
        """
        if self.on_mismatch not in ("stop", "report"):
            raise UsageError(nearest("model.on_mismatch", self.on_mismatch, ["stop", "report"]))
        try:
            import vllm
        except ImportError as error:
            raise UsageError(
                f"this model needs vLLM ({one_line(error, 80)}): pip install 'evalkit-vl[vllm]',"
                " or serve it elsewhere and use model=openai"
            ) from error
        self._held["reference"] = load_reference(self.path, self.revision)
        try:
            self._held["llm"] = vllm.LLM(**self._arguments())
        except Exception as error:
            raise BackendError(f"vLLM cannot load {self.path}: {one_line(error)}") from error
        self._held["version"] = vllm.__version__
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drop the model."""
        self._held.clear()

    def _arguments(self) -> dict[str, Any]:
        path = self.path
        if path == BUILTIN:
            from evalkit.canary.checkpoint import checkpoint

            path = str(checkpoint())
        return {
            "model": path,
            "revision": self.revision,
            "dtype": self.dtype,
            "max_model_len": self.max_context,
            "tensor_parallel_size": self.tensor_parallel,
            "enable_prefix_caching": True,
            "limit_mm_per_prompt": {"image": self.images_per_prompt, "video": 1},
            "seed": self.seed,
            **self.engine,
        }

    @property
    def identity(self) -> Mapping[str, Any]:
        """The checkpoint's name, its revision, the number format, and that vLLM runs it."""
        limit = {} if self.max_reply is None else {"max_reply": self.max_reply}
        return {
            "model": self.path,
            "revision": self.revision or "",
            "dtype": self.dtype,
            "engine": "vllm",
            **limit,
        }

    @property
    def facts(self) -> Mapping[str, Any]:
        """The version of vLLM, how it was started, and what is checked."""
        return {
            "backend": "vllm",
            "version": self._held.get("version"),
            "arguments": self._arguments(),
            "token_check": {**self._reference.facts, "on_mismatch": self.on_mismatch},
        }

    @property
    def _reference(self) -> Reference:
        if "llm" not in self._held:
            raise BackendError("the model is not loaded: use the backend in a `with` statement")
        reference: Reference = self._held["reference"]
        return reference

    def generate(self, groups: Iterable[Sequence[Request]]) -> Iterator[Response]:
        """Yield one response for every request, a window at a time, the next one made ready.

        Raises:
            BackendError: the model is dead, or makes another prompt than the processor.
        """
        reference = self._reference
        with ThreadPoolExecutor(1) as thread:
            waiting = None
            for window in self._windows(groups):
                following = thread.submit(prompts, window, reference, self.max_context)
                if waiting is not None:
                    yield from self._answers(waiting.result())
                waiting = following
            if waiting is not None:
                yield from self._answers(waiting.result())

    def _windows(self, groups: Iterable[Sequence[Request]]) -> Iterator[list[Request]]:
        """Yield requests of whole groups, about as many as a window has."""
        held: list[Request] = []
        for group in groups:
            held += [self._limited(request) for request in group]
            if len(held) >= self.window:
                yield held
                held = []
        if held:
            yield held

    def _limited(self, request: Request) -> Request:
        if self.max_reply is None or request.max_new_tokens <= self.max_reply:
            return request
        return replace(request, max_new_tokens=self.max_reply)

    def _answers(self, ready: Sequence[Prompt | Response]) -> Iterator[Response]:
        """Yield the responses to a window."""
        asked = [item for item in ready if isinstance(item, Prompt)]
        yield from (item for item in ready if isinstance(item, Response))
        for prompt, output in zip(asked, self._outputs(asked), strict=True):
            if isinstance(output, str):
                yield Response(id=prompt.request.id, error=output, details=prompt.details)
                continue
            response = self._response(prompt, output)
            yield response
            if response.error is not None:
                raise BackendError(f"{response.id}: {response.error}; {CURE}")

    def _outputs(self, asked: Sequence[Prompt]) -> list[Any]:
        """Return vLLM's outputs; what it refuses is asked alone, and its reason given.

        Raises:
            BackendError: the engine is dead.
        """
        from vllm import SamplingParams

        settings = [
            SamplingParams(
                temperature=0.0,
                repetition_penalty=1.0,
                seed=self.seed,
                max_tokens=prompt.request.max_new_tokens,
                logprobs=2 if self.leads else None,
            )
            for prompt in asked
        ]
        given = [dict(prompt.given) for prompt in asked]
        try:
            return list(self._held["llm"].generate(given, settings, use_tqdm=False))
        except Exception as error:
            if "EngineDead" in type(error).__name__:
                raise BackendError(f"vLLM is dead: {one_line(error)}") from error
            if len(asked) == 1:
                return [f"vLLM does not take this request: {one_line(error, 200)}"]
        return [output for prompt in asked for output in self._outputs([prompt])]

    def _text(self, tokens: Sequence[int]) -> str:
        """Return a reply as the checkpoint's tokenizer has it.

        The engine's own text lacks what ends in the middle of a character.
        """
        tokenizer = self._reference.processor.tokenizer
        text: str = tokenizer.decode(
            list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    def _response(self, prompt: Prompt, output: Any) -> Response:
        """Return an output as a response, its prompt checked against the processor."""
        (reply,), ids = output.outputs, list(output.prompt_token_ids)
        same = digest_json(ids) == prompt.expected.digests["tokens"]
        details = {**prompt.details, **lead_detail(_lead(reply) if self.leads else None)}
        wrong = None
        if not same:
            wrong = mismatch(len(ids), prompt.expected.tokens)
            details |= {"cause": "mismatch", "expected_prompt_tokens": prompt.expected.tokens}
        stopped = wrong is not None and self.on_mismatch == "stop"
        decoding = {"temperature": 0.0, "repetition_penalty": 1.0, "seed": self.seed}
        decoding["max_new_tokens"] = prompt.request.max_new_tokens
        return Response(
            id=prompt.request.id,
            text=None if stopped else self._text(reply.token_ids),
            error=wrong if stopped else None,
            finish_reason=reply.finish_reason,
            prompt_tokens=len(ids),
            completion_tokens=len(reply.token_ids),
            grid=prompt.expected.grid if same else (),
            digests={
                **prompt.digests,
                "tokens": digest_json(ids),
                "generation": digest_json(decoding),
            },
            details=details,
        )


def _lead(reply: Any) -> float | None:
    """Return by how much a token of a reply led over the next likely one where it led the least."""
    leads = []
    for token, told in zip(reply.token_ids, reply.logprobs, strict=True):
        others = [other.logprob for name, other in told.items() if name != token]
        leads.append(told[token].logprob - max(others))
    return min(leads, default=None)
