"""Real servers with the built-in checkpoint: the same questions, the same prompts.

``pytest -m servers tests/servers`` makes each server's environment below EVALKIT_SERVERS (a folder;
the cache's own where it is not set) on the first call, which takes minutes and gigabytes.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from evalkit.canary.checkpoint import checkpoint

HERE = Path(__file__).parent
PATIENCE = 1200.0
"""Seconds until a server that does not answer counts as failed; the first call installs it."""


def environments() -> Path:
    """Return the folder of the servers' environments."""
    return Path(os.environ.get("EVALKIT_SERVERS", Path.home() / ".cache" / "evalkit" / "servers"))


@contextmanager
def started(name: str, folder: Path, log: Path) -> Iterator[str]:
    """Start a server with a checkpoint; give its address once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script, venv = HERE / f"start_{name}.sh", environments() / name
    venv.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [str(script), str(venv), str(folder), str(port)], stdout=out, stderr=out
        ) as process,
    ):
        try:
            wait(process, port, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until a server answers at all."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(2)
        else:
            return
    pytest.fail(f"the server did not start: {log.read_text('utf-8', 'replace')[-2000:]}")


@pytest.mark.servers
@pytest.mark.parametrize(
    ("name", "kind"), [("vllm", "vllm"), ("sglang", "sglang"), ("transformers_serve", "serve")]
)
def test_a_real_server_has_the_same_prompts(name: str, kind: str, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "checkpoint")
    with started(name, folder, tmp_path / "log") as url:
        done = subprocess.run(
            [sys.executable, str(HERE / "side_by_side.py"), str(folder), f"{kind}={url}"],
            env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    print(done.stdout)
    *_, line = done.stdout.splitlines()
    asked, failed, counts, _, plain = map(int, re.findall(r"\d+", line))
    assert (failed, counts) == (0, asked)
    assert plain >= 0.95 * asked, "kernels of other processors may turn a close call"
