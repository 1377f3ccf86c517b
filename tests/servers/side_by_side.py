"""The same questions through several backends: a table of identical answers and token counts.

    python tests/servers/side_by_side.py CHECKPOINT [vllm=URL] [sglang=URL] [serve=URL] [ray=2]
    python tests/servers/side_by_side.py CHECKPOINT vllm=URL --tasks mvbench,videomme,videomme_subs

The first line is the checkpoint in this process. ``vllm``, ``sglang`` and ``serve`` are servers
that ``start_vllm.sh``, ``start_sglang.sh`` and ``start_transformers_serve.sh`` started with the
same checkpoint, and ``ray`` is a number of replicas.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path
from typing import Any

from evalkit.checks.asking import Replies, together
from evalkit.checks.questions import questions
from evalkit.checks.run import backend_of
from evalkit.compose import compose
from evalkit.run import run
from evalkit.store import response_from

TASKS = (
    "docvqa,infovqa,chartqa,textvqa,ocrbench,mmmu,mathvista,realworldqa,realworldqa_hub,mmvet_smoke"
)
"""Those with pictures: `transformers serve` takes no video without torchcodec."""

SPECIAL = re.compile(r"<\|[a-z_]+\|>|\ufffd+$")
"""Special tokens, which `transformers serve` leaves in a reply, and a character cut in its middle,
which vLLM leaves out: random weights write many, and a model that has learned to answer none."""


def served(url: str, checkpoint: str, kind: str) -> list[str]:
    """Return the overrides for a server."""
    name = checkpoint if kind == "serve" else "tiny"
    extra = ["model.extra.repetition_penalty=null"] if kind == "serve" else []
    return [
        "model=openai", f"model.model={name}", f"model.base_url={url}",
        f"model.reference={checkpoint}", "model.max_reply=8", "model.pixel_limits=false",
        "model.concurrency=4", *extra,
    ]  # fmt: skip


def asked(overrides: list[str], which: list[str]) -> Replies:
    """Return a backend's answers."""
    config = compose("check", [*which, *overrides])
    with backend_of(config["model"]) as backend:
        return together(backend, questions(config))


def through_ray(checkpoint: str, replicas: str, which: list[str]) -> Replies:
    """Return the answers of a run on Ray."""
    import json

    words = [
        *which, "data=builtin", f"model.path={checkpoint}", "engine=ray",
        f"engine.replicas={replicas}", "judge=none",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as out:
        folder = run(compose("run", [*words, f"out={out}"]), quiet=True).folder
        return {
            f"{file.parent.name}/{response.id}": response
            for file in sorted(Path(folder).glob("*/responses.jsonl"))
            for line in file.read_text("utf-8").splitlines()
            for response in [response_from(json.loads(line))]
        }


def row(name: str, ours: Replies, theirs: Replies) -> str:
    """Return one line of the table."""
    counts = texts = plain = 0
    for key, reply in ours.items():
        other: Any = theirs[key]
        counts += reply.prompt_tokens == other.prompt_tokens
        texts += reply.text == other.text
        plain += SPECIAL.sub("", reply.text or "") == SPECIAL.sub("", other.text or "")
    failed = sum(reply.text is None for reply in theirs.values())
    return f"{name:<14}{len(ours):>10}{failed:>8}{counts:>14}{texts:>11}{plain:>22}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint")
    parser.add_argument("others", nargs="*")
    parser.add_argument("--limit", type=int, default=12)
    parser.add_argument("--tasks", default=TASKS)
    found = parser.parse_args()
    which = [f"task=[{found.tasks}]", f"limit={found.limit}"]
    ours = asked([f"model.path={found.checkpoint}"], which)
    print("backend        questions  failed  same tokens  identical  less special and cut")
    print(row("transformers", ours, ours), flush=True)
    for other in found.others:
        kind, _, value = other.partition("=")
        if kind == "ray":
            theirs = through_ray(found.checkpoint, value, which)
        else:
            theirs = asked(served(value, found.checkpoint, kind), which)
        print(row(kind, ours, theirs), flush=True)


if __name__ == "__main__":
    main()
