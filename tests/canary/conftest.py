"""The built-in checkpoint with random weights, built once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evalkit.canary.checkpoint import checkpoint


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("canary") / "checkpoint", seed=0)


@pytest.fixture(scope="session")
def processor(folder: Path) -> Any:
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(folder)
