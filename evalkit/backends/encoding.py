"""The vision encoder's outputs, made once for all questions that show the same media."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["PIXELS", "encode", "takes_encoded"]

PIXELS = ("pixel_values", "pixel_values_images", "pixel_values_videos", "image_patches")
"""What models call the arguments that their vision encoder reads."""


def takes_encoded(model: Any) -> bool:
    """Return whether a model can be given its vision encoder's outputs in place of pixels."""
    return "mm_encoder_outputs" in inspect.signature(model.forward).parameters


def encode(model: Any, media: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Return the vision encoder's outputs by kind of medium, as ``generate`` makes them itself.

    Args:
        model: a model that takes them as ``mm_encoder_outputs``.
        media: the processor's tensors of the media.
    """
    outputs = {}
    for kind in ("image", "video"):
        features = getattr(model.base_model, f"get_{kind}_features", None)
        if features is None:
            continue
        wanted = inspect.signature(features).parameters
        given = {name: tensor.to(model.device) for name, tensor in media.items() if name in wanted}
        if any(name in given for name in PIXELS):
            outputs[kind] = features(**given, return_dict=True)
    return outputs
