"""From a request to the chat string that a processor's template renders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evalkit.errors import DataError
from evalkit.types import Media, Request

__all__ = ["messages", "render"]


def messages(request: Request, kinds: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """Return a request as chat messages, with placeholders for its media where they stand.

    Args:
        request: what is asked.
        kinds: what each of its media is to the model, in order: one of ``image`` and ``video``, or
            an ``image`` for each frame.
    """
    media = iter(kinds)
    content: list[dict[str, Any]] = []
    for part in request.parts:
        if isinstance(part, Media):
            content.extend({"type": kind} for kind in next(media))
        else:
            content.append({"type": "text", "text": part})
    system = [{"role": "system", "content": request.system}] if request.system is not None else []
    return [*system, {"role": "user", "content": content}]


def render(processor: Any, request: Request, kinds: Sequence[Sequence[str]]) -> str:
    """Return the chat string, with one pad a medium and the assistant's turn begun.

    Raises:
        DataError: the text is not one that can be encoded.
    """
    chat: str = processor.apply_chat_template(
        messages(request, kinds), tokenize=False, add_generation_prompt=True
    )
    prompt = chat + request.prefill
    try:
        prompt.encode()
    except UnicodeEncodeError:
        raise DataError("the prompt holds half a surrogate pair, which is no text") from None
    return prompt
