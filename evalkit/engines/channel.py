"""How the processes of a run talk: lines of JSON over a local connection, never pickles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

from evalkit.errors import BackendError
from evalkit.files import dump_json
from evalkit.store import response_from
from evalkit.types import Record, Response

__all__ = ["Line", "answer_from", "answer_line"]


class Line:
    """One end of a connection between the process that leads and one that follows."""

    def __init__(self, connection: Connection, name: str) -> None:
        """Take over a connection.

        Args:
            connection: an open one.
            name: what messages call the process at the other end.
        """
        self._connection = connection
        self._name = name

    def send(self, **message: Any) -> None:
        """Send a message.

        Raises:
            BackendError: the other process is gone.
        """
        try:
            self._connection.send_bytes(dump_json(message).encode("utf-8"))
        except (OSError, ValueError) as error:
            raise BackendError(f"{self._name} is gone") from error

    def ready(self, seconds: float) -> bool:
        """Wait up to so many seconds; return whether there is something to receive."""
        try:
            return self._connection.poll(seconds)
        except (OSError, EOFError):
            return True

    def receive(self) -> dict[str, Any]:
        """Wait for a message and return it.

        Raises:
            BackendError: the other process is gone, or says that it has failed.
        """
        try:
            message: dict[str, Any] = json.loads(self._connection.recv_bytes())
        except (OSError, EOFError) as error:
            raise BackendError(
                f"{self._name} is gone: what it was asked is not answered"
            ) from error
        if "failed" in message:
            raise BackendError(f"{self._name}: {message['failed']}")
        return message

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def answer_line(response: Response, record: Record) -> dict[str, Any]:
    """Return a response and its score as a message."""
    return {"response": asdict(response), "record": asdict(record)}


def answer_from(message: Mapping[str, Any]) -> tuple[Response, Record]:
    """Return the response and the score that a message holds."""
    record = dict(message["record"])
    record["subsets"] = tuple(record["subsets"])
    return response_from(message["response"]), Record(**record)
