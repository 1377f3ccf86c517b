"""A chat endpoint on loopback whose replies a test writes down beforehand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[[dict[str, Any]], str | int | None]
"""From a request to the text of a reply, a status code, or ``None`` for a body that is no JSON."""


@dataclass
class ChatJudge:
    """What was asked of the endpoint."""

    url: str
    reply: Reply
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)


@contextmanager
def chat_judge(reply: Reply) -> Iterator[ChatJudge]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            judge.requests.append(body)
            judge.keys.add(self.headers.get("Authorization", ""))
            said = judge.reply(body)
            status = said if isinstance(said, int) else 200
            message = {"role": "assistant", "content": said if isinstance(said, str) else ""}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            answer = {
                "id": "1", "object": "chat.completion", "created": 0, "model": "m",
                "choices": [choice],
            }  # fmt: skip
            payload = b"no json" if said is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    judge = ChatJudge(url=f"http://127.0.0.1:{server.server_port}/v1", reply=reply)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield judge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
