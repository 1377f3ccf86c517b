"""From a request to what vLLM's ``LLM.generate`` takes: the rendered chat and decoded media."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.backends.openai_messages import limits
from evalkit.backends.openai_ready import shown
from evalkit.backends.reference import Expected, Extent, Reference
from evalkit.data.digest import digest_array, digest_image, digest_json
from evalkit.data.images import decoded_size, load_image
from evalkit.errors import DataError, UsageError, one_line
from evalkit.types import Media, Request, Response

__all__ = ["Prompt", "prompts"]

Medium = tuple[list[Any], tuple[Extent, ...], tuple[str, ...], Mapping[str, Any]]
"""What vLLM gets of a medium, what it is to the model, its digests, and what is shown of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A request made ready."""

    request: Request
    """What is asked."""
    given: Mapping[str, Any]
    """What vLLM takes."""
    expected: Expected
    """What its prompt must be."""
    digests: Mapping[str, str]
    """Fingerprints: ``prompt`` and ``pixels``."""
    details: Mapping[str, Any]
    """What is shown of each medium."""


def prompts(
    requests: Sequence[Request], reference: Reference, context: int
) -> list[Prompt | Response]:
    """Return requests made ready, and the response of each that cannot be.

    Media that neighbours share are decoded once.

    Args:
        requests: what is asked.
        reference: the model's own processor.
        context: the most tokens of prompt and reply.
    """
    shelf: dict[Any, Medium] = {}
    found: list[Prompt | Response] = []
    for request in requests:
        try:
            prompt = ready(request, reference, shelf)
            needed = prompt.expected.tokens + request.max_new_tokens
            if needed > context:
                raise DataError(
                    f"context exceeded: {needed} tokens of prompt and reply are more than"
                    f" {context}; raise model.max_context, or lower the protocol's pixels"
                )
            found.append(prompt)
        except DataError as error:
            found.append(Response(id=request.id, error=one_line(error)))
    return found


def ready(request: Request, reference: Reference, shelf: dict[Any, Medium]) -> Prompt:
    """Return one request made ready.

    Raises:
        DataError: a medium that cannot be shown, or text that cannot be asked.
    """
    media = []
    for medium in request.media:
        key = medium, request.pixels, request.frames
        if key not in shelf:
            shelf[key] = show(medium, request)
        media.append(shelf[key])
    expected = reference.expect(request, [extents for _, extents, _, _ in media])
    data: dict[str, list[Any]] = {}
    for values, extents, _, _ in media:
        data.setdefault(extents[0].kind, []).extend(values)
    given: dict[str, Any] = {"prompt": expected.prompt}
    if data:
        given |= {"multi_modal_data": data, "mm_processor_kwargs": limits(request)}
    pixels = [digest for _, _, digests, _ in media for digest in digests]
    return Prompt(
        request=request,
        given=given,
        expected=expected,
        digests={"prompt": expected.digests["prompt"], "pixels": digest_json(pixels)},
        details=shown(request, [details for *_, details in media]),
    )


def show(media: Media, request: Request) -> Medium:
    """Return a medium at the size that the protocol shows it."""
    if media.kind == "image":
        image = load_image(media, request.pixels)
        extent = Extent(kind="image", frames=1, height=image.height, width=image.width)
        sizes = {"before": list(decoded_size(media)), "after": [image.width, image.height]}
        return [image], (extent,), (digest_image(image),), sizes
    from PIL import Image

    from evalkit.data.video import load_clip

    if request.frames is None:
        raise UsageError("the protocol shows a video and has no frames: set its frames")
    clip = load_clip(media, request.frames, request.pixels)
    count, height, width = clip.frames.shape[:3]
    details = {
        "before": [clip.source.width, clip.source.height],
        "after": [width, height],
        "frames": list(clip.indices),
        "times": [round(time, 3) for time in clip.times],
        "decoder": clip.decoder,
        "cached": clip.cached,
        "notes": list(clip.notes),
    }
    if request.frames.as_images:
        images = [Image.fromarray(frame) for frame in clip.frames]
        extent = Extent(kind="image", frames=1, height=height, width=width)
        return images, (extent,) * count, tuple(map(digest_image, images)), details
    extent = Extent(kind="video", frames=count, height=height, width=width)
    told = {
        "fps": clip.rate,
        "duration": count / clip.rate,
        "total_num_frames": count,
        "frames_indices": list(range(count)),
        "video_backend": clip.decoder,
        "do_sample_frames": False,
    }
    return [(clip.frames, told)], (extent,), (digest_array(clip.frames),), details
