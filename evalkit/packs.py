"""Which packages hold config groups: ours, and those of installed packs."""

from __future__ import annotations

from importlib.metadata import entry_points

__all__ = ["CONF", "conf_packages"]

CONF = "evalkit_conf"
"""The installed name of the ``conf`` folder."""


def conf_packages() -> list[str]:
    """Return ours, then what installed packs name in the entry point group ``evalkit.conf``."""
    return [CONF, *sorted(point.value for point in entry_points(group="evalkit.conf"))]
