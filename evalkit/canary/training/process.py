"""One of the processes that train the same model, and how its weights are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from evalkit.canary.checkpoint import public_name
from evalkit.canary.training.loop import Plan, train

__all__ = ["load", "save", "work"]


def work(
    rank: int, config: Any, folder: Path, start: Path | None, plan: Plan, meeting: str
) -> None:
    """Be one of the processes that train the same model."""
    from transformers import AutoTokenizer, Qwen2VLConfig, Qwen2VLForConditionalGeneration

    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=plan.processes
    )
    torch.manual_seed(plan.seed)
    model: Any = Qwen2VLForConditionalGeneration(Qwen2VLConfig(**config)).float()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if start:
        load(model, start)
    train(
        model,
        lambda text: list(tokenizer(text).input_ids),
        (config["image_token_id"], tokenizer.pad_token_id),
        plan,
        rank,
        lambda line: None if rank else print(line, flush=True),
        lambda: save(model, folder / "model.safetensors"),
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
