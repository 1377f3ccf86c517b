"""The drawn set: rows in each dataset's own schema, made from a seed and read from nowhere.

It lets every part of the package be tried without a network: the columns, their types, the forms of
ids and the values of categories are those of the published datasets, so a task reads these rows as
it reads those. What is asked is drawn (``evalkit.canary.pictures`` and its neighbours), a category
names only the place that a row takes, and ids start at 901, or at 900001, where no published row
has one. Rows that share a picture follow each other. Columns that hold media are
``{"bytes": ..., "path": ...}``, as a Hub dataset gives them undecoded; a clip stands in ``video``.

Seed 0 is what the package is tried on. Whoever trains on drawn rows takes other seeds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from evalkit.canary.sets import documents, everyday, mathvista, mmmu, reading, videos
from evalkit.errors import UsageError, nearest

__all__ = ["SIZE", "drawn", "names", "rows"]

SIZE = 40
"""Rows of each set, unless asked for more: enough for every kind of row that a set has."""

_SETS: Mapping[str, Callable[[random.Random], Iterator[dict[str, Any]]]] = {
    "docvqa": documents.docvqa,
    "infovqa": documents.infovqa,
    "chartqa": documents.chartqa,
    "textvqa": reading.textvqa,
    "ocrbench": reading.ocrbench,
    "mmmu": mmmu.mmmu,
    "mathvista": mathvista.mathvista,
    "realworldqa": everyday.realworldqa,
    "realworldqa_hub": everyday.realworldqa_hub,
    "mmvet": everyday.mmvet,
    "mvbench": videos.mvbench,
    "videomme": videos.videomme,
}


_SAME = {"videomme_subs": "videomme", "mmvet_smoke": "mmvet"}
"""Tasks that ask the same rows as another."""


def names() -> tuple[str, ...]:
    """Return the names of the sets that can be drawn."""
    return tuple(_SETS)


@lru_cache(maxsize=16)
def drawn(name: str) -> tuple[Mapping[str, Any], ...]:
    """Return the rows that runs ask, of one set.

    They are kept: a run reads them three times, and to draw them takes longer than to answer some.

    Args:
        name: as for ``rows``.

    Raises:
        UsageError: there is no set of this name.
    """
    return tuple(rows(name)) if name not in _SAME else drawn(_SAME[name])


def rows(name: str, seed: int = 0, size: int = SIZE) -> Iterator[dict[str, Any]]:
    """Draw the rows of one set; the first rows are the same however many are asked for.

    Args:
        name: one of ``names()``, or a task that asks the rows of one.
        seed: which rows; the same seed gives the same rows.
        size: how many rows.

    Raises:
        UsageError: there is no set of this name.
    """
    name = _SAME.get(name, name)
    if name not in _SETS:
        raise UsageError(nearest("drawn set", name, list(_SETS)))
    # A name in the seed keeps two sets from showing the same pictures.
    return islice(_SETS[name](random.Random(f"{name} {seed}")), size)
