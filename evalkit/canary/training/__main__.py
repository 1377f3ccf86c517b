"""Train the canary and write its weights.

    python -m evalkit.canary.training FOLDER [--steps N]

About 1.2 seconds a step on two cores before pictures are shown whole. ``FOLDER`` gets a checkpoint
and, every 300 steps, the weights as the package holds them: ``canary.safetensors``, to be put
beside ``evalkit/canary/checkpoint.py``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from evalkit.canary.checkpoint import (
    CANARY,
    WEIGHTS,
    architecture,
    public_name,
    write_checkpoint,
)
from evalkit.canary.training.loop import Plan, train


def main() -> None:
    """Train."""
    from transformers import AutoTokenizer, Qwen2VLConfig, Qwen2VLForConditionalGeneration

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=Plan().steps)
    parser.add_argument("--whole", type=int, default=Plan().whole)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    words = parser.parse_args()
    words.folder.mkdir(parents=True, exist_ok=True)
    config = architecture(**CANARY)
    write_checkpoint(words.folder, config, 0)
    plan = Plan(steps=words.steps, whole=words.whole)
    torch.manual_seed(plan.seed)
    model: Any = Qwen2VLForConditionalGeneration(Qwen2VLConfig(**config)).float()
    tokenizer = AutoTokenizer.from_pretrained(words.folder)
    if words.start:
        load(model, words.start)
    print(sum(each.numel() for each in model.parameters()), "parameters", flush=True)
    train(
        model,
        lambda text: list(tokenizer(text).input_ids),
        (config["image_token_id"], tokenizer.pad_token_id),
        plan,
        lambda line: print(line, flush=True),
        lambda: save(model, words.folder / WEIGHTS),
    )


def load(model: Any, path: Path) -> None:
    """Give a model the weights that ``save`` wrote."""
    from safetensors.torch import load_file

    weights = load_file(path)
    with torch.no_grad():
        for name, weight in model.state_dict().items():
            if name != "lm_head.weight":
                weight.copy_(weights[public_name(name)])


def save(model: Any, path: Path) -> None:
    """Write a model's weights as the Hub's files have them: their names, in bfloat16."""
    from safetensors.torch import save_file

    weights = {
        public_name(name): weight.detach().to(torch.bfloat16).contiguous()
        for name, weight in model.state_dict().items()
        if name != "lm_head.weight"  # the embedding is used for it
    }
    save_file(weights, path, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
