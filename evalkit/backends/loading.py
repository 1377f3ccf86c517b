"""Brings a checkpoint into memory with transformers, and tells what it runs with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.backends.weights import Checkpoint
from evalkit.data.digest import digest_json
from evalkit.errors import BackendError, UsageError, one_line
from evalkit.versions import versions

if TYPE_CHECKING:
    import torch

__all__ = ["Loaded", "in_memory", "load", "quiet"]

SAMPLED = 64
"""Values of each weight that its fingerprint is made of, or a few more, at equal distances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A checkpoint in memory."""

    checkpoint: Checkpoint
    """Where it came from."""
    model: Any
    """The model, set to greedy decoding."""
    processor: Any
    """Its processor."""
    context: int
    """The most tokens of prompt and reply together."""

    @property
    def family(self) -> str:
        """The model's type, as its configuration has it."""
        return str(self.model.config.model_type)

    @property
    def full(self) -> bool:
        """Whether every layer attends to all that came before."""
        kinds = getattr(self.model.config.get_text_config(decoder=True), "layer_types", None) or ()
        return all(kind == "full_attention" for kind in kinds)

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer."""
        return self.processor.tokenizer

    @property
    def device(self) -> torch.device:
        """Where its inputs go."""
        device: torch.device = self.model.device
        return device

    @property
    def dtype(self) -> str:
        """The number format of its weights."""
        return str(self.model.dtype).removeprefix("torch.")

    @property
    def decoding(self) -> dict[str, Any]:
        """The settings that decide decoding."""
        names = ("do_sample", "num_beams", "repetition_penalty", "eos_token_id")
        return {name: getattr(self.model.generation_config, name) for name in names}

    @property
    def facts(self) -> dict[str, Any]:
        """What it really runs with, as the manifest records it."""
        pictures, config = self.processor.image_processor, self.model.config
        sides = {name: side for name, side in dict(pictures.size).items() if side}
        spread = getattr(self.model, "hf_device_map", {})
        return {
            "backend": "transformers",
            "folder": str(self.checkpoint.folder),
            "weights": self.checkpoint.digest,
            "parameters": sum(weight.numel() for weight in self.model.parameters()),
            "device": str(self.device),
            "device_map": {name: str(device) for name, device in spread.items()},
            "attention": {
                "text": config.get_text_config()._attn_implementation,
                "vision": getattr(config.vision_config, "_attn_implementation", None),
            },
            "processor": type(self.processor).__name__,
            "image_processor": type(pictures).__name__,
            "image_processor_fast": not type(pictures).__name__.endswith("Pil"),
            "image_processor_mean": _numbers(pictures, "image_mean"),
            "image_processor_std": _numbers(pictures, "image_std"),
            "image_processor_pixels": [sides[name] for name in sorted(sides, reverse=True)],
            "tokenizer": type(self.tokenizer).__name__,
            "generation": self.decoding,
            "max_context": self.context,
            "versions": versions(),
        }


def _numbers(processor: Any, name: str) -> list[float]:
    """Return a list of a processor's settings; nothing where it has none of this name."""
    return [float(part) for part in getattr(processor, name, None) or ()]


def in_memory(model: Any) -> str:
    """Return a fingerprint of a model's weights as it computes with them.

    It is made of each weight's name, shape and a few values, in single precision: the same weights
    in a wider number format give the same, and rounded, exchanged or missing ones give another.
    Weights that accelerate keeps off every device count by name and shape.
    """
    found = []
    for name, weight in model.named_parameters():
        values = weight.detach().flatten()[:: max(1, weight.numel() // SAMPLED)]
        kept = [] if weight.is_meta else values.float().tolist()
        found.append([name, list(weight.shape), kept])
    return digest_json(found)


def load(
    checkpoint: Checkpoint,
    *,
    dtype: torch.dtype,
    attention: str,
    device_map: str | dict[str, Any],
    max_context: int | None,
) -> Loaded:
    """Return a checkpoint in memory, set to greedy decoding.

    Args:
        checkpoint: its files.
        dtype: the number format of its weights.
        attention: the attention implementation of both towers, as transformers names it.
        device_map: where its modules go, as accelerate has it.
        max_context: the most tokens of prompt and reply; ``None`` for the checkpoint's own limit.

    Raises:
        UsageError: it has no chat template, or not all of its weights.
        BackendError: it does not load for any other reason, such as too little memory.
    """
    try:
        processor, model, lacking = _read(checkpoint, dtype, attention, device_map)
    except Exception as error:
        raise BackendError(f"cannot load {checkpoint.folder}: {one_line(error)}") from error
    if not processor.chat_template:
        raise UsageError(f"{checkpoint.folder} has no chat template: no chat_template.json")
    if lacking:
        raise UsageError(
            f"{checkpoint.folder} lacks {len(lacking)} weights, such as {lacking[0]}, which would"
            " be random: it is cut off, or of another model"
        )
    _make_greedy(model, processor.tokenizer.pad_token_id)
    return Loaded(
        checkpoint=checkpoint,
        model=model,
        processor=processor,
        context=max_context or model.config.get_text_config().max_position_embeddings,
    )


def _read(
    checkpoint: Checkpoint, dtype: torch.dtype, attention: str, device_map: str | dict[str, Any]
) -> tuple[Any, Any, list[str]]:
    """Return a checkpoint's processor, its model, and the weights that it lacks."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(checkpoint.folder)
    model, loading = AutoModelForImageTextToText.from_pretrained(
        checkpoint.folder,
        dtype=dtype,
        attn_implementation=attention,
        device_map=device_map,
        output_loading_info=True,
    )
    return processor, model, sorted(loading["missing_keys"])


def _make_greedy(model: Any, pad: int) -> None:
    """Replace the checkpoint's sampling settings, of which only the end tokens stay."""
    from transformers import GenerationConfig

    ends = model.generation_config.eos_token_id or model.config.get_text_config().eos_token_id
    model.generation_config = GenerationConfig(
        do_sample=False,
        num_beams=1,
        repetition_penalty=1.0,
        eos_token_id=sorted({ends} if isinstance(ends, int) else set(ends)),
        pad_token_id=pad,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' log lines and progress bars off the terminal; give them back afterwards.

    Of Python's warnings only those while loading are kept back, by ``evalkit.data.quiet``.
    """
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
