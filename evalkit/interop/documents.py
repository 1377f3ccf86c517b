"""Whole documents of ours and of other tools, as text: JSON and YAML."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["json_text", "load_json", "load_yaml", "yaml_text"]


def json_text(value: Any) -> str:
    """Return a JSON document, characters as they are unless one is half a surrogate pair."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=1)
    return text + "\n"


def yaml_text(value: Any) -> str:
    """Return a YAML document, keys in their own order."""
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100))


def load_json(path: Path) -> dict[str, Any]:
    """Return the mapping of a file of ours, or an empty one where there is no file."""
    return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}


def load_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping of a file of ours, or an empty one where there is no file."""
    import yaml

    if not path.is_file():
        return {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return dict(yaml.load(path.read_text("utf-8"), Loader=loader) or {})
