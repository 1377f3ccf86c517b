"""What Qwen2-VL's chat template makes of a request, without loading a tokenizer."""

from __future__ import annotations

from typing import Any

from evalkit.types import Media, Part, Request

__all__ = ["describe", "render"]

SYSTEM = "You are a helpful assistant."
"""The system turn that the template adds to a conversation that has none."""

PADS = {"image": "<|image_pad|>", "video": "<|video_pad|>"}


def render(request: Request) -> str:
    """Return the chat string, with one pad a medium.

    It is what the template of Qwen/Qwen2-VL-2B-Instruct gives: parts in order with nothing between
    them, the assistant's turn opened, and a prefill if the request has one.
    """
    user = "".join(map(piece, request.parts))
    return (
        f"<|im_start|>system\n{SYSTEM if request.system is None else request.system}<|im_end|>\n"
        f"<|im_start|>user\n{user}<|im_end|>\n"
        f"<|im_start|>assistant\n{request.prefill}"
    )


def piece(part: Part) -> str:
    """Return what one part becomes inside the user's turn."""
    if isinstance(part, Media):
        return f"<|vision_start|>{PADS[part.kind]}<|vision_end|>"
    return part


def describe(request: Request) -> dict[str, Any]:
    """Return a request as one JSON object: parts in order, media as placeholders."""
    return {
        "id": request.id,
        "parts": [
            {"type": part.kind, "value": f"<{part.kind}>"}
            if isinstance(part, Media)
            else {"type": "text", "value": part}
            for part in request.parts
        ],
        "rendered": render(request),
        "max_new_tokens": request.max_new_tokens,
        "min_pixels": request.pixels.min_pixels,
        "max_pixels": request.pixels.max_pixels,
        "reencode": request.pixels.reencode,
    }
