"""Train the canary and write its weights.

    python -m evalkit.canary.training FOLDER [--steps N]

It takes 70 to 90 minutes on two cores: 1.1 to 1.4 seconds a step, 5 to 8 where pictures are shown
whole. ``FOLDER`` gets a checkpoint, to be tried with ``evalkit run model.path=FOLDER``, whose
weights are written anew every 300 steps. Its ``model.safetensors`` is what the package holds as
``evalkit/canary/canary.safetensors``.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from torch.multiprocessing import spawn  # type: ignore[attr-defined]

from evalkit.canary.checkpoint import CANARY, architecture, write_checkpoint
from evalkit.canary.training.loop import Plan
from evalkit.canary.training.process import work


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=Plan().steps)
    parser.add_argument("--whole", type=int, default=Plan().whole)
    parser.add_argument("--processes", type=int, default=Plan().processes)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    words = parser.parse_args()
    words.folder.mkdir(parents=True, exist_ok=True)
    config = architecture(**CANARY)
    write_checkpoint(words.folder, config, 0)
    plan = Plan(steps=words.steps, whole=words.whole, processes=words.processes)
    with tempfile.TemporaryDirectory() as meeting:
        given = (config, words.folder, words.start, plan, f"{meeting}/met")
        spawn(work, given, plan.processes)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
