"""Peak memory of a run over 200 and over 20,000 rows with pictures.

    python tests/perf/memory.py [rows]

The rows are parquet with embedded pictures of about 50 kB; a replay backend answers, so that what
is measured is the harness. Prints the peaks and their ratio.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

# VmHWM and not ru_maxrss: the latter counts the parent that the process was forked from.
PROBE = (
    "import re, sys; from evalkit.__main__ import main; code = main(sys.argv[1:]); "
    "status = open('/proc/self/status').read(); "
    "print(re.search(r'VmHWM:\\s+(\\d+)', status)[1], file=sys.stderr); sys.exit(code)"
)


def draw(folder: Path, count: int) -> None:
    """Write ChartQA-like parquet shards and a prediction for every row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = random.Random(1)
    folder.mkdir()
    with (folder / "answers.jsonl").open("w") as answers:
        for start in range(0, count, 1000):
            size = min(1000, count - start)
            pictures = [{"bytes": rng.randbytes(50_000), "path": None} for _ in range(size)]
            table = pa.table(
                {
                    "type": ["human_test"] * size,
                    "question": [f"How many bars has chart {start + i}?" for i in range(size)],
                    "answer": [str(i % 7) for i in range(size)],
                    "image": pictures,
                }
            )
            pq.write_table(table, folder / f"test-{start:05d}.parquet", row_group_size=100)
            for i in range(start, start + size):
                answers.write(json.dumps({"id": str(i), "prediction": str(i % 5)}) + "\n")


def peak(folder: Path) -> int:
    """Return the peak resident memory of a run, in kB."""
    words = ["run", "-q", "task=chartqa", "model=replay", f"rows={folder}", f"out={folder}/runs"]
    words += [f"model.answers={folder}/answers.jsonl"]
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return int(done.stderr.strip().splitlines()[-1])


def main() -> None:
    """Print the figures."""
    large = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as name:
        peaks = {}
        for count in (200, large):
            folder = Path(name) / str(count)
            draw(folder, count)
            peaks[count] = peak(folder)
            print(f"{count} rows: peak {peaks[count] / 1024:.0f} MiB")
        print(f"ratio: {peaks[large] / peaks[200]:.2f}")


if __name__ == "__main__":
    main()
