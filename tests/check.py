"""The one command: format, lint, types, tests, the canary's score. Stops at the first failure."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BASELINE = ROOT / "results" / "baselines" / "canary.json"

INCONCLUSIVE = 4
"""The gate's exit code where there are too few questions for a verdict."""

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
        if code := do(words):
            return code
    with tempfile.TemporaryDirectory() as runs:
        evaluate = ["evalkit", "run", "-q", f"out={runs}", "name=canary"]
        gate = ["evalkit", "gate", f"{runs}/canary", "--baseline", str(BASELINE)]
        code = do(evaluate) or do([*gate, "--gate", "canary"])
    # On another processor a few replies may turn, and forty questions cannot say what that means.
    return 0 if code == INCONCLUSIVE else code


def do(words: list[str]) -> int:
    """Run a module with this interpreter; return its exit code."""
    print("$", " ".join(words), flush=True)
    return subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
