"""From a request to what any vision-language model of transformers is fed, by its own processor.

Pictures come as the protocol sizes them, and the processor may size them again in its model's way.
Its chat template must take messages with ``{"type": "image"}`` placeholders, as all that
``AutoModelForImageTextToText`` loads do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from evalkit.backends.prompts import render
from evalkit.backends.questions import Inputs
from evalkit.data.digest import digest_bytes, digest_image, digest_json
from evalkit.data.images import decoded_size, load_image
from evalkit.errors import DataError
from evalkit.types import Media, Pixels, Request

if TYPE_CHECKING:
    import torch
    from PIL import Image

__all__ = ["GenericPreparer"]

OWN = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "position_ids")
"""What processors call the arguments that hold a value for each token of the prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericPreparer:
    """Makes a group's inputs, each of its pictures decoded once."""

    processor: Any
    """The checkpoint's own processor."""
    _images: dict[tuple[Media, Pixels], Image.Image] = field(default_factory=dict)
    _media: dict[str, Mapping[str, torch.Tensor]] = field(default_factory=dict)

    def prepare(self, request: Request) -> Inputs:
        """Return what the model is fed for a request.

        Raises:
            DataError: a medium that cannot be shown, or text that cannot be asked.
        """
        images = [self._image(media, request.pixels) for media in request.media]
        prompt = self._render(request, images)
        begin = getattr(self.processor.tokenizer, "bos_token", None)
        made = self.processor(
            text=[prompt],
            images=images or None,
            # A template that writes the token that begins a text leaves none to be added.
            add_special_tokens=not (begin and prompt.startswith(begin)),
            return_tensors="pt",
        )
        pixels = digest_json([digest_image(image) for image in images])
        media = {name: made[name] for name in made if name not in OWN}
        ids = made["input_ids"]
        return Inputs(
            text={name: made[name] for name in made if name in OWN},
            media=self._media.setdefault(pixels, media),
            tokens=ids.shape[1],
            grid=tuple((t, h, w) for t, h, w in _rows(made.get("image_grid_thw"))),
            digests={
                "prompt": digest_bytes(prompt.encode()),
                "pixels": pixels,
                "tokens": digest_json(ids[0].tolist()),
            },
            details={"images": [_sizes(*pair) for pair in zip(request.media, images, strict=True)]}
            if images
            else {},
        )

    def _image(self, media: Media, pixels: Pixels) -> Image.Image:
        if media.kind != "image":
            raise DataError(
                "videos are shown to Qwen2-VL only: serve this model behind an OpenAI-compatible"
                " endpoint instead"
            )
        key = replace(media, name=""), pixels
        if key not in self._images:
            self._images[key] = load_image(media, pixels)
        return self._images[key]

    def _render(self, request: Request, images: Sequence[Image.Image]) -> str:
        prompt = render(self.processor, request, [["image"]] * len(images))
        pad = getattr(self.processor, "image_token", None)
        if pad and prompt.count(pad) != len(images):
            raise DataError(
                f"the question's text holds a picture's placeholder, {pad}, which the model would"
                " take for a picture"
            )
        return prompt


def _rows(grids: torch.Tensor | None) -> list[list[int]]:
    """Return the time, height and width of pictures in patches, where the processor tells them."""
    return [] if grids is None else grids.tolist()


def _sizes(media: Media, image: Image.Image) -> dict[str, list[int]]:
    """Return a picture's width and height before and after the protocol's resizing, in pixels."""
    return {"before": list(decoded_size(media)), "after": [image.width, image.height]}
