"""A judge behind an OpenAI-compatible chat endpoint.

The key is read from the environment when the judge is opened and stands in no config, manifest,
log or error: messages are made here, from status codes, and never quote the server's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from evalkit.errors import JudgeError, UsageError
from evalkit.types import Attempt

__all__ = ["OpenAIJudge"]

FATAL = {
    400: "does not take the request",
    401: "refuses the key in {key_env}",
    403: "refuses the key in {key_env}",
    404: "does not know the model {model}",
}
"""Status codes that every further request would meet too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIJudge:
    """Asks a chat endpoint; the client retries what is worth retrying."""

    model: str
    """The model's name at the endpoint."""
    base_url: str | None
    """The endpoint, such as ``http://127.0.0.1:8000/v1``; ``None`` for the client's own."""
    key_env: str
    """The environment variable that holds the key."""
    concurrency: int
    """How many prompts may be under way at once."""
    timeout: float
    """Seconds until a request is given up and tried again."""
    max_retries: int
    """How often the client tries again after a time-out, a 429 or a 5xx."""
    _client: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model

    @property
    def identity(self) -> Mapping[str, Any]:
        """The model; where it is served does not change its answers."""
        return {"judge": "openai", "model": self.model}

    def __enter__(self) -> OpenAIJudge:
        """Make the client.

        Raises:
            UsageError: the client is not installed, or the key is not set.
        """
        try:
            from openai import OpenAI
        except ImportError as error:
            raise UsageError(
                "judge=openai needs the openai package: pip install 'evalkit-vl[openai]'"
            ) from error
        key = os.environ.get(self.key_env)
        if not key:
            raise UsageError(f"judge={self.model}: set the key in {self.key_env}")
        self._client.append(
            OpenAI(
                api_key=key,
                base_url=self.base_url,
                timeout=self.timeout,
                max_retries=self.max_retries,
            )
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the client."""
        self._client.pop().close()

    def ask(self, attempt: Attempt) -> str | None:
        """Return the answer to one prompt, or ``None`` when this request failed."""
        from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError

        try:
            answer = self._client[0].chat.completions.create(
                model=self.model,
                messages=[{"role": "user", "content": attempt.prompt}],
                temperature=attempt.temperature,
                max_tokens=attempt.max_tokens,
            )
        except APITimeoutError:
            return None
        except APIConnectionError as error:
            raise JudgeError(f"the judge {self.model} cannot be reached{self.where()}") from error
        except APIStatusError as error:
            self.stop_if_fatal(error.status_code)
            return None
        except (APIError, ValueError):
            return None  # the server answered what is no chat completion
        choices = getattr(answer, "choices", None)
        return (choices[0].message.content or "") if choices else None

    def stop_if_fatal(self, status: int) -> None:
        """Raise when the status is one that every further request would meet too."""
        if status in FATAL:
            why = FATAL[status].format(key_env=self.key_env, model=self.model)
            raise JudgeError(f"the judge{self.where()} {why} (status {status})")

    def where(self) -> str:
        """Return the endpoint for a message, without what stands before an @."""
        if self.base_url is None:
            return ""
        scheme, _, rest = self.base_url.rpartition("://")
        return f" at {scheme}://{rest.rpartition('@')[2]}"
