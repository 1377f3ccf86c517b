"""From asks to groups that share their media, found within a bounded part of the dataset."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from evalkit.data.images import decoded_size
from evalkit.data.resize import FACTOR, smart_resize
from evalkit.engines.plan import Ask
from evalkit.errors import DataError
from evalkit.types import Media, Pixels, Request

__all__ = ["groups", "held"]

GROUP = 64
"""The most asks in one group: a picture with more questions is prepared more than once."""

FIRST = 16
"""The asks that are read before the first group is yielded."""

MOST = 512
"""The most asks that are looked ahead."""

MOST_BYTES = 32 << 20
"""The most bytes of media that are held to look ahead."""


@dataclass(slots=True)
class Window:
    """What has been read and not yet been grouped: a bounded part of the dataset.

    It starts small, so that the first group comes soon, and grows with what has been read.
    """

    by_media: dict[str, list[Ask]] = field(default_factory=dict)
    """Asks by the digest of their media, in the order of their first."""
    since: dict[str, int] = field(default_factory=dict)
    """By the same digest, how many asks had been read when the first of them came."""
    read: int = 0
    """How many asks have been read."""
    count: int = 0
    """How many of them are here."""
    size: int = 0
    """The bytes of media in memory; what asks share counts once."""

    @property
    def full(self) -> bool:
        """Whether something must be released before more is read."""
        room = max(FIRST, min(MOST, self.read // 2))
        return self.count >= room or self.size >= MOST_BYTES

    def add(self, item: Ask) -> None:
        """Take one more ask; media that are there already are not kept twice."""
        media = item.digests["media"]
        kin = self.by_media.setdefault(media, [])
        if kin:
            item = replace(item, request=with_media_of(item.request, kin[0].request))
        else:
            self.since[media] = self.read
            self.size += held([item])
        kin.append(item)
        self.read += 1
        self.count += 1

    def release(self, *, rest: bool = False) -> list[list[Ask]]:
        """Give up groups, similar lengths side by side: the older half, or all the ``rest``.

        What is younger stays, since more questions on its media may come.
        """
        young = self.read if rest else self.read - self.count // 2
        media = [each for each, since in self.since.items() if since < young]
        released = [self.by_media.pop(each) for each in media]
        for each, kin in zip(media, released, strict=True):
            del self.since[each]
            self.count -= len(kin)
            self.size -= held(kin)
        return sorted(released, key=length)


def groups(pending: Iterable[Ask]) -> Iterator[list[Ask]]:
    """Yield asks grouped by the media they share, whatever their files are called.

    Questions on the same media need not be neighbours: they are found within a window that does
    not grow with the dataset. Every ask is yielded once and no prompt is touched; what is yielded
    in which order depends on the asks and their order only.
    """
    window = Window()
    for item in pending:
        window.add(item)
        if window.full:
            yield from cut(window.release())
    yield from cut(window.release(rest=True))


def cut(released: Iterable[list[Ask]]) -> Iterator[list[Ask]]:
    """Yield groups, those that are too large in pieces."""
    for kin in released:
        for start in range(0, len(kin), GROUP):
            yield kin[start : start + GROUP]


def held(kin: Sequence[Ask]) -> int:
    """Return the bytes of media that a group holds in memory."""
    return sum(len(medium.data or b"") for medium in kin[0].request.media)


def with_media_of(request: Request, other: Request) -> Request:
    """Return a request whose media hold the very bytes of another's, which are equal."""
    same = iter(other.media)
    parts = [
        replace(part, data=next(same).data) if isinstance(part, Media) else part
        for part in request.parts
    ]
    return replace(request, parts=tuple(parts))


def length(kin: Sequence[Ask]) -> int:
    """Return about how long a group's prompts are, on a scale with steps of a fifth.

    It only puts similar ones side by side, so it is read from a picture's header, and no picture is
    decoded. Videos count for nothing: their length is their protocol's, about the same for all.
    """
    request = kin[0].request
    tokens = sum(len(part) for part in request.parts if isinstance(part, str)) / 4
    tokens += sum(visual_tokens(medium, request.pixels) for medium in request.media)
    return round(math.log(tokens + 1, 1.2))


def visual_tokens(medium: Media, pixels: Pixels) -> int:
    """Return how many tokens a picture has, and 0 for a video or what cannot be read."""
    if medium.kind != "image":
        return 0
    try:
        width, height = decoded_size(medium)
        rows, columns = smart_resize(
            height, width, min_pixels=pixels.min_pixels, max_pixels=pixels.max_pixels
        )
    except DataError:
        return 0
    return rows * columns // FACTOR**2
