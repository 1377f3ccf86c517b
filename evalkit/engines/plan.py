"""From rows to requests: what each row asks, and by what key its answer is found again."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from evalkit.data.digest import digest_json, digest_media
from evalkit.data.filling import fill
from evalkit.data.rows import Rows
from evalkit.errors import DataError, one_line
from evalkit.samples import samples
from evalkit.task import Task
from evalkit.types import Media, Request, Response, Row, Sample, Subtitled

__all__ = ["Ask", "asks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request with what it is known by."""

    sample: Sample
    """The question, without its media: they are in the request, and scoring needs none."""
    request: Request
    """What is asked."""
    key: str
    """The digest of everything that can change the answer."""
    digests: Mapping[str, str]
    """Fingerprints that exist before the model sees anything: ``row`` and ``media``."""
    error: str | None = None
    """Why it cannot be asked; ``None`` where it can."""

    def stamp(self, response: Response) -> Response:
        """Return a response with its key and all its fingerprints."""
        return replace(response, key=self.key, digests={**self.digests, **response.digests})


def asks(
    task: Task,
    rows: Rows,
    limit: int | None,
    identity: Mapping[str, Any],
    only: Container[str] | None = None,
) -> Iterator[Ask]:
    """Yield what every row asks, with keys and fingerprints; of all rows or of some samples."""
    for row, sample in samples(task, rows, limit, with_media=True, fetch=True):
        if only is None or sample.id in only:
            yield ask(task, row, sample, identity)


def ask(task: Task, row: Row, sample: Sample, identity: Mapping[str, Any]) -> Ask:
    """Return what one row asks."""
    text = {name: value for name, value in row.items() if name not in task.media_columns}
    row_digest = digest_json(text)
    request, error = replace(task.request(sample), row_digest=row_digest), None
    try:
        request = fill(request)
    except DataError as reason:
        error = one_line(reason)
    media = [media_digest(medium) for medium in request.media]
    return Ask(
        sample=replace(sample, media=()),
        request=request,
        key=key(request, media, identity),
        digests={"row": row_digest, "media": digest_json(media)},
        error=error,
    )


def media_digest(medium: Media) -> str:
    """Return a medium's digest, or its name where it cannot be read: then its request will fail."""
    try:
        return digest_media(medium)
    except DataError:
        return f"unreadable:{medium.name}"


def key(request: Request, media: list[str], identity: Mapping[str, Any]) -> str:
    """Return the digest of what is asked of whom: the same key means the same question."""
    remaining = iter(media)
    parts: list[Any] = []
    for part in request.parts:
        if isinstance(part, Media):
            about = {"start": part.start, "end": part.end, "fps": part.fps}
            parts.append({"media": next(remaining), **about})
        else:
            parts.append({"unfilled": part.kind} if isinstance(part, Subtitled) else part)
    return digest_json(
        {
            "id": request.id,
            "parts": parts,
            "pixels": asdict(request.pixels),
            "frames": asdict(request.frames) if request.frames else None,
            "max_new_tokens": request.max_new_tokens,
            "system": request.system,
            "prefill": request.prefill,
            "model": dict(identity),
        }
    )
