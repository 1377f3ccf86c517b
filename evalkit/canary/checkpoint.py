"""The built-in checkpoint: a Qwen2-VL small enough to come with the package.

The architecture, the file layout, the tensor names, the special tokens, the chat template and the
preprocessing are Qwen2-VL's (QwenLM/Qwen2-VL-2B-Instruct); the sizes are tiny. The canary was
trained to read what the package draws (``evalkit.canary.training``), so that its score falls when
anything between a row and a score goes wrong. With a seed the weights are random instead, and
answers mean nothing: the code is the same, and there is less of it to compute.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from copy import deepcopy
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.canary.tokenizer import token_id, tokenizer_files, vocabulary
from evalkit.errors import UsageError

if TYPE_CHECKING:
    from importlib.abc import Traversable

    import torch

__all__ = [
    "CANARY",
    "WEIGHTS",
    "architecture",
    "chat_template",
    "checkpoint",
    "public_name",
    "write_checkpoint",
]

CONTEXT = 32768
"""Positions that the text model is made for."""

HEAD = 64
"""Dimensions of a text head: the least that vLLM serves on a CPU."""

CANARY: Mapping[str, Any] = {
    "width": 192, "layers": 5, "key_value_heads": 3, "feed_forward": 384,
    "vision_width": 96, "vision_layers": 3, "vision_heads": 3, "rope_theta": 10000.0,
}  # fmt: skip
"""The canary's sizes. With a much smaller rotary base all pairs of a head would turn from one cell
to the next, and none would be left to find a cell by what it shows."""

WEIGHTS = "canary.safetensors"
"""The canary's weights, in the package."""

SPREAD = 0.12
"""Standard deviation of the weights. At the usual 0.02 every greedy reply is one token repeated,
whatever the picture shows; at this one replies differ with picture and question."""

_FIXED = {
    "architectures": ["Qwen2VLForConditionalGeneration"],
    "attention_dropout": 0.0,
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "max_position_embeddings": CONTEXT,
    "model_type": "qwen2_vl",
    "rms_norm_eps": 1e-06,
    # Time, height and width share the 32 frequencies of a head as 16, 24, 24 do the real 64.
    "rope_scaling": {"type": "mrope", "mrope_section": [8, 12, 12]},
    "sliding_window": CONTEXT,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "use_sliding_window": False,
}
"""What every size of the text model has in common with the real one."""

_FIXED_VISION = {
    "in_chans": 3,
    "mlp_ratio": 4,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "spatial_patch_size": 14,
    "temporal_patch_size": 2,
}
"""What every size of the vision encoder has in common with the real one."""

_TOKENS = {
    "bos": "endoftext",
    "eos": "im_end",
    "image": "image_pad",
    "video": "video_pad",
    "vision": "vision_pad",
    "vision_start": "vision_start",
    "vision_end": "vision_end",
}
"""The special tokens whose ids the configuration names, by what it calls them."""


def architecture(
    *,
    width: int = 128,
    layers: int = 2,
    key_value_heads: int = 1,
    feed_forward: int = 256,
    vision_width: int = 64,
    vision_layers: int = 2,
    vision_heads: int = 2,
    rope_theta: float = 1000000.0,
) -> dict[str, Any]:
    """Return the ``config.json`` of a Qwen2-VL.

    Args:
        width: the text model's width, a multiple of 64; its heads have 64 dimensions each.
        layers: its layers.
        key_value_heads: its heads for keys and values.
        feed_forward: the width of its feed-forward parts.
        vision_width: the vision encoder's width; ``vision_layers``, ``vision_heads`` are its own.
        rope_theta: the base of the text model's rotary positions.
    """
    return {
        **deepcopy(_FIXED),
        **{f"{name}_token_id": token_id(f"<|{token}|>") for name, token in _TOKENS.items()},
        "vocab_size": vocabulary(),
        "hidden_size": width,
        "intermediate_size": feed_forward,
        "max_window_layers": layers,
        "num_attention_heads": width // HEAD,
        "num_hidden_layers": layers,
        "num_key_value_heads": key_value_heads,
        "rope_theta": rope_theta,
        "vision_config": {
            **_FIXED_VISION,
            "depth": vision_layers,
            "embed_dim": vision_width,
            "hidden_size": width,
            "num_heads": vision_heads,
        },
    }


def chat_template() -> str:
    """Return the Jinja template that renders what Qwen2-VL's chat template renders."""
    return resources.files("evalkit.canary").joinpath("chat_template.jinja").read_text("utf-8")


def checkpoint(folder: Path | None = None, seed: int | None = None) -> Path:
    """Return the folder of the built-in checkpoint, made there on first use.

    Builders may run at once: each works in a folder of its own, and the first to finish stays.

    Args:
        folder: where it shall be; by default in ``$EVALKIT_CACHE`` or ``~/.cache/evalkit``, under
            a name that changes whenever its contents would.
        seed: what random weights are drawn from; ``None`` for the canary, which was trained.

    Raises:
        UsageError: ``folder`` holds something else, or cannot be written.
    """
    target = folder or _cache() / "checkpoints" / _name(seed)
    config = architecture() if seed is not None else architecture(**CANARY)
    if _built(target, config):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".building-", dir=target.parent))
    except OSError as error:
        raise UsageError(
            f"cannot write {target.parent}: {error.strerror}. Set EVALKIT_CACHE to a folder"
        ) from None
    try:
        write_checkpoint(work, config, seed)
        work.chmod(0o755)  # a temporary folder is its maker's alone, and caches are shared
        work.rename(target)
    except OSError as error:
        if not _built(target, config):
            raise UsageError(f"cannot build a checkpoint in {target}: {error.strerror}") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _built(folder: Path, config: Mapping[str, Any]) -> bool:
    """Return whether a folder is this checkpoint; a rename made it, so it is whole."""
    try:
        return (folder / "config.json").read_text("utf-8") == _json(config)
    except OSError:
        return False


def write_checkpoint(folder: Path, config: Mapping[str, Any], seed: int | None) -> None:
    """Write a whole checkpoint into a folder that exists.

    Args:
        folder: where its files go.
        config: what ``architecture`` returns.
        seed: what random weights are drawn from, the same bytes everywhere; ``None`` for those of
            the canary, whose sizes ``config`` then has.
    """
    from safetensors.torch import save_file

    if seed is None:
        (folder / "model.safetensors").write_bytes(_trained().read_bytes())
    else:
        save_file(_weights(config, seed), folder / "model.safetensors", metadata={"format": "pt"})
    template = chat_template()
    files = {
        **tokenizer_files(template, config["max_position_embeddings"]),
        "config.json": _json(config),
        "generation_config.json": _json(_generation(config)),
        "preprocessor_config.json": _json(_preprocessing(config["vision_config"])),
        "chat_template.json": _json({"chat_template": template}),
    }
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")


def _weights(config: Mapping[str, Any], seed: int) -> dict[str, torch.Tensor]:
    """Return random weights by the names that the Hub's files give them."""
    import numpy as np
    import torch
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    with torch.device("meta"):
        # The class rewrites the mappings that it is given.
        model = Qwen2VLForConditionalGeneration(Qwen2VLConfig(**deepcopy(dict(config))))
    # This generator's stream is frozen, and a uniform draw needs no libm: the bytes are the same
    # with every version of every library and on every machine.
    random = np.random.RandomState(seed)
    weights = {}
    for name, blank in sorted(model.state_dict().items()):
        if name == "lm_head.weight" and config["tie_word_embeddings"]:
            continue
        norm = "norm" in name or ".ln_q." in name
        draw = (2 * random.random_sample(blank.shape) - 1) * np.sqrt(3) * (0.0 if norm else SPREAD)
        draw += norm and name.endswith(".weight")
        weights[public_name(name)] = torch.from_numpy(draw.astype(np.float32)).to(torch.bfloat16)
    return weights


def public_name(name: str) -> str:
    """Return what a weight is called in the Hub's files, given its name in the model class."""
    return name.replace("model.language_model.", "model.").replace("model.visual.", "visual.")


def _generation(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "bos_token_id": config["bos_token_id"],
        "pad_token_id": token_id("<|endoftext|>"),
        "do_sample": True,
        "eos_token_id": [config["eos_token_id"], token_id("<|endoftext|>")],
        "repetition_penalty": 1.0,
        "temperature": 0.01,
        "top_p": 0.001,
        "top_k": 1,
    }


def _preprocessing(vision: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "min_pixels": 3136,
        "max_pixels": 12845056,
        "patch_size": vision["patch_size"],
        "temporal_patch_size": vision["temporal_patch_size"],
        "merge_size": vision["spatial_merge_size"],
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2VLProcessor",
    }


def _trained() -> Traversable:
    return resources.files("evalkit.canary").joinpath(WEIGHTS)


def _name(seed: int | None) -> str:
    """Return a name that stands for everything that the files are made of."""
    package = resources.files("evalkit.canary")
    texts = ("checkpoint.py", "tokenizer.py", "merges.txt", "chat_template.jinja")
    recipe = hashlib.sha256(repr(seed).encode())
    for name in texts if seed is not None else (*texts, WEIGHTS):
        recipe.update(package.joinpath(name).read_bytes())
    return "canary-" + recipe.hexdigest()[:12]


def _cache() -> Path:
    return Path(os.environ.get("EVALKIT_CACHE") or "~/.cache/evalkit").expanduser()


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"
