"""What a prompt is to a model's own processor, told here for a model that runs elsewhere.

A server tells how many tokens its prompt had. Where the count equals the reference's, the template
and the sizes of pictures are the model's own; where it does not, other pixels or another template
were used, and the score is another protocol's. Only sizes are needed, so nothing is cut into
patches and no weights are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evalkit.backends.loading import quiet
from evalkit.backends.weights import BUILTIN
from evalkit.data import quiet as hub
from evalkit.data.digest import digest_bytes, digest_json
from evalkit.data.images import decoded_size
from evalkit.data.resize import FACTOR, smart_resize
from evalkit.errors import DataError, UsageError, one_line
from evalkit.types import Media, Request

__all__ = [
    "CURE",
    "Expected",
    "Extent",
    "Reference",
    "extents_of",
    "load_reference",
    "mismatch",
    "turns",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How large a medium is to the model; one for each picture where frames are pictures."""

    kind: Literal["image", "video"]
    """What it is to the model."""
    frames: int
    """Frames of a video; 1 for a picture."""
    height: int
    """Height in pixels after resizing."""
    width: int
    """Width in pixels after resizing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A prompt as the reference processor makes it."""

    prompt: str
    """The rendered chat, one pad a medium."""
    tokens: int
    """Its tokens, pads of media included."""
    grid: tuple[tuple[int, int, int], ...]
    """Time, height and width of each medium in patches."""
    digests: Mapping[str, str]
    """Fingerprints: ``prompt`` and ``tokens``."""


def extents_of(media: Media, request: Request) -> tuple[Extent, ...]:
    """Return how large a medium is to the model under a request's protocol, from its header.

    Raises:
        DataError: it cannot be read, or not be shown.
        UsageError: the protocol's settings do not fit together.
    """
    if media.kind == "image":
        width, height = decoded_size(media)
        limits = request.pixels
        rows, columns = smart_resize(
            height, width, min_pixels=limits.min_pixels, max_pixels=limits.max_pixels
        )
        return (Extent(kind="image", frames=1, height=rows, width=columns),)
    from evalkit.data.frames import plan_frames
    from evalkit.data.video import probe

    if request.frames is None:
        raise UsageError("the protocol shows a video and has no frames: set its frames")
    plan = plan_frames(probe(media), request.frames, request.pixels)
    count = len(plan.indices)
    if request.frames.as_images:
        return (Extent(kind="image", frames=1, height=plan.height, width=plan.width),) * count
    return (Extent(kind="video", frames=count, height=plan.height, width=plan.width),)


def turns(request: Request, extents: Sequence[Sequence[Extent]]) -> list[dict[str, Any]]:
    """Return a request as chat messages with placeholders, as the chat template takes them.

    Args:
        request: what is asked.
        extents: for each of its media what it is to the model.
    """
    media = iter(extents)
    content: list[dict[str, Any]] = []
    for part in request.parts:
        if isinstance(part, Media):
            content.extend({"type": extent.kind} for extent in next(media))
        else:
            content.append({"type": "text", "text": part})
    system = [{"role": "system", "content": request.system}] if request.system is not None else []
    return [*system, {"role": "user", "content": content}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A Qwen2-VL or Qwen2.5-VL processor."""

    name: str
    """The folder or repository that it is from."""
    processor: Any
    """The processor, with tokenizer and chat template."""

    @property
    def facts(self) -> dict[str, Any]:
        """What the manifest says of it."""
        return {
            "reference": self.name,
            "class": type(self.processor).__name__,
            "chat_template": digest_bytes(str(self.processor.chat_template).encode()),
        }

    @property
    def times(self) -> bool:
        """Whether the model is told a video's frame rate, as Qwen2.5-VL is, not its order alone."""
        return "second_per_grid_ts" in self.processor.model_input_names

    def expect(self, request: Request, extents: Sequence[Sequence[Extent]]) -> Expected:
        """Return what a request's prompt is to the model.

        Args:
            request: what is asked.
            extents: for each of its media what it is to the model, at its final size.

        Raises:
            DataError: the text holds half a surrogate pair, or a medium's placeholder.
        """
        chat: str = self.processor.apply_chat_template(
            turns(request, extents), tokenize=False, add_generation_prompt=True
        )
        prompt = chat + request.prefill
        try:
            ids = self.processor.tokenizer(prompt)["input_ids"]
            digest = digest_bytes(prompt.encode())
        except UnicodeEncodeError:
            raise DataError("the prompt holds half a surrogate pair, which is no text") from None
        shown = [extent for medium in extents for extent in medium]
        tokens = self._expanded(ids, shown)
        return Expected(
            prompt=prompt,
            tokens=len(tokens),
            grid=tuple(self._grid(extent) for extent in shown),
            digests={"prompt": digest, "tokens": digest_json(tokens)},
        )

    def _expanded(self, ids: Sequence[int], shown: Sequence[Extent]) -> list[int]:
        """Return token ids with as many pads a medium as the model has tokens for it."""
        pads = {
            "image": self.processor.image_token_id,
            "video": self.processor.video_token_id,
        }
        found = [token for token in ids if token in pads.values()]
        if found != [pads[extent.kind] for extent in shown]:
            raise DataError(
                "the question's text holds a medium's placeholder, which the model would take for"
                " a medium"
            )
        grids = iter(self._grid(extent) for extent in shown)
        area = self.processor.image_processor.merge_size**2
        expanded: list[int] = []
        for token in ids:
            if token in pads.values():
                time, height, width = next(grids)
                expanded += [token] * (time * height * width // area)
            else:
                expanded.append(token)
        return expanded

    def _grid(self, extent: Extent) -> tuple[int, int, int]:
        """Return a medium's size in patches; an odd last frame counts as a pair."""
        pictures = self.processor.image_processor
        time = -(-extent.frames // pictures.temporal_patch_size)
        side = pictures.patch_size
        return time, extent.height // side, extent.width // side


CURE = (
    "it has other pixel limits, another template or another system turn, and its score would be"
    " another protocol's. Mend it, or go on with model.on_mismatch=report"
)


def mismatch(counted: int | None, expected: int) -> str:
    """Return one line on a prompt that is not what it must be."""
    if counted is None:
        return "it does not say how many tokens a prompt has (model.reference=null)"
    return f"prompt mismatch: it counts {counted} tokens and the model's own processor {expected}"


def load_reference(path: str, revision: str | None) -> Reference:
    """Return a model's processor; of a repository on the Hub only the small files are fetched.

    Args:
        path: a folder, a Hub repository's name, or ``builtin``.
        revision: the repository's branch, tag or commit.

    Raises:
        UsageError: there is none, it has no chat template, or it is of another family.
    """
    from transformers import AutoProcessor

    where = path
    if path == BUILTIN:
        from evalkit.canary.checkpoint import checkpoint

        where = str(checkpoint())
    cure = "give a folder or a Hub repository with the model's processor, or model.reference=null"
    try:
        with quiet(), hub.quiet():
            processor = AutoProcessor.from_pretrained(where, revision=revision)
    except Exception as error:
        raise UsageError(f"model.reference={path}: {one_line(error, 120)}; {cure}") from error
    pictures = getattr(processor, "image_processor", None)
    sides = [getattr(pictures, name, 0) for name in ("patch_size", "merge_size")]
    if sides[0] * sides[1] != FACTOR or not processor.chat_template:
        raise UsageError(
            f"model.reference={path} is no processor of Qwen2-VL or Qwen2.5-VL with a chat"
            f" template; {cure}"
        )
    return Reference(name=path, processor=processor)
