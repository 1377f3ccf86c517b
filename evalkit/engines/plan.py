"""From rows to requests: what is still to be asked, by what key, and in which groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby, islice
from typing import Any

from evalkit.data.digest import digest_json, digest_media
from evalkit.data.rows import Rows
from evalkit.errors import DataError
from evalkit.samples import samples
from evalkit.task import Task
from evalkit.types import Media, Request, Response, Row, Sample

__all__ = ["Ask", "InFlight", "asks", "groups"]

GROUP = 64
"""The most requests in one group: a picture with more questions is prepared more than once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request with what it is known by."""

    sample: Sample
    """The question."""
    request: Request
    """What is asked."""
    key: str
    """The digest of everything that can change the answer."""
    digests: Mapping[str, str]
    """Fingerprints that exist before the model sees anything: ``row`` and ``media``."""

    def stamp(self, response: Response) -> Response:
        """Return a response with its key and all its fingerprints."""
        return replace(response, key=self.key, digests={**self.digests, **response.digests})


def asks(task: Task, rows: Rows, limit: int | None, identity: Mapping[str, Any]) -> Iterator[Ask]:
    """Yield what every row asks, with keys and fingerprints."""
    for row, sample in samples(task, rows, limit, with_media=True):
        yield ask(task, row, sample, identity)


def ask(task: Task, row: Row, sample: Sample, identity: Mapping[str, Any]) -> Ask:
    """Return what one row asks."""
    text = {name: value for name, value in row.items() if name not in task.media_columns}
    row_digest = digest_json(text)
    request = replace(task.request(sample), row_digest=row_digest)
    media = [media_digest(medium) for medium in request.media]
    return Ask(
        sample=sample,
        request=request,
        key=key(request, media, identity),
        digests={"row": row_digest, "media": digest_json(media)},
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
    parts = [
        {"media": next(remaining), "start": part.start, "end": part.end, "fps": part.fps}
        if isinstance(part, Media)
        else part
        for part in request.parts
    ]
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


@dataclass(slots=True)
class InFlight:
    """The asks that a backend has taken and not yet answered."""

    by_id: dict[str, Ask] = field(default_factory=dict)
    """By sample id."""


def groups(pending: Iterable[Ask], taken: InFlight) -> Iterator[list[Request]]:
    """Yield requests grouped by the media they share, reading ahead one group at a time.

    Only neighbours are grouped: every dataset here keeps the questions on one picture together or
    nearly so, and a wider window would hold their pictures in memory.
    """
    for _, run in groupby(pending, key=lambda item: item.digests["media"]):
        while group := list(islice(run, GROUP)):
            for item in group:
                taken.by_id[item.request.id] = item
            yield [item.request for item in group]
