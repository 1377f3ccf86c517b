"""What every test shares: where golden cases and real data are."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]

# --doctest-modules would import what tests and people start as programs of their own.
collect_ignore = [
    str(path)
    for folder in ("perf", "servers")
    for path in (ROOT / "tests" / folder).rglob("*.py")
    if not path.name.startswith("test_")
]
GOLDEN = ROOT / "tests" / "golden"


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSONL file; only a newline ends a line."""
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def read_golden(name: str) -> list[dict[str, Any]]:
    """Return the golden cases of one file."""
    return read_jsonl(GOLDEN / name)


@pytest.fixture(scope="session")
def golden() -> Callable[[str], list[dict[str, Any]]]:
    """A function from a golden file's name to its cases."""
    return read_golden


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real rows and predictions; tests that want it are skipped without it."""
    folder = Path(os.environ.get("EVALKIT_REAL", ROOT.parent / "shared" / "real"))
    if not folder.is_dir():
        pytest.skip("no real data here: set EVALKIT_REAL to its folder")
    return folder


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep keys, endpoints and colours of the machine out of every test."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HF_TOKEN", "HF_ENDPOINT", "EVALKIT_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "dumb")


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Take away the log handlers that a test leaves: Hydra's write to a stream that is closed."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    for handler in [each for each in root.handlers if each not in before]:
        root.removeHandler(handler)
    root.setLevel(level)
