"""The one command: format, lint, types, tests. Stops at the first that fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

STEPS = (
    ("ruff", "format", "--check", "."),
    ("ruff", "check", "."),
    ("mypy",),
    ("pytest", "-q", "-n", "2", "--dist", "loadfile"),
)


def main(extra: list[str]) -> int:
    """Run every step; further words go to pytest."""
    for step in STEPS:
        words = [*step, *extra] if step[0] == "pytest" else list(step)
        print("$", " ".join(words), flush=True)
        code = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
