"""The show verb: what would be asked, one JSON line a row, without asking it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evalkit.chat import describe
from evalkit.config import benches
from evalkit.files import dump_json
from evalkit.samples import samples

__all__ = ["show"]


def show(config: dict[str, Any]) -> Iterator[str]:
    """Yield one JSON line a row: message parts, chat string, limits, what the protocol cuts."""
    for bench in benches(config):
        task, protocol = bench.task, bench.task.protocol
        for _, sample in samples(task, bench.rows, config["limit"], with_media=False):
            yield dump_json(
                {
                    **describe(task.request(sample)),
                    "task": task.name,
                    "protocol": protocol.name,
                    "until": list(protocol.until),
                    "scorer": task.scorer,
                    "answers": list(sample.answers),
                }
            )
