"""A prompt's beginning, computed once, and many endings decoded from it as one batch.

Questions on one picture have the picture, and whatever stands before it, in common. This common
beginning is prefilled once into a cache; the cache is repeated for each question, the rest of the
questions follows, padded on the left, and all replies are decoded together. Beginnings of several
pictures may stand side by side in one batch, padded on the left too. Padding is masked everywhere,
and every token has the position that it has in its own prompt, so that a row computes what it would
compute alone, up to the rounding of other shapes.

For Qwen2-VL, whose positions have three axes (arXiv 2409.12191, section 2.1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from inspect import signature
from typing import TYPE_CHECKING, Any

from evalkit.backends.questions import Inputs, Reply, leads_of

if TYPE_CHECKING:
    import torch

__all__ = ["Row", "Stem", "common", "decode", "grow"]

CHUNK = 2048
"""Tokens by which a beginning is prolonged at once: each gets a mask over all that stands before,
which for the transcript of an hour would take gigabytes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stem:
    """The beginning of a prompt, prefilled."""

    layers: Sequence[tuple[torch.Tensor, torch.Tensor]]
    """Keys and values by layer: 1 x heads x tokens x dimensions."""
    length: int
    """Its tokens."""
    after: int
    """The position of the token that follows, the same on all axes: it is text."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """One question of a batch."""

    stem: Stem
    """Its beginning."""
    rest: Sequence[int]
    """The token ids that follow, at least one."""
    most: int
    """Where its reply is cut, in tokens."""


def common(prompts: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all prompts begin with; at least one of each is left over."""
    shortest = min(len(prompt) for prompt in prompts) - 1
    first = prompts[0]
    for place in range(shortest):
        if any(prompt[place] != first[place] for prompt in prompts):
            return place
    return shortest


def grow(
    model: Any, inputs: Inputs, length: int, encoded: Mapping[str, Any], base: Stem | None = None
) -> Stem:
    """Return the prefilled beginning of a prompt.

    Args:
        model: a Qwen2-VL.
        inputs: a prompt, all of whose media lie in the beginning.
        length: the beginning's tokens.
        encoded: the vision encoder's outputs for the media.
        base: what is prefilled of it already, all media included.
    """
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    ids = inputs.text["input_ids"].to(model.device)
    positions = positions_of(model, inputs)[:, :, :length].to(model.device)
    given = {"mm_encoder_outputs": dict(encoded)} if base is None else {}
    for number, layer in enumerate(base.layers if base else ()):
        cache.update(*layer, number)
    start, step = (base.length, CHUNK) if base else (0, length)
    for place in range(start, length, step):
        end = min(place + step, length)
        model.model(
            input_ids=ids[:, place:end],
            position_ids=positions[:, :, place:end],
            **cached(cache),
            **given,
        )
    return Stem(
        layers=[(layer.keys, layer.values) for layer in cache.layers],
        length=length,
        after=int(positions[0, 0, -1]) + 1,
    )


def positions_of(model: Any, inputs: Inputs) -> torch.Tensor:
    """Return the positions of a prompt's tokens: 3 x 1 x tokens, for time, height and width."""
    import torch

    media = {name: inputs.media[name] for name in inputs.media if name.endswith("_grid_thw")}
    if not media:
        return torch.arange(inputs.tokens).expand(3, 1, -1)
    text = inputs.text
    positions: torch.Tensor
    positions, _ = model.model.get_rope_index(
        text["input_ids"], mm_token_type_ids=text["mm_token_type_ids"], **media
    )
    return positions


def decode(model: Any, rows: Sequence[Row], step: Any = None) -> list[Reply]:
    """Return the greedy replies.

    Args:
        model: a Qwen2-VL, set to greedy decoding.
        rows: what is asked; rows of one stem stand together.
        step: a compiled ``forward`` for all tokens but the first; ``None`` for the model's own.
    """
    ids, positions, mask = (tensor.to(model.device) for tensor in layout(rows))
    front = max(row.stem.length for row in rows)
    cache, held = joined(rows, front, mask.shape[1]), front + ids.shape[1]
    logits = forward(model, ids, positions, mask[:, :held], cache)
    if step is not None:
        cache = fixed(model, cache, held)
    said: list[list[int]] = [[] for _ in rows]
    least = [math.inf for _ in rows]
    numbers, ends = list(range(len(rows))), set(model.generation_config.eos_token_id)
    while True:
        ids, leads = logits[:, -1].argmax(-1, keepdim=True), leads_of(logits[:, -1])
        alive = []
        for place, ([token], lead) in enumerate(zip(ids.tolist(), leads.tolist(), strict=True)):
            number = numbers[place]
            reply, most = said[number], rows[number].most
            if len(reply) < most and not (reply and reply[-1] in ends):
                reply.append(token)
                least[number] = min(least[number], lead)
                if len(reply) < most and token not in ends:
                    alive.append(place)
        if not alive:
            return [Reply(*each) for each in zip(said, least, strict=True)]
        positions = positions[:, -1:] + 1
        if step is None and 2 * len(alive) <= len(numbers):
            # Half of the batch is done: to go on without it is worth one copy of the cache.
            kept = ids.new_tensor(alive)
            cache.batch_select_indices(kept)
            ids, positions, mask = ids[kept], positions[kept], mask[kept]
            numbers = [numbers[each] for each in alive]
        held += 1
        seen = mask[:, :held] if step is None else mask
        logits = forward(model if step is None else step, ids, positions, seen, cache)


def forward(
    model: Any, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor, cache: Any
) -> torch.Tensor:
    """Return the logits after the last token of every row: rows x 1 x vocabulary."""
    logits: torch.Tensor = model(
        input_ids=ids,
        position_ids=positions[None].expand(3, -1, -1),
        attention_mask=mask,
        **cached(cache),
        logits_to_keep=1,
    ).logits
    return logits


def cached(cache: Any) -> dict[str, Any]:
    """Return a cache as a model's arguments, named as the installed transformers names it.

    It was ``past_key_values`` until 5.24, where that name brings a warning; 5.40 knows it no more.
    """
    return {_cache_name(): cache, "use_cache": True}


@lru_cache
def _cache_name() -> str:
    from transformers import Qwen2VLModel

    return "cache" if "cache" in signature(Qwen2VLModel.forward).parameters else "past_key_values"


def layout(rows: Sequence[Row]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the token ids that follow the stems, their positions, and the mask of everything.

    The mask covers stems, these tokens and the replies; each row is padded on the left of its stem
    and on the left of its tokens.
    """
    import torch

    front = max(row.stem.length for row in rows)
    width = max(len(row.rest) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    positions = torch.zeros_like(ids)
    mask = torch.zeros(len(rows), front + width + max(row.most for row in rows), dtype=torch.long)
    for place, row in enumerate(rows):
        start = width - len(row.rest)
        ids[place, start:] = torch.tensor(row.rest)
        positions[place, start:] = torch.arange(len(row.rest)) + row.stem.after
        mask[place, front - row.stem.length : front] = 1
        mask[place, front + start :] = 1
    return ids, positions, mask


def joined(rows: Sequence[Row], front: int, room: int) -> Any:
    """Return one cache with every row's stem in it, right-aligned at ``front``.

    Args:
        rows: the rows of a batch.
        front: the longest stem's tokens.
        room: how many tokens a row will have in the end.
    """
    from transformers.cache_utils import Cache

    layers = []
    for number, (keys, values) in enumerate(rows[0].stem.layers):
        layer = roomy()(keys, values, len(rows), room, front)
        for place, row in enumerate(rows):
            layer.put(place, front - row.stem.length, row.stem.layers[number])
        layers.append(layer)
    return Cache(layers=layers)


@lru_cache(maxsize=1)
def roomy() -> Any:
    """Return the class of a cache layer that has its room from the start.

    A layer that grows copies all it holds at every token, which takes as long as attending to it.
    """
    from transformers.cache_utils import DynamicLayer

    class Roomy(DynamicLayer):  # type: ignore[misc]
        def __init__(self, keys: Any, values: Any, rows: int, room: int, length: int) -> None:
            super().__init__()
            self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True
            self.all_keys = keys.new_zeros(rows, keys.shape[1], room, keys.shape[3])
            self.all_values = values.new_zeros(rows, values.shape[1], room, values.shape[3])
            self.show(length)

        def show(self, length: int) -> None:
            self.keys, self.values = self.all_keys[:, :, :length], self.all_values[:, :, :length]

        def put(self, row: int, start: int, given: tuple[Any, Any]) -> None:
            end = start + given[0].shape[2]
            self.all_keys[row, :, start:end], self.all_values[row, :, start:end] = (
                given[0][0],
                given[1][0],
            )

        def update(self, keys: Any, values: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
            start, end = self.keys.shape[2], self.keys.shape[2] + keys.shape[2]
            self.all_keys[:, :, start:end], self.all_values[:, :, start:end] = keys, values
            self.show(end)
            return self.keys, self.values

        def batch_select_indices(self, indices: Any) -> None:
            length = self.keys.shape[2]
            self.all_keys, self.all_values = self.all_keys[indices], self.all_values[indices]
            self.show(length)

    return Roomy


def fixed(model: Any, cache: Any, held: int) -> Any:
    """Return what a cache holds as one whose shapes never change, which compiled code needs."""
    import torch
    from transformers import StaticCache

    room = cache.layers[0].all_keys.shape[2]
    static = StaticCache(config=model.config, max_cache_len=room)
    for layer, given in zip(static.layers, cache.layers, strict=True):
        layer.lazy_initialization(given.all_keys[:, :, :1], given.all_values[:, :, :1])
        layer.keys.copy_(given.all_keys)
        layer.values.copy_(given.all_values)
        layer.cumulative_length.copy_(torch.tensor(held))
    return static
