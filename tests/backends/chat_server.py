"""A small OpenAI-compatible chat server on loopback that misbehaves on demand.

It answers ``GET /v1/models`` and ``POST /v1/chat/completions``; what it answers is a function of
the request's body, and so is how it fails. ``with serve(answer) as chat:`` gives a ``Chat`` with
``url``. As a script, ``python tests/backends/chat_server.py DELAY [SHARE]`` prints the address and
answers after ``DELAY`` seconds, with ``SHARE`` of the answers being 429 and 500 in turn.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import selectors
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Body = Mapping[str, Any]
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Busy"}


@dataclass(frozen=True)
class Reply:
    """A good answer."""

    text: str | None = "yes"
    finish: str | None = "stop"
    prompt_tokens: int | None = 10
    completion_tokens: int = 2
    refusal: str | None = None
    logprobs: Any = None

    def body(self, model: str) -> dict[str, Any]:
        """Return the answer as the endpoint has it."""
        message = {"role": "assistant", "content": self.text, "refusal": self.refusal}
        usage = {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": (self.prompt_tokens or 0) + self.completion_tokens,
        }
        choice = {"index": 0, "message": message, "finish_reason": self.finish}
        choice |= {} if self.logprobs is None else {"logprobs": self.logprobs}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": [choice],
            **({"usage": usage} if self.prompt_tokens is not None else {}),
        }


@dataclass(frozen=True)
class Fault:
    """A bad answer."""

    status: int = 200
    message: str = "no"
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    raw: bytes | None = None
    """A body in place of the error."""
    cut: bool = False
    """Whether the connection is cut in the middle of the body, or before all where it is empty."""
    wait: float = 0.0
    """Seconds before it."""

    def body(self) -> bytes:
        """Return the error as the endpoint has it."""
        if self.raw is not None:
            return self.raw
        error = {"message": self.message, "type": "error", "param": None, "code": self.code}
        return json.dumps({"error": error}).encode()


Answer = Callable[[Body, int], Reply | Fault]
"""From a request's body and its number, from 0, to what is answered."""


@dataclass
class Chat:
    """A running server."""

    answer: Answer
    delay: float = 0.0
    """Seconds before every answer."""
    model: str = "tiny"
    """The one model's name."""
    key: str | None = None
    """The key that requests must carry."""
    models: bool = True
    """Whether the list of models exists."""
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of the requests, in the order in which they came."""
    headers: list[dict[str, str]] = field(default_factory=list)
    """Their headers."""
    most: int = 0
    """The most requests that were under way at once."""
    stop: asyncio.Event | None = None
    """Ends the server."""
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    """Open connections."""
    _now: int = 0
    _count: int = 0
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a connection's requests."""
        self.writers.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return False
        first, *lines = head.split("\r\n")
        method, path, _ = first.split(" ")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines) if k}
        data = await reader.readexactly(int(headers.get("content-length", 0)))
        if self.key is not None and headers.get("authorization") != f"Bearer {self.key}":
            quoted = headers.get("authorization", "")
            return await self._fail(writer, Fault(401, f"Incorrect API key: {quoted}"))
        if method == "GET" and path == "/v1/models" and self.models:
            entry = {"id": self.model, "object": "model", "created": 1, "owned_by": "tests"}
            return await self._send(writer, 200, {"object": "list", "data": [entry]})
        if path != "/v1/chat/completions":
            return await self._fail(writer, Fault(404, "Not Found"))
        return await self._chat(writer, headers, data)

    async def _chat(
        self, writer: asyncio.StreamWriter, headers: dict[str, str], data: bytes
    ) -> bool:
        body: dict[str, Any] = json.loads(data)
        self.asked.append(body)
        self.headers.append(headers)
        number, self._count = self._count, self._count + 1
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            if body["model"] != self.model:
                message = f"The model `{body['model']}` does not exist"
                return await self._fail(writer, Fault(404, message, "model_not_found"))
            if self.delay:
                await asyncio.sleep(self.delay)
                found = self.answer(body, number)
            else:
                run = asyncio.get_running_loop().run_in_executor
                found = await run(self._pool, self.answer, body, number)
        except Exception as error:  # noqa: BLE001 - whatever the test's answer does wrong is shown
            return await self._fail(writer, Fault(500, f"{type(error).__name__}: {error}"))
        else:
            if isinstance(found, Fault):
                return await self._fail(writer, found)
            return await self._send(writer, 200, found.body(self.model))
        finally:
            self._now -= 1

    async def _fail(self, writer: asyncio.StreamWriter, fault: Fault) -> bool:
        await asyncio.sleep(fault.wait)
        data = fault.body()
        if fault.cut and not data:
            return False
        lines = [
            f"HTTP/1.1 {fault.status} {REASONS.get(fault.status, 'Error')}",
            f"Content-Length: {len(data)}",
            "Content-Type: application/json",
            *(f"{name}: {value}" for name, value in fault.headers.items()),
        ]
        shown = data[: len(data) // 2] if fault.cut else data
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + shown)
        await writer.drain()
        return not fault.cut

    async def _send(self, writer: asyncio.StreamWriter, status: int, value: Any) -> bool:
        data = json.dumps(value).encode()
        head = f"HTTP/1.1 {status} OK\r\nContent-Length: {len(data)}\r\n"
        writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + data)
        await writer.drain()
        return True


@contextmanager
def serve(
    answer: Answer | None = None, tls: ssl.SSLContext | None = None, **settings: Any
) -> Iterator[Chat]:
    """Serve on a free port of this machine until the block ends.

    Args:
        answer: what is answered; every request the same where it is left out.
        tls: a certificate to serve https with.
        settings: fields of ``Chat``.
    """
    chat = Chat(answer=answer or (lambda body, number: Reply()), **settings)
    started, loops = threading.Event(), []

    async def main() -> None:
        server = await asyncio.start_server(
            chat.handle, "127.0.0.1", 0, limit=1 << 26, ssl=tls, backlog=512
        )
        chat.url = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        loop, chat.stop = asyncio.get_running_loop(), asyncio.Event()
        loop.set_exception_handler(lambda _, context: None)  # clients cut connections on purpose
        loops.append(loop)
        started.set()
        await chat.stop.wait()
        server.close()
        for writer in list(chat.writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    thread = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield chat
    finally:
        assert chat.stop is not None
        loops[0].call_soon_threadsafe(chat.stop.set)
        thread.join(10)
        chat._pool.shutdown(wait=False)


def faulty(share: float) -> Answer:
    """Return a server's answers of which a share fails, evenly spread, with 429 and 500 in turn."""

    def answer(body: Body, number: int) -> Reply | Fault:
        failures = int((number + 1) * share) - int(number * share)
        if not failures:
            return Reply()
        return Fault((429, 500)[int(number * share) % 2])

    return answer


class Bare(asyncio.Protocol):
    """Answers completions after a while and does nothing else.

    It costs next to nothing, so that what is measured is the client.
    """

    def __init__(self, delay: float, answer: Answer) -> None:
        self.delay, self.answer = delay, answer
        self.held = bytearray()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.held += data
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.held[:end]).lower()
            _, _, length = head.partition(b"content-length: ")
            whole = end + 4 + int(length.partition(b"\r\n")[0] or 0)
            if len(self.held) < whole:
                return
            del self.held[:whole]
            if head.startswith(b"get"):
                self.reply(Fault(404))
            else:
                found = self.answer({}, next(NUMBERS))
                asyncio.get_running_loop().call_later(self.delay, self.reply, found)

    def reply(self, found: Reply | Fault) -> None:
        """Write an answer."""
        if not self.transport.is_closing():
            self.transport.write(written(found))


NUMBERS = itertools.count()


@functools.cache
def written(found: Reply | Fault) -> bytes:
    """Return an answer as it goes over the wire."""
    data = json.dumps(found.body("tiny")).encode() if isinstance(found, Reply) else found.body()
    status = 200 if isinstance(found, Reply) else found.status
    head = f"HTTP/1.1 {status} {REASONS.get(status, 'Error')}\r\nContent-Length: {len(data)}\r\n"
    return head.encode() + b"Content-Type: application/json\r\n\r\n" + data


async def serve_bare(delay: float, answer: Answer) -> None:
    """Serve until the process is ended, and print the address."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Bare(delay, answer), "127.0.0.1", 0, backlog=512)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    share = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    # epoll wakes on whole milliseconds only: every answer would be late.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    loop.run_until_complete(serve_bare(float(sys.argv[1]), faulty(share)))
