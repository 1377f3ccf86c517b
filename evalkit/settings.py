"""What a result was made with, as one flat mapping: settings that can be told apart key by key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["differing", "flat", "portable", "settings_of"]

OWN = ("identity", "backend", "versions", "machine", "git")
"""Parts of a manifest that can change a number; its times cannot."""

FREE = ("name", "out", "retry_failed", "data", "rows", "protocol", "scorer", "hydra", "gate")
"""Keys of a config that change no answer, or that the task's own part repeats."""

TOLD = {
    "backend": ("folder", "versions"),
    "model": ("note", "published", "data"),
    "task": ("protocols", "protocol", "rows"),
    "protocol": ("source",),
}
"""By part, keys that only say where something is, or that stand elsewhere too."""


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one mapping of dotted keys."""
    if not isinstance(value, Mapping):
        return {prefix: value}
    return {
        key: leaf
        for name, child in value.items()
        for key, leaf in flat(child, f"{prefix}.{name}" if prefix else str(name)).items()
    }


def settings_of(run: Path, task: str) -> dict[str, Any]:
    """Return what one task of a run was made with; nothing where the folder does not say."""
    parts = {**_from_manifest(_manifest(run), task), **_from_config(_config(run), task)}
    for part, keys in TOLD.items():
        if isinstance(parts.get(part), Mapping):
            parts[part] = {k: v for k, v in parts[part].items() if k not in keys}
    return {key: portable(value) for key, value in flat(parts).items()}


def portable(value: Any) -> Any:
    """Return a setting, a path of this machine cut to its last name: others have other folders."""
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def differing(
    a: Mapping[str, Any], b: Mapping[str, Any]
) -> list[tuple[str, str | None, str | None]]:
    """Return key and values of what differs, in order; nothing where one side knows nothing."""
    if not a or not b:
        return []
    return [
        (key, _text(a, key), _text(b, key))
        for key in sorted(a.keys() | b.keys())
        if _text(a, key) != _text(b, key)
    ]


def _text(settings: Mapping[str, Any], key: str) -> str | None:
    """Return a setting as text; ``None`` where there is no such setting."""
    if key not in settings:
        return None
    value = settings[key]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _manifest(run: Path) -> Mapping[str, Any]:
    try:
        value = json.loads((run / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, Mapping) else {}


def _config(run: Path) -> Mapping[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        value = yaml.load((run / "config.yaml").read_text("utf-8"), Loader=loader)
    except (OSError, yaml.YAMLError):
        return {}
    return value if isinstance(value, Mapping) else {}


def _from_manifest(manifest: Mapping[str, Any], task: str) -> dict[str, Any]:
    found = {part: manifest[part] for part in OWN if manifest.get(part)}
    data = manifest.get("data")
    rows = data.get(task) if isinstance(data, Mapping) else None
    return found | ({"rows": rows} if rows else {})


def _from_config(config: Mapping[str, Any], task: str) -> dict[str, Any]:
    """Return the settings of a task: of its card the protocol that was picked, not all of them."""
    found = {k: v for k, v in config.items() if k not in (*FREE, "tasks") and v is not None}
    cards = config.get("tasks")
    card = cards.get(task) if isinstance(cards, Mapping) else None
    if isinstance(card, Mapping):
        known, picked = card.get("protocols") or {}, card.get("protocol")
        found["task"] = card
        found["protocol"] = {"name": picked, **(known.get(picked) or {})}
    return found
