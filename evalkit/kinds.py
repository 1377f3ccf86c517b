"""Whether values that a user typed are of the kinds that settings take."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.errors import UsageError

__all__ = ["check_kinds", "mapping", "text"]

_PLAIN = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    type(None): "null",
}
"""What to write for a field, by its type. Others are left to whoever reads them."""

_LISTS = (tuple, Sequence)


def mapping(key: str, value: Any) -> Mapping[str, Any]:
    """Return a value that must be a group of settings.

    Raises:
        UsageError: it is none.
    """
    if not isinstance(value, Mapping):
        raise UsageError(f"{key}={value} would replace a group of settings: write {key}.NAME=...")
    return value


def text(key: str, value: Any) -> str:
    """Return a value that must be a name; what looks like a number is one too.

    Raises:
        UsageError: it is no text.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise UsageError(f"{key}={value}: write a name, in quotes if it is not plain letters")
    return str(value)


def check_kinds(target: type[Any], settings: Mapping[str, Any]) -> None:
    """Check values for the fields of a dataclass whose types are plain.

    Raises:
        UsageError: one is of another kind.
    """
    try:
        hints = typing.get_type_hints(target)
    except NameError:  # a type that is imported for type checkers only
        return
    for key, value in settings.items():
        kinds = _kinds(hints.get(key, Any))
        if kinds and not any(_fits(value, kind) for kind in kinds):
            wanted = " or ".join(_PLAIN.get(kind, "a list") for kind in kinds)
            raise UsageError(f"{key}={value}: write {wanted}")


def _kinds(hint: Any) -> tuple[Any, ...]:
    """Return the plain types that a field takes; nothing if one of its types is not plain."""
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    taken = typing.get_args(hint) if union else (hint,)
    kinds = tuple(typing.get_origin(each) or each for each in taken)
    return kinds if all(kind in _PLAIN or kind in _LISTS for kind in kinds) else ()


def _fits(value: Any, kind: Any) -> bool:
    if kind in _LISTS:
        return isinstance(value, (list, tuple))
    if kind is float:
        return type(value) in (int, float)
    return type(value) is kind
