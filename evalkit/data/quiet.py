"""Silence for the libraries that datasets come through, and for what is said of long fetches."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

__all__ = ["quiet", "silent", "tell"]

_SILENT: list[bool] = []
"""Whether nothing is said in this process, the last word counts."""

_LOGGERS = ("datasets", "huggingface_hub", "fsspec", "filelock", "httpx", "httpx2", "urllib3")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep progress bars, warnings and log lines of the Hub's libraries off the terminal.

    Import the library before: bars of one that is not loaded yet cannot be switched off. What went
    wrong is told by the exception alone, in one line. Levels, filters and switches are as they were
    when the block ends. Bars that ``HF_HUB_DISABLE_PROGRESS_BARS`` or
    ``HF_DATASETS_DISABLE_PROGRESS_BARS`` forces on or off are left to it.
    """
    with ExitStack() as stack:
        for name in _LOGGERS:
            logger = logging.getLogger(name)
            stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.CRITICAL)
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        _hide_bars(stack)
        yield


def _hide_bars(stack: ExitStack) -> None:
    for name in ("huggingface_hub.utils", "datasets.utils"):
        library = sys.modules.get(name)
        if library is not None and not library.are_progress_bars_disabled():
            library.disable_progress_bars()
            stack.callback(library.enable_progress_bars)


def tell(line: str) -> None:
    """Say on standard error what takes long or does not work, unless nothing shall be said."""
    if not (_SILENT and _SILENT[-1]):
        print(line, file=sys.stderr)


@contextmanager
def silent(wanted: bool) -> Iterator[None]:
    """Say nothing for a while, in any thread of this process, if that is wanted."""
    _SILENT.append(wanted)
    try:
        yield
    finally:
        _SILENT.pop()
