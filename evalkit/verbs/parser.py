"""The argument parser of every verb."""

from __future__ import annotations

import argparse
from typing import NoReturn

from evalkit.errors import UsageError

__all__ = ["Parser"]


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        """Raise what the command line prints as one line."""
        raise UsageError(f"{message}; see {self.prog} --help")
