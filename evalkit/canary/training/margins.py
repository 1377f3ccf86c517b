"""How sure the canary is: the gap between a greedy reply's token and the next likely one.

    python -m evalkit.canary.training.margins

Every question of the built-in set is asked as in training, pictures whole, right answers as the
start of what follows. Prints by benchmark the share of tokens whose logit leads by less than 0.5,
which kernels in lower precision may turn, and the smallest lead. It takes two minutes on two cores.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from evalkit.backends.questions import leads_of
from evalkit.canary.checkpoint import checkpoint
from evalkit.canary.sets import SIZE
from evalkit.canary.training.network import Encode, batch, states
from evalkit.canary.training.questions import WHOLE, Group, groups, tasks
from evalkit.canary.training.sources import NONE
from evalkit.items import NARROW

__all__ = ["leads", "main"]


def leads(model: Any, encode: Encode, ids: tuple[int, int], group: Group) -> list[float]:
    """Return by how much each reply token's logit leads over the next likely one's.

    Args:
        model: a ``Qwen2VLForConditionalGeneration``.
        encode: its tokenizer.
        ids: the ids of visual tokens and of padding.
        group: what is asked.
    """
    given = batch([group], encode, *ids)
    with torch.inference_mode():
        last = states(model, given)[1][-1]
        found: list[float] = leads_of(model.lm_head(last[given.targets != NONE])).tolist()
    return found


def main() -> None:
    """Print the table."""
    from transformers import AutoTokenizer, Qwen2VLForConditionalGeneration

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, nargs="?", help="another one than the package's")
    folder = parser.parse_args().checkpoint or checkpoint()
    model = Qwen2VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = (model.config.image_token_id, tokenizer.pad_token_id)
    for name, task in tasks().items():
        found: list[float] = []
        asked = 0
        for group in islice(groups(name, task, 0, lambda rng: WHOLE), SIZE):
            found += leads(model, lambda text: list(tokenizer(text).input_ids), ids, group)
            asked += len(group.questions)
            if asked >= SIZE:
                break
        narrow = sum(lead < NARROW for lead in found)
        print(
            f"{name}: {narrow} of {len(found)} tokens lead by less than {NARROW},"
            f" the least by {min(found):.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
