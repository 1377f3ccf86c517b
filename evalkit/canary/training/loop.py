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

from evalkit.canary.canvas import COLORS
from evalkit.canary.training.network import Batch, Encode, batch, length, looked, states
from evalkit.canary.training.questions import TASKS, Group, groups, tasks

__all__ = ["Plan", "accuracy", "train"]


HELD_OUT = 7_000_000
"""The seed of rows that are neither trained on nor asked in runs, for looking on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long, how fast, on how much. The defaults made the canary."""

    steps: int = 2400
    """Updates in all."""
    whole: int = 150
    """Steps at the end in which pictures are shown whole, bare cells and all."""
    rate: float = 2e-3
    """The learning rate at its highest."""
    least: float = 2e-5
    """The learning rate at the end."""
    warm: int = 100
    """Steps in which it rises."""
    groups: int = 20
    """Groups of questions a step."""
    whole_groups: int = 4
    """Groups a step at the end."""
    parts: int = 4
    """Parts that a step's groups are computed in, each of groups about as long."""
    hints: float = 1.0
    """The weight of ``Hints``."""
    seed: int = 1
    """What rows, weights and their order are drawn from; rows of seed 0 are what runs ask."""


class Hints(nn.Module):
    """What each visual token stands for, asked of the model in passing: it is learned sooner so.

    Of the vision encoder: which sign, ink and paper a cell shows; of the text model's second layer:
    which entry a cell belongs to, and its place in its text; and of the tokens of a reply, by the
    same measure, which entry was asked for and which place comes next, so that the layers above
    have only to bring the two together.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.names: dict[str, dict[str, int]] = {"sign": {}, "key": {}}
        colors = len(COLORS)
        self.sign, self.ink = nn.Linear(width, 128), nn.Linear(width, colors)
        self.paper, self.key = nn.Linear(width, colors), nn.Linear(width, 512)
        self.index = nn.Linear(width, 16)

    def number(self, kind: str, name: str) -> int:
        """Return the number of a sign or an entry, in the order that they came."""
        known = self.names[kind]
        return known.setdefault(name, len(known))

    def loss(self, given: Batch, seen: Tensor, read: Tensor) -> Tensor:
        """Return the mean loss over what is asked of cells that were drawn on and of replies."""
        drawn = [(place, patch.cell) for place, patch in enumerate(given.cells) if patch.cell]
        at = torch.tensor([place for place, _ in drawn])
        colors = {name: number for number, name in enumerate(COLORS)}
        seen, shown, said = seen[at], read[given.visual][at], read[given.targets != -100]
        wanted = (
            (self.sign, seen, [self.number("sign", cell.sign) for _, cell in drawn]),
            (self.ink, seen, [colors[cell.ink] for _, cell in drawn]),
            (self.paper, seen, [colors[cell.paper] for _, cell in drawn]),
            (self.key, shown, [self.number("key", cell.key) for _, cell in drawn]),
            (self.index, shown, [min(cell.index, 15) for _, cell in drawn]),
            (self.key, said, [self.number("key", key) if key else -100 for key, _ in given.asked]),
            (self.index, said, [min(place, 15) for _, place in given.asked]),
        )
        losses = [
            cross_entropy(ask(what), torch.tensor(right), reduction="sum") / len(right)
            for ask, what, right in wanted
        ]
        return torch.stack(losses).mean()


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


def _all(rng: random.Random) -> int:
    """Return more than any sheet has."""
    del rng
    return 1 << 20


def answer_loss(model: Any, given: Batch, last: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the loss of each reply token, what was said, and what was to be said."""
    at = given.targets != -100
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
    model: Any, encode: Encode, ids: tuple[int, int], plan: Plan, say: Any, keep: Any
) -> None:
    """Train a model.

    Args:
        model: a ``Qwen2VLForConditionalGeneration``.
        encode: its tokenizer.
        ids: the ids of visual tokens and of padding.
        plan: how.
        say: told of progress, a line at a time.
        keep: called now and then, to save what there is.
    """
    torch.manual_seed(plan.seed)
    hints = Hints(model.config.text_config.hidden_size)
    weights = [*model.parameters(), *hints.parameters()]
    optimizer = torch.optim.AdamW(
        weights, lr=plan.rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    some, whole = (_stream(TASKS, plan.seed, how) for how in (_some, _all))
    held = list(islice(_stream(TASKS, HELD_OUT, _some), 72))
    start, seen = time.monotonic(), list[tuple[float, float, float]]()
    for step in range(1, plan.steps + 1):
        late = step > plan.steps - plan.whole
        source, size = (whole, plan.whole_groups) if late else (some, plan.groups)
        parts = _parts([group for _, group in islice(source, size)], encode, ids, plan.parts)
        for group in optimizer.param_groups:
            group["lr"] = _rate(plan, step)
        optimizer.zero_grad(set_to_none=True)
        seen += _backward(model, hints, parts, plan)
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        if step % 50 == 0:
            say(f"{step} {time.monotonic() - start:.0f}s {_means(seen)}")
            seen.clear()
        if step % 300 == 0 or step == plan.steps:
            by = accuracy(model, encode, ids, held)
            say(" ".join(f"{name} {100 * value:.0f}" for name, value in by.items()))
            keep()


def _backward(
    model: Any, hints: Hints, parts: Sequence[Batch], plan: Plan
) -> Iterator[tuple[float, float, float]]:
    """Add a step's gradients; yield of each part loss, hints' loss and share of right tokens."""
    asked = sum(int((part.targets != -100).sum()) for part in parts)
    for part in parts:
        seen, layers = states(model, part)
        losses, said, wanted = answer_loss(model, part, layers[-1])
        hint = hints.loss(part, seen, layers[2])
        hint = hint + looked(model, part, layers[2], 2, part.sources)
        hint = hint + looked(model, part, layers[3], 3, part.chosen)
        loss: Tensor = losses.sum() / asked + plan.hints * hint / len(parts)
        loss.backward()  # type: ignore[no-untyped-call]
        yield losses.mean().item(), hint.item(), (said == wanted).float().mean().item()


def _means(seen: Sequence[tuple[float, float, float]]) -> str:
    loss, hints, tokens = (sum(each) / len(seen) for each in zip(*seen, strict=True))
    return f"loss {loss:.3f} hints {hints:.3f} tokens {tokens:.3f}"


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
