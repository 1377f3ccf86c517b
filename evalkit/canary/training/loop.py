"""Training: what is learned, in which order, and how it is measured."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from evalkit.canary.training.hints import Hints, names
from evalkit.canary.training.network import Batch, Encode, batch, length, states
from evalkit.canary.training.questions import TASKS, WHOLE, Group, groups, tasks
from evalkit.canary.training.sources import NONE

__all__ = ["Plan", "accuracy", "train"]


HELD_OUT = 7_000_000
"""The seed of rows that are neither trained on nor asked in runs, for looking on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long, how fast, on how much. The defaults made the canary."""

    processes: int = 2
    """Processes that share the groups of a step, a core each."""
    steps: int = 3600
    """Updates in all."""
    whole: int = 80
    """Steps at the end in which pictures are shown whole, bare cells and all."""
    rate: float = 2e-3
    """The learning rate at its highest."""
    least: float = 6e-5
    """The learning rate at the end."""
    warm: int = 100
    """Steps in which it rises."""
    groups: int = 10
    """Groups of questions a step, in each process."""
    whole_groups: int = 2
    """Groups a step at the end."""
    parts: int = 2
    """Parts that a step's groups are computed in, each of groups about as long."""
    hints: float = 1.0
    """The weight of ``Hints``."""
    seed: int = 1
    """What rows, weights and their order are drawn from; rows of seed 0 are what runs ask."""


def _stream(names: Sequence[str], seed: int, ground: Any) -> Iterator[tuple[str, Group]]:
    """Yield groups of all tasks in a random order, without end."""
    rng, made = random.Random(f"order {seed}"), tasks(names)
    each = {name: groups(name, task, seed, ground) for name, task in made.items()}
    while True:
        name = rng.choice(list(names))
        yield name, next(each[name])


def _some(rng: random.Random) -> int:
    """Return how many bare cells to show: few more often than many."""
    return int(2 * 32 ** rng.random())


def answer_loss(model: Any, given: Batch, last: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the loss of each reply token, what was said, and what was to be said."""
    at = given.targets != NONE
    logits, wanted = model.lm_head(last[at]), given.targets[at]
    return cross_entropy(logits, wanted, reduction="none"), logits.argmax(-1), wanted


def accuracy(
    model: Any, encode: Encode, ids: tuple[int, int], found: Sequence[tuple[str, Group]]
) -> dict[str, float]:
    """Return by task the share of questions whose every token would be said."""
    right: dict[str, list[bool]] = {}
    end = encode("<|im_end|>")[0]
    with torch.inference_mode():
        for name, group in found:
            given = batch([group], encode, *ids)
            _, said, wanted = answer_loss(model, given, states(model, given)[1][-1])
            good = True
            for one, other in zip(said.tolist(), wanted.tolist(), strict=True):
                good = good and one == other
                if other == end:
                    right.setdefault(name, []).append(good)
                    good = True
    return {name: sum(each) / len(each) for name, each in sorted(right.items())}


def train(
    model: Any, encode: Encode, ids: tuple[int, int], plan: Plan, rank: int, say: Any, keep: Any
) -> None:
    """Train a model.

    Args:
        model: a ``Qwen2VLForConditionalGeneration``.
        encode: its tokenizer.
        ids: the ids of visual tokens and of padding.
        plan: how.
        rank: which of its processes this is; the first one measures and keeps.
        say: told of progress, a line at a time.
        keep: called now and then, to save what there is.
    """
    hints = _hints(model, plan)
    weights = [*model.parameters(), *hints.parameters()]
    optimizer = torch.optim.AdamW(
        weights, lr=plan.rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    some, whole = (_stream(TASKS, plan.seed + rank, how) for how in (_some, lambda _: WHOLE))
    held = list(islice(_stream(TASKS, HELD_OUT, _some), 72))
    start, seen = time.monotonic(), list[dict[str, float]]()
    for step in range(1, plan.steps + 1):
        late = step > plan.steps - plan.whole
        source, size = (whole, plan.whole_groups) if late else (some, plan.groups)
        parts = _parts([group for _, group in islice(source, size)], encode, ids, plan.parts)
        for group in optimizer.param_groups:
            group["lr"] = _rate(plan, step)
        optimizer.zero_grad(set_to_none=False)
        seen += _backward(model, hints, parts, plan)
        _share(weights, plan.processes)
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        if step % 50 == 0:
            say(f"{step} {time.monotonic() - start:.0f}s {_means(seen)}")
            seen.clear()
        if (step % 300 == 0 or step == plan.steps) and not rank:
            by = accuracy(model, encode, ids, held)
            say(" ".join(f"{name} {100 * value:.0f}" for name, value in by.items()))
            keep()


def _hints(model: Any, plan: Plan) -> Hints:
    """Return the hints' measures for what training rows show, the same in every process."""
    torch.manual_seed(plan.seed)
    known = names(group for _, group in islice(_stream(TASKS, plan.seed, lambda _: 0), 600))
    return Hints(model.config.text_config.hidden_size, known)


def _backward(
    model: Any, hints: Hints, parts: Sequence[Batch], plan: Plan
) -> Iterator[dict[str, float]]:
    """Add a step's gradients; yield of each part its losses and the share of right tokens."""
    asked = sum(int((part.targets != NONE).sum()) for part in parts)
    for part in parts:
        seen, layers = states(model, part)
        losses, said, wanted = answer_loss(model, part, layers[-1])
        missed = hints.loss(model, part, seen, layers)
        hint = torch.stack(list(missed.values())).sum()
        loss: Tensor = losses.sum() / asked + plan.hints * hint / len(parts)
        loss.backward()  # type: ignore[no-untyped-call]
        right = (said == wanted).float().mean().item()
        told = {name: value.item() for name, value in missed.items()}
        yield {"reply": losses.mean().item(), **told, "right": right}


def _share(weights: Sequence[nn.Parameter], processes: int) -> None:
    """Replace each gradient by its mean over the processes."""
    if processes == 1:
        return
    grown = [weight.grad for weight in weights if weight.grad is not None]
    flat = torch.cat([each.flatten() for each in grown])
    torch.distributed.all_reduce(flat)
    for each, mean in zip(grown, torch.split(flat, [each.numel() for each in grown]), strict=True):
        each.copy_(mean.view_as(each) / processes)


def _means(seen: Sequence[dict[str, float]]) -> str:
    means = {name: sum(each[name] for each in seen) / len(seen) for name in seen[0]}
    return " ".join(f"{name} {mean:.3f}" for name, mean in means.items())


def _parts(found: list[Group], encode: Encode, ids: tuple[int, int], count: int) -> list[Batch]:
    """Return groups as batches of groups that are about as long."""
    ranked = sorted(found, key=length)
    size = math.ceil(len(ranked) / count)
    return [
        batch(ranked[start : start + size], encode, *ids) for start in range(0, len(ranked), size)
    ]


def _rate(plan: Plan, step: int) -> float:
    """Return the learning rate: a rise, and half a wave down."""
    if step <= plan.warm:
        return plan.rate * step / plan.warm
    part = (step - 1 - plan.warm) / max(1, plan.steps - plan.warm)
    return plan.least + (plan.rate - plan.least) * (1 + math.cos(math.pi * part)) / 2
