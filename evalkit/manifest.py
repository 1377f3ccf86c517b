"""What a run was made with: everything beside the config that can change a number."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from evalkit.versions import versions

__all__ = ["git_state", "manifest", "now"]


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return the commit of a working tree and whether it has changes; ``None`` outside one."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *words],
            check=True,
            capture_output=True,
            text=True,
            timeout=10,
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def manifest(
    *, model: str, identity: Mapping[str, Any], facts: Mapping[str, Any], data: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the manifest of a run that starts now.

    Args:
        model: the model's name in the config.
        identity: what makes the backend's answers comparable.
        facts: what else the backend reports.
        data: by task, where its rows come from and at which revision.
    """
    return {
        "started": now(),
        "finished": None,
        "argv": sys.argv[1:],
        "model": model,
        "identity": dict(identity),
        "backend": dict(facts),
        "data": dict(data),
        "versions": versions(),
        "machine": {
            "system": platform.platform(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
        },
        "git": git_state(Path.cwd()),
        "tasks": {},
    }
