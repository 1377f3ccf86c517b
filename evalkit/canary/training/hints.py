"""What the model is told on its way, beside the right replies: it learns to read much sooner so.

A reply comes about in four steps, and each is asked for where it shall be done.

* The vision encoder: which sign, ink and paper a cell shows.
* The text model's layers 0 and 1: the traits of a cell's entry (``Patch.traits``), and for every
  token of a reply, by the same measure, the traits of what is asked for.
* Layer 2: its first head looks at the cells that have them, and what stands there is what would be
  said if the model ended here.
* Layer 3: its first head looks at the option that says so, which knows its letter by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from evalkit.canary.training.network import Batch, looked
from evalkit.canary.training.questions import Group
from evalkit.canary.training.sources import NONE

__all__ = ["Hints", "names"]

SEEN = ("sign", "ink", "paper")
"""What is asked of the vision encoder's output."""

TRAITS = ("key", "index", "hue", "role", "time", "before", "picture", "length", "way")
"""What is asked of the text model's second layer."""

LETTERS = "ABCDE"


def names(found: Iterable[Group]) -> dict[str, list[str]]:
    """Return the values of every trait that groups show: the classes of its hint."""
    known: dict[str, set[str]] = {name: set() for name in (*SEEN, *TRAITS)}
    for group in found:
        for patch in (patch for picture in group.pictures for patch in picture if patch.cell):
            for name, value in _shown(patch).items():
                if name in known:
                    known[name].add(value)
    return {name: sorted(values) for name, values in known.items()}


def _shown(patch: Any) -> dict[str, str]:
    cell = patch.cell
    return {"sign": cell.sign, "ink": cell.ink, "paper": cell.paper, **patch.traits}


class Hints(nn.Module):
    """The measures of what is asked in passing, and what is missed by them."""

    def __init__(self, width: int, known: Mapping[str, Sequence[str]]) -> None:
        """Start with random measures.

        Args:
            width: the text model's.
            known: what ``names`` returns.
        """
        super().__init__()
        self.numbers = {
            name: {value: number for number, value in enumerate(values)}
            for name, values in known.items()
        }
        sizes = {name: len(values) for name, values in known.items()} | {"letter": len(LETTERS)}
        self.measures = nn.ModuleDict(
            {name: nn.Linear(width, size) for name, size in sizes.items()}
        )

    def loss(
        self, model: Any, given: Batch, seen: Tensor, layers: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """Return how much is missed, by what is asked for.

        Args:
            model: the model.
            given: the batch.
            seen: what the vision encoder made of the batch's cells.
            layers: the text model's states, its input first.
        """
        drawn = [(place, patch) for place, patch in enumerate(given.cells) if patch.cell]
        at = torch.tensor([place for place, _ in drawn])
        replies = given.targets != NONE
        shown, asked = [_shown(patch) for _, patch in drawn], [told.asked for told in given.told]
        cells, said = layers[2][given.visual][at], layers[2][replies]
        missed = [self._missed(name, seen[at], shown) for name in SEEN]
        missed += [self._missed(name, cells, shown) for name in TRAITS]
        missed += [self._missed(name, said, asked) for name in TRAITS]
        sources, chosen = zip(*((told.sources, told.chosen) for told in given.told), strict=True)
        reading = model.model.language_model
        found = model.lm_head(reading.norm(layers[3][replies]))
        content = _mean(found, torch.tensor([told.content for told in given.told]))
        return {
            "traits": torch.stack(missed).sum() / 8,
            "source": looked(model, given, layers[2], 2, sources),
            "content": content,
            "option": looked(model, given, layers[3], 3, chosen),
            "letter": self._letters(given, layers[3]),
        }

    def _missed(self, name: str, states: Tensor, traits: Sequence[Mapping[str, str]]) -> Tensor:
        numbers = self.numbers[name]
        wanted = [numbers.get(each.get(name, ""), NONE) for each in traits]
        return _mean(self.measures[name](states), torch.tensor(wanted))

    def _letters(self, given: Batch, states: Tensor) -> Tensor:
        """Return how little the tokens by which options are known tell of their letters."""
        if not given.options:
            return states.new_zeros(())
        rows, places, letters = zip(*given.options, strict=True)
        at = states[torch.tensor(rows), torch.tensor(places)]
        wanted = torch.tensor([LETTERS.index(letter) for letter in letters])
        return _mean(self.measures["letter"](at), wanted)


def _mean(logits: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean loss over what is asked for, 0 if nothing is."""
    total = cross_entropy(logits, wanted, ignore_index=NONE, reduction="sum")
    return total / max(1, int((wanted != NONE).sum()))
