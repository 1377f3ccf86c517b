"""What Qwen2-VL's chat template makes of a request, without loading a tokenizer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from evalkit.types import Frames, Media, Part, Request, Subtitled

__all__ = ["describe", "render", "shown_as", "written"]

SYSTEM = "You are a helpful assistant."
"""The system turn that the template adds to a conversation that has none."""

PADS = {"image": "<|image_pad|>", "video": "<|video_pad|>"}


def render(request: Request) -> str:
    """Return the chat string, with one pad a medium.

    It is what the template of Qwen/Qwen2-VL-2B-Instruct gives: parts in order with nothing between
    them, the assistant's turn opened, and a prefill if the request has one.
    """
    user = "".join(piece(part, request.frames) for part in request.parts)
    return (
        f"<|im_start|>system\n{SYSTEM if request.system is None else request.system}<|im_end|>\n"
        f"<|im_start|>user\n{user}<|im_end|>\n"
        f"<|im_start|>assistant\n{request.prefill}"
    )


def shown_as(media: Media, frames: Frames | None) -> list[str]:
    """Return the kinds of the media that one is to the model: a video's frames may be pictures.

    A protocol that sends frames as pictures has a fixed number of them, ``frames.count``.
    """
    if media.kind == "video" and frames is not None and frames.as_images:
        return ["image"] * (frames.count or 1)
    return [media.kind]


def written(text: str | Subtitled) -> str:
    """Return a text as it is asked, or with a placeholder for subtitles still to be chosen."""
    return text if isinstance(text, str) else text.text(f"<{text.kind}>")


def piece(part: Part, frames: Frames | None) -> str:
    """Return what one part becomes inside the user's turn."""
    if isinstance(part, Media):
        kinds = shown_as(part, frames)
        return "".join(f"<|vision_start|>{PADS[kind]}<|vision_end|>" for kind in kinds)
    return written(part)


def describe(request: Request) -> dict[str, Any]:
    """Return a request as one JSON object: parts in order, media as placeholders."""
    parts = []
    for part in request.parts:
        if isinstance(part, Media):
            kinds = shown_as(part, request.frames)
            parts += [{"type": kind, "value": f"<{kind}>"} for kind in kinds]
        else:
            parts.append({"type": "text", "value": written(part)})
    frames = {} if request.frames is None else {"frames": asdict(request.frames)}
    return {
        "id": request.id,
        "parts": parts,
        "rendered": render(request),
        "max_new_tokens": request.max_new_tokens,
        "min_pixels": request.pixels.min_pixels,
        "max_pixels": request.pixels.max_pixels,
        "reencode": request.pixels.reencode,
        **frames,
    }
