"""Answers from a file: a stored run's responses, or predictions that anybody made.

It needs no model, and is what the test suite and re-scoring run on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from evalkit.data.digest import digest_json
from evalkit.errors import DataError, UsageError, one_line
from evalkit.predictions import read_lines
from evalkit.types import Request, Response

__all__ = ["ReplayBackend"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayBackend:
    """Gives stored answers."""

    answers: Mapping[str, str | Response] | str | Path
    """Texts or responses by id, or a JSONL file as ``evalkit score`` takes it: predictions, or a
    run's responses."""
    _stored: dict[str, Response] = field(default_factory=dict, init=False, repr=False)

    def __enter__(self) -> ReplayBackend:
        """Read the answers.

        Raises:
            UsageError: no such file, or a line that is no answer.
        """
        if isinstance(self.answers, Mapping):
            for name, given in self.answers.items():
                self._stored[name] = (
                    Response(id=name, text=given) if isinstance(given, str) else given
                )
        else:
            self._stored.update(_read(Path(self.answers)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Forget the answers."""
        self._stored.clear()

    @property
    def identity(self) -> Mapping[str, Any]:
        """The answers' digest: other answers are another model."""
        texts = {name: [answer.text, answer.error] for name, answer in self._stored.items()}
        return {"model": "replay", "revision": digest_json(texts), "dtype": ""}

    @property
    def facts(self) -> Mapping[str, Any]:
        """How many answers there are, and the file that they came from."""
        source = "" if isinstance(self.answers, Mapping) else str(self.answers)
        return {"backend": "replay", "file": source, "answers": len(self._stored)}

    def generate(self, groups: Iterable[Sequence[Request]]) -> Iterator[Response]:
        """Yield the stored answer to every request, or an error where there is none."""
        for group in groups:
            for request in group:
                missing = Response(id=request.id, error="no stored answer")
                name = request.id.removeprefix(f"{request.task}/") if request.task else request.id
                yield replace(self._stored.get(name, missing), id=request.id, key="")


def _read(file: Path) -> Mapping[str, Response]:
    """Return a file's answers by id; to a run it is a setting that cannot work."""
    try:
        return read_lines(file)
    except (OSError, DataError) as error:
        raise UsageError(f"cannot read stored answers: {one_line(error)}") from None
