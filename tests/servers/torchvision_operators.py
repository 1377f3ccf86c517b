"""Defines two operators before torchvision is imported, where its compiled half does not load.

Put into an environment as ``torchvision_operators.py`` with a ``.pth`` file that imports it; it
imports nothing until torchvision is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


class Finder(MetaPathFinder):
    """Sees torchvision asked for, defines the operators, and leaves the finding to others."""

    held: list[object] = []  # noqa: RUF012 - libraries vanish with their last reference

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "torchvision" and not self.held:
            import torch

            library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
            self.held.append(library)
            for operator in OPERATORS:
                library.define(operator)  # type: ignore[no-untyped-call]
        return None


sys.meta_path.insert(0, Finder())
