"""What is installed that can move a score."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from evalkit._version import __version__

__all__ = ["versions"]

LIBRARIES = (
    "torch",
    "torchvision",
    "transformers",
    "tokenizers",
    "accelerate",
    "qwen-vl-utils",
    "datasets",
    "pyarrow",
    "pillow",
    "numpy",
    "av",
    "rapidfuzz",
    "scipy",
    "hydra-core",
    "openai",
    "vllm",
    "flash-attn",
)
"""Distributions whose version can move a score."""


def versions() -> dict[str, str]:
    """Return the installed versions of what can move a score."""
    found = {"evalkit": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
