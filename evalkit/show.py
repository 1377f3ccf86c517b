"""The show verb: what would be asked, one JSON line a row, without asking it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalkit.chat import describe
from evalkit.config import benches
from evalkit.errors import DataError, one_line
from evalkit.files import dump_json
from evalkit.samples import samples
from evalkit.types import Media, Request, Subtitled

__all__ = ["show"]


def show(config: dict[str, Any]) -> Iterator[str]:
    """Yield one JSON line a row: message parts, chat string, limits, what the protocol cuts.

    Where a row's video is at hand, the line also says which frames the model would see, how large
    they are and how many visual tokens they cost; nothing is decoded for it.
    """
    for bench in benches(config):
        task, protocol = bench.task, bench.task.protocol
        # With media, because which pictures a row has can decide what is sent; none is opened.
        for _, sample in samples(task, bench.rows, config["limit"], with_media=True):
            request, facts = known(task.request(sample))
            yield dump_json(
                {
                    **describe(request),
                    **facts,
                    "task": task.name,
                    "protocol": protocol.name,
                    "until": list(protocol.until),
                    "scorer": task.scorer,
                    "answers": list(sample.answers),
                }
            )


def known(request: Request) -> tuple[Request, dict[str, Any]]:
    """Return a request with the texts that can be filled in, and what its video costs."""
    videos = [media for media in request.media if media.kind == "video" and here(media)]
    waiting = [part for part in request.parts if isinstance(part, Subtitled)]
    if not videos and not any(part.known and part.srt is None for part in waiting):
        return request, {}
    # Imported here: rows of pictures, and rows without their videos, need none of it.
    from evalkit.data.filling import fill, preview

    try:
        request = fill(request)
        if request.frames is None or not videos:
            return request, {}
        plans = [preview(video, request.frames, request.pixels).plan for video in videos]
    except DataError as error:
        return request, {"error": one_line(error)}
    return request, {
        "visual_tokens": sum(plan.tokens for plan in plans),
        "frame_size": [plans[0].height, plans[0].width],
        "frame_indices": [index for plan in plans for index in plan.indices],
    }


def here(media: Media) -> bool:
    """Whether a medium is at hand."""
    return media.data is not None or (media.path is not None and Path(media.path).exists())
