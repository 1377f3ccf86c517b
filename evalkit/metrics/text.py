"""What several metrics need to read strings: list literals, parsed and never run.

Datasets and harnesses store lists as the text of a Python list: MMMU's options, the answer cells
of VLMEvalKit's tables. Their own code calls ``eval`` on it; here it is parsed as a literal.
"""

from __future__ import annotations

import ast
import warnings
from typing import Any

__all__ = ["literal_list"]


def literal_list(text: str, limit: int = 100_000) -> list[Any] | None:
    r"""Return the list that a text is the Python literal of, or ``None`` if it is not one.

    Elements keep their literal types. An escape that Python does not know, as LaTeX in quotes
    often has, stays as it is written.

    Args:
        text: what may be a list literal; white space around it is allowed.
        limit: the greatest length that is parsed at all, in characters: the parser needs several
            hundred times the text in memory.

    >>> literal_list("['red', \"it's\", 2014]")
    ['red', "it's", 2014]
    >>> literal_list(r"['$\pi$']")
    ['$\\pi$']
    >>> literal_list("['red', open('/etc/passwd')]") is None
    True
    """
    if len(text) > limit:
        return None
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        with warnings.catch_warnings():
            # An unknown escape only warns, but under -W error it would turn a good list into none.
            warnings.simplefilter("ignore")
            value = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, list) else None
