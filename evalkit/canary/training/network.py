"""The model on many questions about the same pictures at once, for training.

What is computed is what Qwen2-VL computes for each question alone: a group's pictures come first,
every question sees them and itself only, and takes the positions that it would have alone. Where
bare cells are left out the others keep their places, in the vision encoder and in the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evalkit.canary.training.questions import Group, Patch
from evalkit.canary.training.sources import NONE, Encode, Guide, guides, options

__all__ = ["Batch", "Encode", "batch", "length", "looked", "states"]

_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
_STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


@dataclass(slots=True)
class Batch:
    """Groups as tensors; G groups, up to L tokens each, N visual tokens in all."""

    pixels: Tensor
    """4 N by 1176."""
    places: Tensor
    """4 N by 2: a patch's row and column."""
    lengths: list[int]
    """Patches that see each other: those of a picture, or of a moment of a clip."""
    ids: Tensor
    """G by L."""
    positions: Tensor
    """3 by G by L."""
    mask: Tensor
    """G by 1 by L by L: who sees whom."""
    visual: Tensor
    """G by L: where visual tokens stand."""
    targets: Tensor
    """G by L: the token that shall follow, ``NONE`` where that is not asked."""
    cells: list[Patch]
    """What each visual token shows, in order."""
    told: list[Guide]
    """For each token of a reply, in order: what is told about it; places are those in its row."""
    options: list[tuple[int, int, str]]
    """The tokens by which options are known: row, place, and the option's letter."""


class _Row:
    """One group on its way to be a row of a batch."""

    def __init__(self, group: Group, encode: Encode, image: int) -> None:
        self.ids: list[int] = []
        self.positions: list[tuple[int, int, int]] = []
        self.segments: list[int] = []
        self.targets: list[int] = []
        self.told: list[Guide] = []
        self.options: list[tuple[int, str]] = []
        shown: list[int] = []
        start = 0
        for text, picture in zip(group.before, group.pictures, strict=True):
            start = self._text(encode(text), start, 0)
            for patch in picture:
                place = (start + patch.time, start + patch.row, start + patch.column)
                shown.append(len(self.ids))
                self._add(image, place, 0)
            start += 1 + max(_extent(picture))
        asked = [encode(question.text) for question in group.questions]
        common, opening = _common(asked), len(self.ids)
        start = self._text(asked[0][:common], start, 0)
        for number, (question, own) in enumerate(zip(group.questions, asked, strict=True), 1):
            answer = encode(question.answer + "<|im_end|>")
            before = len(self.ids)
            self._text(own[common:] + answer, start, number)
            places = [*range(opening, opening + common), *range(before, len(self.ids))]
            first = len(self.ids) - len(answer)
            self.targets[first - 1 : -1] = answer
            for option in options(question.text, encode):
                self.options.append((places[option.place], option.letter))
            for told in guides(group, question, encode):
                cells, words = [shown[n] for n in told.cells], [places[n] for n in told.words]
                chosen = [places[n] for n in told.chosen]
                self.told.append(replace(told, sources=cells + words, chosen=chosen))

    def _text(self, ids: Sequence[int], start: int, segment: int) -> int:
        for place, token in enumerate(ids, start):
            self._add(token, (place, place, place), segment)
        return start + len(ids)

    def _add(self, token: int, place: tuple[int, int, int], segment: int) -> None:
        self.ids.append(token)
        self.positions.append(place)
        self.segments.append(segment)
        self.targets.append(NONE)


def _common(asked: Sequence[Sequence[int]]) -> int:
    """Return with how many tokens all questions open; the last of each is its own."""
    columns = list(zip(*asked, strict=False))[:-1]
    return next(
        (place for place, column in enumerate(columns) if len(set(column)) > 1), len(columns)
    )


def _extent(picture: Sequence[Patch]) -> tuple[int, int, int]:
    """Return the last time, row and column of the sheet that a picture's cells are of."""
    return max(patch.time for patch in picture), *picture[0].extent


def length(group: Group) -> int:
    """Return about how long a group is: visual tokens, and letters by four."""
    text = sum(len(question.text) for question in group.questions)
    return sum(map(len, group.pictures)) + text // 4


def batch(groups: Sequence[Group], encode: Encode, image: int, pad: int) -> Batch:
    """Return groups as tensors.

    Args:
        groups: what is asked.
        encode: the tokenizer.
        image: the id of visual tokens.
        pad: the id that fills rows up.
    """
    rows = [_Row(group, encode, image) for group in groups]
    longest = max(len(row.ids) for row in rows)

    def filled(values: list[Any], blank: Any) -> list[Any]:
        return values + [blank] * (longest - len(values))

    ids = torch.tensor([filled(row.ids, pad) for row in rows])
    segments = torch.tensor([filled(row.segments, -1) for row in rows])
    before = torch.ones(longest, longest, dtype=torch.bool).tril()
    same = segments[:, :, None] == segments[:, None, :]
    mask = before & (same | (segments == 0)[:, None, :])
    cells = [patch for group in groups for picture in group.pictures for patch in picture]
    return Batch(
        pixels=_pixels(cells),
        places=_places(cells),
        lengths=[
            4 * sum(patch.time == time for patch in picture)
            for group in groups
            for picture in group.pictures
            for time in range(1 + max(patch.time for patch in picture))
        ],
        ids=ids,
        positions=torch.tensor([filled(row.positions, (0, 0, 0)) for row in rows]).permute(2, 0, 1),
        mask=mask[:, None],
        visual=ids == image,
        targets=torch.tensor([filled(row.targets, NONE) for row in rows]),
        cells=cells,
        told=[told for row in rows for told in row.told],
        options=[(number, *option) for number, row in enumerate(rows) for option in row.options],
    )


def _pixels(cells: Sequence[Patch]) -> Tensor:
    """Return cells as the patches that Qwen2-VL's preprocessing makes of them."""
    tiles = np.stack([cell.pixels for cell in cells]).astype(np.float32)
    halves = ((tiles / 255 - _MEAN) / _STD).reshape(-1, 2, 14, 2, 14, 3)
    patches = halves.transpose(0, 1, 3, 5, 2, 4)[:, :, :, :, None].repeat(2, axis=4)
    return torch.from_numpy(np.ascontiguousarray(patches).reshape(4 * len(cells), -1))


def _places(cells: Sequence[Patch]) -> Tensor:
    corner = torch.tensor([(0, 0), (0, 1), (1, 0), (1, 1)])
    place = torch.tensor([(cell.row, cell.column) for cell in cells])
    return (2 * place[:, None] + corner).reshape(-1, 2)


def states(model: Any, given: Batch) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return what the vision encoder makes of each cell, and the text model's states by layer.

    Returns:
        N by width, and for the input and each layer G by L by width; the last is normalised.
    """
    seeing, reading = model.model.visual, model.model.language_model
    found = seeing.patch_embed(given.pixels)
    turned = seeing.rotary_pos_emb(found, given.places)
    ends = torch.tensor([0, *given.lengths]).cumsum(0)
    for block in seeing.blocks:
        found = block(found, cu_seqlens=ends, position_embeddings=turned)
    seen = seeing.merger(found)
    embedded = reading.embed_tokens(given.ids)
    embedded = embedded.masked_scatter(given.visual[..., None].expand_as(embedded), seen)
    made = reading(
        inputs_embeds=embedded,
        attention_mask=given.mask,
        position_ids=given.positions,
        use_cache=False,
        output_hidden_states=True,
    )
    return seen, made.hidden_states


def looked(
    model: Any, given: Batch, read: Tensor, number: int, places: Sequence[Sequence[int]]
) -> Tensor:
    """Return how far the first head of a layer is from looking where it shall.

    Args:
        model: the model.
        given: the batch.
        read: G by L by width, the states that the layer is given.
        number: the layer's.
        places: where each token of a reply shall look; nowhere in particular if it is empty.

    Returns:
        The mean of minus the logarithm of the attention that goes there.
    """
    from transformers.models.qwen2_vl.modeling_qwen2_vl import apply_rotary_pos_emb

    layer = model.model.language_model.layers[number]
    known = torch.tensor([place for place, cells in enumerate(places) if cells])
    if not len(known):
        return read.new_zeros(())
    shape = (*read.shape[:2], -1, layer.self_attn.head_dim)
    inner = layer.input_layernorm(read)
    queries = layer.self_attn.q_proj(inner).view(shape).transpose(1, 2)
    keys = layer.self_attn.k_proj(inner).view(shape).transpose(1, 2)
    turned = model.model.language_model.rotary_emb(inner, given.positions)
    queries, keys = apply_rotary_pos_emb(queries, keys, *turned)
    at = (given.targets != NONE).nonzero()[known]
    scores = (queries[at[:, 0], 0, at[:, 1], None] * keys[at[:, 0], 0]).sum(-1)
    scores = scores * layer.self_attn.scaling
    scores = scores.masked_fill(~given.mask[at[:, 0], 0, at[:, 1]], -1e9).log_softmax(-1)
    wanted = torch.full_like(scores, -1e9)
    for place, answer in enumerate(known.tolist()):
        wanted[place, places[answer]] = 0.0
    missed: Tensor = -(scores + wanted).logsumexp(-1).mean()
    return missed
