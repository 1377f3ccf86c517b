"""A backend for replicas: it says which process answered, and dies when it is told to."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import BackendError, UsageError
from evalkit.types import Request, Response


@dataclass(frozen=True, kw_only=True)
class Echo:
    """Answers with its process and the question's last word."""

    folder: str = ""
    """Where it leaves a mark when it is opened, and where a request that kills does, to kill once
    only."""
    seconds: float = 0.0
    """How long an answer takes."""
    broken: str = ""
    """What is wrong with it."""
    max_reply: int | None = None
    """Nothing."""
    answers: str = ""
    """Nothing: it stands in for the replaying backend under that one's card."""

    def __enter__(self) -> Echo:
        if self.broken == "usage":
            raise UsageError("model.seconds is wrong: write model.seconds=1")
        if self.folder:
            (Path(self.folder) / f"{os.getpid()}.opened").touch()
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"model": "echo"}

    @property
    def facts(self) -> Mapping[str, Any]:
        return {"backend": "echo", "process": os.getpid()}

    def generate(self, groups: Iterable[Sequence[Request]]) -> Iterator[Response]:
        if self.broken == "backend":
            raise BackendError("the model is dead")
        for group in groups:
            for request in group:
                time.sleep(self.seconds)
                self.die(request)
                yield Response(id=request.id, text=f"{os.getpid()} {request.parts[-1]}")

    def die(self, request: Request) -> None:
        """End this process where the question says so."""
        text, mark = str(request.parts[-1]), Path(self.folder) / f"{request.id}.died"
        if "always die" in text or ("die" in text and not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
