"""The list verb: what tasks, models, protocols, scorers, suites and gates there are.

Cards are read as plain YAML, so that listing imports neither Hydra nor a task.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from evalkit.errors import UsageError, nearest
from evalkit.packs import conf_packages

__all__ = ["KINDS", "Card", "cards", "catalogue"]

GROUPS = {
    "tasks": "task",
    "models": "model",
    "judges": "judge",
    "suites": "suite",
    "engines": "engine",
    "gates": "gate",
}
"""What is listed, by the config group that holds it."""

KINDS = (*GROUPS, "protocols", "scorers")
"""What can be listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A file of a config group."""

    name: str
    """What the command line calls it."""
    about: str
    """Its first comment line."""
    text: str
    """The YAML."""

    def load(self) -> dict[str, Any]:
        """Return the card's content, unresolved."""
        import yaml

        return dict(yaml.load(self.text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def cards(group: str) -> Iterator[Card]:
    """Yield the cards of a config group by name, ours before those of installed packs."""
    for package in conf_packages():
        folder = files(package).joinpath(group)
        if not folder.is_dir():
            continue
        for entry in sorted(folder.iterdir(), key=lambda item: item.name):
            if entry.name.endswith(".yaml"):
                text = entry.read_text("utf-8")
                comments = (line[1:].strip() for line in text.splitlines() if line.startswith("#"))
                about = next((line for line in comments if not line.startswith("@")), "")
                yield Card(name=entry.name.removesuffix(".yaml"), about=about, text=text)


def catalogue(kind: str) -> list[tuple[str, str]]:
    """Return names with one line each.

    Raises:
        UsageError: there is no such kind.
    """
    if kind in GROUPS:
        return [(card.name, card.about) for card in cards(GROUPS[kind])]
    if kind == "protocols":
        return [
            (f"{card.name} {name}", entry["source"])
            for card in cards("task")
            for name, entry in card.load()["protocols"].items()
        ]
    if kind == "scorers":
        return [(card.name, ", ".join(scorer_names(card))) for card in cards("task")]
    raise UsageError(nearest("kind", kind, list(KINDS)))


def scorer_names(card: Card) -> list[str]:
    """Return a task's scorer variants; this imports the task."""
    import importlib

    module, _, name = card.load()["_target_"].rpartition(".")
    return list(getattr(importlib.import_module(module), name).scorers)
