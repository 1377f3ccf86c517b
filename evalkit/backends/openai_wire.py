"""The wire to a chat endpoint: requests as bytes, answers as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.backends.openai_errors import Answer, Trouble, garbled, read, refusal, unreached
from evalkit.backends.openai_http import Carrier

__all__ = ["Wire", "packed"]

HOLE = "\x00medium {}\x00"
"""What stands in a body for a medium until it is sent; no text of a question has NUL in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A connection to an endpoint."""

    carrier: Carrier
    """What takes bodies there."""
    key: str
    """The key, to be cut out of messages."""
    key_env: str
    """The variable that holds it."""

    async def post(self, body: list[bytes]) -> Answer | Trouble:
        """Return what the endpoint makes of a request.

        Args:
            body: the JSON, in pieces.
        """
        try:
            status, headers, content = await self.carrier.post(b"".join(body))
        except self.carrier.failures as error:
            return unreached(error)
        if status >= 400:
            text = content.decode("utf-8", "replace")
            return refusal(status, headers, text, self.key, self.key_env)
        try:
            return read(json.loads(content))
        except ValueError:
            return garbled("an answer that is no JSON")

    async def close(self) -> None:
        """Close the connections."""
        await self.carrier.close()


def packed(body: Mapping[str, Any]) -> list[bytes]:
    """Return a body's JSON in pieces, media as they are: no encoder reads through megabytes."""
    media: list[bytes] = []

    def hole(value: object) -> str:
        if not isinstance(value, bytes):
            raise TypeError(f"{type(value).__name__} has no form in JSON")
        media.append(value)
        return HOLE.format(len(media) - 1)

    rest = json.dumps(body, default=hole, ensure_ascii=False).encode("utf-8", "surrogatepass")
    pieces = []
    for number, medium in enumerate(media):
        mark = json.dumps(HOLE.format(number)).encode().strip(b'"')
        before, _, rest = rest.partition(mark)
        pieces += [before, medium]
    return [*pieces, rest]
