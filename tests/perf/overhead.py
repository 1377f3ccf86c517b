"""What the harness costs on top of the model.

    python tests/perf/overhead.py [--quick]

First, a backend that answers each request after 50 ms, 64 at a time, is asked 2,000 questions with
pictures, through everything that a run does: rows from parquet, plan, score, file. Prints the rate
as a share of the ideal one. Second, a Qwen2-VL of about 85 million parameters is asked four
questions a picture: prints the share of the wall time that is spent outside its forward passes.
"""

from __future__ import annotations

import argparse
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
        asked = {bench.task.name: count}
        answer_all(folder, config, [bench], asked, Latency(), LocalEngine(), True, plans={})
        seconds = time.perf_counter() - start
        assert len((folder / "chartqa" / "responses.jsonl").read_bytes().splitlines()) == count
    return seconds, -(-count // CONCURRENCY) * LATENCY


def forward_share(size: str, pictures: int) -> tuple[float, float]:
    """Return the wall seconds of a run of a model, and those that its forward passes took."""
    from sharing import SIDE, asked, opened, picture

    from evalkit.engines.local import LocalEngine
    from evalkit.engines.plan import Ask
    from evalkit.types import Record, Sample

    spent = 0.0

    def clocked(forward: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any, **named: Any) -> Any:
            nonlocal spent
            start = time.perf_counter()
            try:
                return forward(*given, **named)
            finally:
                spent += time.perf_counter() - start

        return timed

    def mark(ask: Ask, response: Response) -> Record:
        return Record(id=ask.sample.id, score=0.0, status="ok")

    groups = asked([picture(n, SIDE[size]) for n in range(pictures)], 4)
    pending = [
        Ask(
            sample=Sample(id=request.id, question="?"),
            request=request,
            key=request.id,
            digests={"row": "", "media": request.id.split("-")[0]},
        )
        for request in (request for group in groups for request in group)
    ]
    with opened(size, "shared") as backend:
        model = backend._held[0].model
        list(backend.generate(groups[:1]))
        for part in (model.model.visual, model.model.language_model, model.lm_head):
            part.forward = clocked(part.forward)
        start = time.perf_counter()
        LocalEngine().evaluate(iter(pending), backend, mark, lambda *_: None)
        return time.perf_counter() - start, spent


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer requests and a smaller model")
    parser.add_argument("--pictures", type=int, default=6, help="how many the model is shown")
    words = parser.parse_args()
    count = 500 if words.quick else 2000
    rate(CONCURRENCY)
    seconds, ideal = min(rate(count) for _ in range(3))
    print(
        f"{count} answers of {1000 * LATENCY:.0f} ms, {CONCURRENCY} at a time: {seconds:.2f} s, "
        f"{100 * ideal / seconds:.1f} % of the ideal rate"
    )
    wall, forward = forward_share("quick" if words.quick else "full", words.pictures)
    print(
        f"four questions on each of {words.pictures} pictures: {wall:.1f} s, "
        f"{100 * (1 - forward / wall):.1f} % of it outside the model's forward passes"
    )


if __name__ == "__main__":
    main()
