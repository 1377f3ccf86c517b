"""What the harness costs on top of the model.

    python tests/perf/overhead.py [--quick]

First, a backend that answers each request after 50 ms, 64 at a time, is asked 2,000 questions with
pictures, through everything that a run does: rows from parquet, plan, score, file. Prints the rate
as a share of the ideal one. Second, a Qwen2-VL of about 85 million parameters is asked four
questions a picture: prints the share of the wall time that is spent outside its forward passes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from evalkit.types import Request, Response

LATENCY, CONCURRENCY = 0.05, 64


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Answers each request after a while, many at a time."""

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"model": "latency"}

    @property
    def facts(self) -> Mapping[str, Any]:
        return {"backend": "latency"}

    def __enter__(self) -> Latency:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def generate(self, groups: Iterable[Sequence[Request]]) -> Iterator[Response]:
        """Yield each answer as it comes."""
        done: SimpleQueue[Response] = SimpleQueue()
        flying = 0
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            for request in (request for group in groups for request in group):
                pool.submit(lambda asked: done.put(answer(asked)), request)
                flying += 1
                if flying == CONCURRENCY:
                    yield done.get()
                    flying -= 1
            for _ in range(flying):
                yield done.get()


def answer(request: Request) -> Response:
    time.sleep(LATENCY)
    return Response(
        id=request.id,
        text="an answer of some words",
        finish_reason="stop",
        prompt_tokens=1300,
        completion_tokens=6,
        seconds=LATENCY,
        digests={"prompt": "0" * 32, "generation": "1" * 32},
    )


def rows(folder: Path, count: int) -> None:
    """Write ChartQA-like parquet shards with pictures of about 50 kB, two questions on each."""
    import io

    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    rng = np.random.RandomState(1)
    pictures = []
    for _ in range(count // 2):
        file = io.BytesIO()
        Image.fromarray(rng.randint(0, 255, (128, 128, 3), np.uint8)).save(file, "PNG")
        pictures.append({"bytes": file.getvalue(), "path": None})
    table = pa.table(
        {
            "type": ["human_test"] * count,
            "question": [f"How many bars has chart {i}?" for i in range(count)],
            "answer": [str(i % 7) for i in range(count)],
            "image": [pictures[i // 2] for i in range(count)],
        }
    )
    folder.mkdir()
    pq.write_table(table, folder / "test-00000.parquet", row_group_size=100)


def rate(count: int) -> tuple[float, float]:
    """Return the seconds that so many answers take, and the least that they could."""
    from evalkit.asking import answer as answer_all
    from evalkit.compose import compose
    from evalkit.config import benches
    from evalkit.engines.local import LocalEngine

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows(folder / "rows", count)
        config = compose("run", ["task=chartqa", f"rows={folder}/rows"])
        [bench] = benches(config)
        start = time.perf_counter()
        answer_all(folder, config, bench, count, Latency(), LocalEngine(), True)
        seconds = time.perf_counter() - start
        assert len((folder / "chartqa" / "responses.jsonl").read_bytes().splitlines()) == count
    return seconds, -(-count // CONCURRENCY) * LATENCY
