"""From a request to what Qwen2-VL is fed: messages, the rendered prompt, token ids, patches.

The steps are those of the harnesses of 2024: ``qwen_vl_utils.process_vision_info`` sizes pictures
and frames, and the processor turns text and media into tensors. What comes out equals one call of
the processor bit for bit; the steps are taken apart so that a medium that several questions share
is decoded, resized and cut into patches once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from evalkit.backends.prompts import render
from evalkit.backends.questions import Inputs
from evalkit.data.digest import digest_array, digest_bytes, digest_image, digest_json
from evalkit.data.images import decoded_size, load_image
from evalkit.errors import DataError, UsageError
from evalkit.types import Frames, Media, Pixels, Request

if TYPE_CHECKING:
    import torch

    from evalkit.data.video import Clip

__all__ = ["Preparer", "Shown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A medium as the model gets it."""

    kind: Literal["image", "video"]
    """What it is to the model: a video's frames may be pictures to it."""
    patches: torch.Tensor
    """The processor's pixel values: patches x values."""
    grids: tuple[tuple[int, int, int], ...]
    """Time, height and width in patches; one, or one a frame where frames are pictures."""
    digests: tuple[str, ...]
    """Digests of the resized RGB pictures, or of a video's frames, that the processor got."""
    details: Mapping[str, Any]
    """Sizes before and after; of a video also its frames and its decoder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparer:
    """Makes a group's inputs, each of its media once."""

    processor: Any
    """The checkpoint's own processor."""
    dtype: torch.dtype | None = None
    """The number format of the model, to which pixel values are brought as the model would bring
    them; ``None`` leaves them in the processor's, which holds twice as many bytes as 16 bits."""
    _shown: dict[tuple[Media, Pixels, Frames | None], Shown] = field(default_factory=dict)
    _media: dict[tuple[int, ...], Mapping[str, torch.Tensor]] = field(default_factory=dict)

    def prepare(self, request: Request) -> Inputs:
        """Return what the model is fed for a request.

        Raises:
            DataError: a medium that cannot be shown, or text that cannot be asked.
            UsageError: the protocol's settings do not fit together.
        """
        shown = [self._show(media, request) for media in request.media]
        prompt = render(self.processor, request, [[each.kind] * len(each.grids) for each in shown])
        text = self._tokens(prompt, shown)
        kinds = [media.kind for media in request.media]
        facts = [dict(medium.details) for medium in shown]
        return Inputs(
            text=text,
            media=self._media_tensors(shown),
            tokens=text["input_ids"].shape[1],
            grid=tuple(grid for medium in shown for grid in medium.grids),
            digests={
                "prompt": digest_bytes(prompt.encode()),
                "pixels": digest_json([one for medium in shown for one in medium.digests]),
                "tokens": digest_json(text["input_ids"][0].tolist()),
            },
            details={
                f"{kind}s": [
                    fact for given, fact in zip(kinds, facts, strict=True) if given == kind
                ]
                for kind in sorted(set(kinds))
            },
        )

    def _tokens(self, prompt: str, shown: Sequence[Shown]) -> dict[str, torch.Tensor]:
        """Return the prompt's token ids with as many pads a medium as the model has tokens for it.

        Pads are added as ids and not as text, which would have to be read token by token.
        """
        import torch

        processor = self.processor
        pads = {"image": processor.image_token, "video": processor.video_token}
        wanted = [(pads[medium.kind], grid) for medium in shown for grid in medium.grids]
        found = re.findall("|".join(re.escape(pad) for pad in pads.values()), prompt)
        if found != [pad for pad, _ in wanted]:
            raise DataError(
                f"the question's text holds a medium's placeholder, {' or '.join(pads.values())},"
                " which the model would take for a medium"
            )
        area = processor.image_processor.merge_size**2
        counts = iter([math.prod(grid) // area for _, grid in wanted])
        standing = {processor.image_token_id: 1, processor.video_token_id: 2}
        ids: list[int] = []
        for token in processor.tokenizer(prompt)["input_ids"]:
            ids += [token] * (next(counts) if token in standing else 1)
        given = torch.tensor([ids])
        text = {"input_ids": given, "attention_mask": torch.ones_like(given)}
        if "mm_token_type_ids" in processor.model_input_names:
            text["mm_token_type_ids"] = torch.tensor([[standing.get(token, 0) for token in ids]])
        return text

    def _media_tensors(self, shown: Sequence[Shown]) -> Mapping[str, torch.Tensor]:
        """Return the media's tensors, the same object whenever the same media are shown."""
        import torch

        key = tuple(id(medium) for medium in shown)
        if key in self._media:
            return self._media[key]
        tensors = {}
        for kind, values in (("image", "pixel_values"), ("video", "pixel_values_videos")):
            media = [medium for medium in shown if medium.kind == kind]
            if media:
                patches = [medium.patches for medium in media]
                tensors[values] = patches[0] if len(media) == 1 else torch.cat(patches)
                grids = [grid for medium in media for grid in medium.grids]
                tensors[f"{kind}_grid_thw"] = torch.tensor(grids)
        return self._media.setdefault(key, tensors)

    def _show(self, media: Media, request: Request) -> Shown:
        # By content: what messages call a picture does not change how it looks.
        key = replace(media, name=""), request.pixels, request.frames
        if key not in self._shown:
            if media.kind == "image":
                self._shown[key] = self._picture(media, request.pixels)
            else:
                self._shown[key] = self._video(media, request)
        return self._shown[key]

    def _picture(self, media: Media, pixels: Pixels) -> Shown:
        image = load_image(media, pixels)
        patches, grids = self._patches([image])
        return Shown(
            kind="image",
            patches=patches,
            grids=grids,
            digests=(digest_image(image),),
            details={"before": list(decoded_size(media)), "after": self._size(grids[0])},
        )

    def _video(self, media: Media, request: Request) -> Shown:
        import torch
        from PIL import Image

        from evalkit.data.video import load_clip

        if request.frames is None:
            raise UsageError("the protocol shows a video and has no frames: set its frames")
        clip = load_clip(media, request.frames, request.pixels)
        if request.frames.as_images:
            images = [Image.fromarray(frame) for frame in clip.frames]
            patches, grids = self._patches(images)
            digests = tuple(digest_image(image) for image in images)
        else:
            # The frames have their final size, which no default of the processor may change.
            made = self.processor.video_processor(
                videos=[torch.from_numpy(clip.frames).permute(0, 3, 1, 2)],
                do_resize=False,
                do_sample_frames=False,
                return_tensors="pt",
            )
            patches = made["pixel_values_videos"].to(self.dtype)
            grids = _rows(made["video_grid_thw"])
            digests = (digest_array(clip.frames),)
        return Shown(
            kind="image" if request.frames.as_images else "video",
            patches=patches,
            grids=grids,
            digests=digests,
            details={**_clip_details(clip), "after": self._size(grids[0])},
        )

    def _patches(self, images: list[Any]) -> tuple[torch.Tensor, tuple[tuple[int, int, int], ...]]:
        made = self.processor.image_processor(images=images, return_tensors="pt")
        return made["pixel_values"].to(self.dtype), _rows(made["image_grid_thw"])

    def _size(self, grid: tuple[int, int, int]) -> list[int]:
        """Return the width and height in pixels that a grid covers."""
        side = self.processor.image_processor.patch_size
        return [grid[2] * side, grid[1] * side]


def _rows(grids: torch.Tensor) -> tuple[tuple[int, int, int], ...]:
    return tuple((time, height, width) for time, height, width in grids.tolist())


def _clip_details(clip: Clip) -> dict[str, Any]:
    """Return what of a video was shown, in plain numbers."""
    return {
        "before": [clip.source.width, clip.source.height],
        "frames": list(clip.indices),
        "times": [round(time, 3) for time in clip.times],
        "decoder": clip.decoder,
        "cached": clip.cached,
        "notes": list(clip.notes),
    }
