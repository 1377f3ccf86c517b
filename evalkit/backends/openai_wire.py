"""The wire to a chat endpoint: requests as bytes, answers as JSON.

The `openai` client makes the connection: address, key, time-outs, certificates, proxies. Requests
then go through its HTTP client as they are, since building each one anew through typed models costs
more than sending it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from evalkit.backends.openai_errors import Answer, Trouble, garbled, read, refusal, unreached
from evalkit.errors import UsageError

__all__ = ["Wire", "connect", "packed"]

CONNECT = 10.0
"""Seconds until a connection that is not made is given up."""

HOLE = "\x00medium {}\x00"
"""What stands in a body for a medium until it is sent; no text of a question has NUL in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A connection to an endpoint."""

    client: Any
    """The openai client."""
    http: Any
    """Its HTTP client."""
    library: Any
    """The package that the HTTP client is of."""
    empty: Any
    """A request for a completion without a body, made once by the HTTP client."""
    failures: tuple[type[Exception], ...]
    """What the HTTP client raises when there is no answer."""
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
            response = await self.http.send(self._request(b"".join(body)))
        except self.failures as error:
            return unreached(error)
        if response.status_code >= 400:
            told = response.status_code, response.headers, response.text
            return refusal(*told, self.key, self.key_env)
        try:
            return read(json.loads(response.content))
        except ValueError:
            return garbled("an answer that is no JSON")

    def _request(self, content: bytes) -> Any:
        """Return a request with a body; the client itself takes five times as long to make one."""
        like = self.empty
        headers = self.library.Headers(like.headers, encoding=like.headers.encoding)
        headers["Content-Length"] = str(len(content))
        request = self.library.Request(
            like.method,
            like.url,
            headers=headers,
            cookies=self.http.cookies,
            stream=self.library.ByteStream(content),
            extensions=like.extensions,
        )
        request.read()
        return request

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()


def connect(base_url: str | None, key: str, key_env: str, timeout: float) -> Wire:
    """Return a connection to an endpoint; with aiohttp, where it is installed, at half the cost.

    Raises:
        UsageError: the openai client is not installed.
    """
    try:
        import openai
    except ImportError as error:
        raise UsageError(
            "this model needs the openai package: pip install 'evalkit-vl[openai]'"
        ) from error
    plain = openai.DefaultAsyncHttpxClient
    fast = getattr(openai, "DefaultAioHttpClient", plain) if find_spec("aiohttp") else plain
    http = fast(timeout=openai.Timeout(timeout, connect=CONNECT))
    client = openai.AsyncOpenAI(
        # The client insists on a key; a server of one's own does not look at it.
        api_key=key or "none",
        base_url=base_url,
        http_client=http,
    )
    address, _, query = str(client.base_url).partition("?")
    # httpx's package has had several names; its errors are where its client is.
    package = next(c.__module__ for c in plain.__mro__ if c.__name__ == "AsyncClient")
    library = import_module(package.partition(".")[0])
    url = f"{address.rstrip('/')}/chat/completions{'?' if query else ''}{query}"
    headers = {"Authorization": f"Bearer {key or 'none'}", "Content-Type": "application/json"}
    return Wire(
        client=client,
        http=http,
        library=library,
        empty=http.build_request("POST", url, headers=headers),
        failures=(library.HTTPError, library.StreamError, OSError),
        key=key,
        key_env=key_env,
    )


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
