"""What replicas on Ray bring, with a backend that only waits, and what a lost one costs.

``python tests/perf/ray_scaling.py`` prints three figures with their limits; the exit code is 1 when
one is missed.

1. Two replicas against one: at least 1.9 times.
2. 32 replicas against one: at least 28 times.
3. A replica killed every ten seconds: no answer lost, none twice.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ECHO = HERE.parent / "engines"
sys.path.insert(0, str(ECHO))
os.environ |= {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "PYTHONPATH": f"{ECHO}:{HERE.parents[1]}",
}

import ray  # noqa: E402 - the environment comes first

from evalkit.engines.plan import Ask  # noqa: E402
from evalkit.engines.ray import RayEngine  # noqa: E402
from evalkit.types import Pixels, Record, Request, Response, Sample  # noqa: E402

SECONDS = 0.25


def asks(count: int) -> list[Ask]:
    """Return questions, each on media of its own."""
    pixels = Pixels(min_pixels=3136, max_pixels=1003520)
    return [
        Ask(
            sample=Sample(id=str(n), question="q"),
            request=Request(id=str(n), parts=(f"q{n}",), pixels=pixels, max_new_tokens=8),
            key=str(n),
            digests={"row": "", "media": str(n)},
        )
        for n in range(count)
    ]


def timed(replicas: int, count: int, model: Mapping[str, Any], kill: bool = False) -> float:
    """Return the seconds that all answers took, loading left out, after checking that all came."""
    given, kept = asks(count), list[str]()
    spec = {"_target_": "echo_backend.Echo", "name": "echo", "seconds": SECONDS, **model}

    def keep(response: Response, record: Record) -> None:
        assert response.error is None
        kept.append(response.id)

    def mark(ask: Ask, response: Response) -> Record:
        return Record(id=ask.sample.id, score=1.0, status="ok")

    over = threading.Event()
    with RayEngine(replicas=replicas, cpus=0.01, batch=2).open({"model": spec}) as crew:
        pool = crew.pool  # type: ignore[attr-defined]
        places = [replica.introduce.remote() for replica in pool._replicas]
        ray.get(places)
        start = time.perf_counter()
        killer = threading.Thread(target=killing, args=(pool, over), daemon=True)
        if kill:
            killer.start()
        crew.evaluate(given, crew.backend(None), mark, keep)  # type: ignore[arg-type]
        seconds = time.perf_counter() - start
        over.set()
    assert sorted(kept, key=int) == [ask.request.id for ask in given], "lost, or twice"
    return seconds


def killing(pool: Any, over: threading.Event) -> None:
    """Kill a replica every ten seconds."""
    generator = random.Random(0)
    while not over.wait(10.0):
        replica = generator.choice(pool._replicas)
        _, facts = ray.get(replica.introduce.remote())
        print(f"killing {facts['process']}", flush=True)
        os.kill(facts["process"], signal.SIGKILL)


def main() -> int:
    """Print the figures."""
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    one = timed(1, 40, {}) / 40
    two = timed(2, 80, {}) / 80
    many = timed(32, 1280, {}) / 1280
    missed = (one / two < 1.9) + (one / many < 28)
    print(f"two replicas: {one / two:.2f} times one (limit 1.9)")
    print(f"32 replicas: {one / many:.1f} times one (limit 28)")
    seconds = timed(4, 600, {}, kill=True)
    print(f"a replica killed every ten seconds: 600 answers in {seconds:.0f} s, each once")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
