"""What carries requests to a chat endpoint: aiohttp where it can, else the client's httpx.

The `openai` client says where requests go and with what key. It would build each one anew through
typed models and hand it down through httpx, which costs more than sending it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from evalkit.errors import UsageError

__all__ = ["CONNECT", "Carrier", "Status", "carrier", "is_address"]

CONNECT = 10.0
"""Seconds until a connection that is not made is given up."""

Status = tuple[int, Mapping[str, str], bytes]
"""An answer: its status, headers by names of any case, and body."""


class Carrier(Protocol):
    """Takes bodies to one endpoint."""

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What ``post`` raises when there is no answer."""

    async def post(self, content: bytes) -> Status:
        """Return what the endpoint answers to a body of JSON."""

    async def close(self) -> None:
        """Close the connections."""


@dataclass(slots=True, kw_only=True)
class Aiohttp:
    """Straight through aiohttp."""

    url: str
    """The endpoint."""
    headers: Mapping[str, str]
    """The headers of every request."""
    timeout: float
    """Seconds without a byte until a request is given up."""
    trust: Any
    """The TLS context."""
    _session: Any = field(default=None, init=False)

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What ``post`` raises when there is no answer."""
        import aiohttp

        return aiohttp.ClientError, TimeoutError, OSError

    async def post(self, content: bytes) -> Status:
        """Return what the endpoint answers to a body of JSON."""
        session = self._session or self._open()
        async with session.post(self.url, data=content) as response:
            return response.status, response.headers, await response.read()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> Any:
        """Return a session, which can be made only where its loop runs."""
        import aiohttp

        limit = aiohttp.ClientTimeout(sock_connect=CONNECT, sock_read=self.timeout)
        self._session = aiohttp.ClientSession(
            # How many requests are under way is for the pace to say.
            connector=aiohttp.TCPConnector(limit=0, ssl=self.trust),
            headers=self.headers,
            timeout=limit,
        )
        return self._session


@dataclass(frozen=True, slots=True, kw_only=True)
class Httpx:
    """Through the openai client's own HTTP client."""

    client: Any
    """The HTTP client."""
    library: Any
    """The package that it is of."""
    empty: Any
    """A request for a completion without a body, made once by the HTTP client."""

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What ``post`` raises when there is no answer."""
        return self.library.HTTPError, self.library.StreamError, OSError

    async def post(self, content: bytes) -> Status:
        """Return what the endpoint answers to a body of JSON."""
        response = await self.client.send(self._request(content))
        return response.status_code, response.headers, response.content

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    def _request(self, content: bytes) -> Any:
        """Return a request with a body; the client itself takes five times as long to make one."""
        like = self.empty
        headers = self.library.Headers(like.headers, encoding=like.headers.encoding)
        headers["Content-Length"] = str(len(content))
        request = self.library.Request(
            like.method,
            like.url,
            headers=headers,
            cookies=self.client.cookies,
            stream=self.library.ByteStream(content),
            extensions=like.extensions,
        )
        request.read()
        return request


def is_address(url: str) -> bool:
    """Whether an endpoint can stand there at all."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # half a bracket, or a port that is no number
        return False


def proxied(url: str) -> bool:
    """Whether the environment wants a proxy for an address.

    aiohttp would look that up, and a login in ``.netrc`` that replaces the key, for every request,
    each in a thread.
    """
    parts, known = urlsplit(url), getproxies()
    wanted = known.get(parts.scheme) or known.get("all")
    return bool(wanted) and not proxy_bypass(parts.hostname or "")


def carrier(base_url: str | None, key: str, timeout: float) -> Carrier:
    """Return what carries requests to an endpoint: aiohttp where it can, a quarter of httpx's cost.

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
    # httpx's package has had several names; its errors are where its client is.
    module = next(c.__module__ for c in plain.__mro__ if c.__name__ == "AsyncClient")
    library = import_module(module.partition(".")[0])
    trust = library.create_ssl_context()  # once: to read all certificates takes 60 ms
    http = plain(timeout=openai.Timeout(timeout, connect=CONNECT), verify=trust)
    # The client insists on a key; a server of one's own does not look at it.
    client = openai.AsyncOpenAI(api_key=key or "none", base_url=base_url, http_client=http)
    address, _, query = str(client.base_url).partition("?")
    url = f"{address.rstrip('/')}/chat/completions{'?' if query else ''}{query}"
    headers = {"Authorization": f"Bearer {key or 'none'}", "Content-Type": "application/json"}
    if find_spec("aiohttp") and not proxied(url):
        return Aiohttp(url=url, headers=headers, timeout=timeout, trust=trust)
    empty = http.build_request("POST", url, headers=headers)
    return Httpx(client=http, library=library, empty=empty)
