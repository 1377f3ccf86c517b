"""Stands where SGLang looks for its compiled kernels, which no index has for processors.

SGLang imports them by name and takes PyTorch's own operators instead where they are of no use, as
with ``--attention-backend torch_native`` on a processor without AMX. A name that is called all the
same raises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__version__ = "0.0.0"


class Missing:
    """A kernel that is not there, or a family of them."""

    def __init__(self, name: str) -> None:
        """Remember what it would be."""
        self.name = name

    def __getattr__(self, name: str) -> Missing:
        """Return a member of the family."""
        if name.startswith("__"):
            raise AttributeError(name)
        return Missing(f"{self.name}.{name}")

    def __call__(self, *args: Any, **settings: Any) -> Any:
        """Raise: there is nothing to run."""
        raise NotImplementedError(f"{self.name} is compiled, and not here")


def __getattr__(name: str) -> Missing:
    if name.startswith("__"):
        raise AttributeError(name)
    return Missing(f"sgl_kernel.{name}")


def only_real(register: Callable[..., Any]) -> Callable[..., Any]:
    """Return torch's ``register_fake`` that passes over operators which do not exist."""

    def register_fake(op: Any, func: Any = None, /, **settings: Any) -> Any:
        if not str(op).startswith("sgl_kernel::"):
            return register(op, func, **settings)
        return func or (lambda made: made)

    return register_fake


torch.ops.sgl_kernel = Missing("torch.ops.sgl_kernel")  # type: ignore[attr-defined]
torch.library.register_fake = only_real(torch.library.register_fake)
