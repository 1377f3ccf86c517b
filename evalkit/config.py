"""Making tasks, rows, backends and engines of a composed config.

A name or key that does not exist ends here as one line that lists what does.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar, cast

from evalkit.data.rows import Rows
from evalkit.errors import UsageError, nearest, one_line
from evalkit.kinds import check_kinds, mapping, text
from evalkit.task import Protocol, Task
from evalkit.types import Frames, Subtitles

__all__ = ["MODEL_KEYS", "Bench", "benches", "build", "data_source"]

MODEL_KEYS = ("name", "published", "data", "note")
"""Keys of a model's config that are the run's and not the backend's."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A task with the rows that it is asked on."""

    task: Task
    """The benchmark under one protocol."""
    rows: Rows
    """Where its rows come from."""

    @property
    def source(self) -> str:
        """Where its rows come from, as a summary says it: ``hub``, ``builtin`` or a file."""
        return "hub" if self.rows.file is None else self.rows.file


def build(spec: Mapping[str, Any], **extra: Any) -> Any:
    """Make what ``_target_`` names, with the other keys as its arguments.

    Raises:
        UsageError: the target does not exist, is no dataclass, or does not take a key.
    """
    path = str(spec.get("_target_", ""))
    module, _, name = path.rpartition(".")
    try:
        target = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"_target_ {path}: {one_line(error)}") from error
    if not is_dataclass(target):
        raise UsageError(f"_target_ {path} is not a dataclass")
    settings = {
        key: build(value) if isinstance(value, Mapping) and "_target_" in value else value
        for key, value in spec.items()
        if key != "_target_"
    }
    return construct(cast("type[Any]", target), settings | extra)


def construct(target: type[T], settings: Mapping[str, Any]) -> T:
    """Return an instance of a dataclass.

    Raises:
        UsageError: a key is not one of its fields, or one that it needs is absent.
    """
    known = [field.name for field in fields(target) if field.init]  # type: ignore[arg-type]
    for key in settings:
        if key not in known:
            raise UsageError(nearest(f"setting of {target.__name__}", key, known))
    check_kinds(target, settings)
    try:
        return target(**settings)
    except TypeError as error:
        raise UsageError(f"{target.__name__}: {one_line(error)}") from error


def benches(config: Mapping[str, Any]) -> list[Bench]:
    """Return the tasks of a composed config with their rows, in the config's order."""
    cards = mapping("tasks", config.get("tasks") or {})
    if not cards:
        raise UsageError("no task is chosen: task=NAME, or 'task=[NAME,NAME]'")
    file = config.get("rows")
    if file is not None and len(cards) > 1:
        names = ", ".join(cards)
        raise UsageError(
            f"rows= fits one task and {len(cards)} are chosen ({names}): "
            "write tasks.NAME.rows.file=... for each"
        )
    return [bench(name, card, file, data_source(config)) for name, card in cards.items()]


def data_source(config: Mapping[str, Any]) -> str | None:
    """Return where a config's rows come from, ``hub`` or ``builtin``: its ``data``, or a key of it.

    A verb that asks no model has nothing else to say of data.
    """
    data = config.get("data")
    return data["source"] if isinstance(data, Mapping) else data


def bench(name: str, card: Mapping[str, Any], file: str | None, data: str | None) -> Bench:
    """Return one task with its rows."""
    where = f"tasks.{name}"
    card = mapping(where, card)
    rest = {k: v for k, v in card.items() if k not in ("rows", "protocol", "protocols", "scorer")}
    protocol = protocol_from(name, card)
    spec = dict(mapping(f"{where}.rows", card["rows"]))
    if spec.get("file") is not None:
        spec["file"] = text(f"{where}.rows.file", spec["file"])
    if file is not None:
        spec["file"] = str(file)
    elif data == "builtin" and (spec["file"] is None or "://" in spec["file"]):
        spec |= {"file": "builtin", "md5": None}
    elif data not in ("hub", "builtin"):
        raise UsageError(nearest("data", str(data), ["hub", "builtin"]))
    task: Task = build(
        rest, protocol=protocol, scorer=card["scorer"] or protocol.scorer, split=spec["split"]
    )
    return Bench(task=task, rows=construct(Rows, spec | {"name": name}))


def protocol_from(name: str, card: Mapping[str, Any]) -> Protocol:
    """Return the protocol that a card picks."""
    where = f"tasks.{name}.protocols"
    known, picked = mapping(where, card["protocols"]), str(card["protocol"])
    if picked not in known:
        raise UsageError(nearest(f"protocol of {name}", picked, list(known)))
    entry = dict(mapping(f"{where}.{picked}", known[picked]))
    for key in ("until", "parts"):
        if isinstance(entry.get(key), list):
            entry[key] = tuple(entry[key])
    if entry.get("frames") is not None:
        entry["frames"] = construct(Frames, entry["frames"])
    if entry.get("subtitles") is not None:
        how = dict(entry["subtitles"])
        if how.get("frames") is not None:
            how["frames"] = construct(Frames, how["frames"])
        entry["subtitles"] = construct(Subtitles, how)
    return construct(Protocol, entry | {"name": picked})
