"""Reaching a chat endpoint, and asking it one small question before a long run."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from evalkit.backends.openai_http import CONNECT
from evalkit.backends.openai_talk import Manner
from evalkit.errors import BackendError, UsageError, nearest
from evalkit.types import Media, Pixels, Request

if TYPE_CHECKING:
    from evalkit.backends.openai import OpenAIBackend

__all__ = ["hello", "where"]


def where(base_url: str | None) -> str:
    """Return an endpoint for messages and records, without what may be secret in it."""
    if base_url is None:
        import os

        base_url = os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    scheme, _, rest = base_url.rpartition("://")
    return f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}"


def hello(backend: OpenAIBackend, key: str) -> tuple[dict[str, Any], bool]:
    """Ask what there is, then one question with a small picture.

    Returns:
        What the server says of the model, and whether it is given pixel limits.

    A wrong address, key, model, certificate or setting ends a run here and not after an hour.

    Raises:
        UsageError: the endpoint does not have the model.
        BackendError: it does not answer as it must.
    """
    place = f"the server at {where(backend.base_url)}"
    facts = _models(backend, key)
    manner = Manner(
        where=place,
        stop=backend.on_mismatch == "stop",
        max_retries=3,
        patience=0.0,
    )
    limits = backend.pixel_limits is not False
    (response,) = backend.talk([[_question()]], manner, limits=limits)
    unknown = "mm_processor_kwargs" in (response.error or "")
    if unknown and backend.pixel_limits == "auto" and backend.images == "resized":
        limits = False
        (response,) = backend.talk([[_question()]], manner, limits=limits)
    if response.error is not None and response.details.get("cause") != "refused":
        raise BackendError(
            f"{place} does not answer a question with a picture: {response.error}. What it does"
            " not know can be left out: model.pixel_limits=false,"
            " model.extra.repetition_penalty=null, model.leads=false"
        )
    return facts, limits


def _question() -> Request:
    """Return the smallest question with a picture."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((84, 56)).convert("RGB").save(buffer, "PNG")
    return Request(
        id="hello",
        parts=(
            Media(kind="image", data=buffer.getvalue(), name="hello.png"),
            "Is this picture grey? Answer yes or no.",
        ),
        pixels=Pixels(min_pixels=3136, max_pixels=1003520),
        max_new_tokens=16,
    )


def _models(backend: OpenAIBackend, key: str) -> dict[str, Any]:
    """Return what the endpoint's list says of the model; nothing where it has no such list.

    Raises:
        UsageError: it has a list, and the model is not on it.
    """
    import openai

    with openai.OpenAI(
        api_key=key or "none",
        base_url=backend.base_url,
        timeout=openai.Timeout(CONNECT, connect=CONNECT),
        max_retries=0,
    ) as client:
        try:
            listed = client.get("/models", cast_to=object)
            entries = {str(entry["id"]): entry for entry in listed["data"]}  # type: ignore[index]
        except (openai.OpenAIError, ValueError, KeyError, TypeError):
            return {}  # many services have no such list; the question will tell
    if entries and backend.model not in entries:
        known = list(entries)[:20]
        raise UsageError(
            nearest(f"model at {where(backend.base_url)}", backend.model, known)
            + "; write model.model=NAME"
        )
    entry = entries.get(backend.model, {})
    said = ("root", "owned_by", "max_model_len", "created")
    return {"served": {name: entry[name] for name in said if entry.get(name) is not None}}
