"""How long `evalkit --help`, `evalkit list` and `evalkit score` take as whole processes.

    python tests/perf/startup.py

Prints seconds (the best of five), the ratio to an interpreter that starts and does nothing, and
which heavy libraries were imported. The predictions are drawn here: 5,349 DocVQA-like rows.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEAVY = ("torch", "transformers", "datasets", "hydra", "pandas", "scipy.stats")
PROBE = (
    "import sys; from evalkit.__main__ import main; code = main(sys.argv[1:]); "
    f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr); sys.exit(code)"
)


def best(words: list[str], times: int = 5) -> tuple[float, str]:
    """Return the shortest wall time of a command, and the last line of its standard error."""
    seconds, said = [], ""
    for _ in range(times):
        start = time.perf_counter()
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - start)
        said = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""
    return min(seconds), said


def draw(folder: Path, count: int = 5349) -> None:
    """Write rows and predictions: answers of a few words, a third of them with a slip."""
    rng = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"

    def word() -> str:
        return "".join(rng.choices(letters, k=rng.randint(2, 10)))

    with (folder / "rows.jsonl").open("w") as rows, (folder / "preds.jsonl").open("w") as preds:
        for number in range(count):
            answers = [" ".join(word() for _ in range(rng.randint(1, 4))) for _ in range(3)]
            row = {"questionId": str(number), "question": word() * 5, "answers": answers}
            row |= {"ucsf_document_id": str(number // 4), "ucsf_document_page_no": "1"}
            said = answers[0] if number % 3 else answers[0][1:] + word()
            rows.write(json.dumps(row) + "\n")
            preds.write(json.dumps({"id": str(number), "prediction": said}) + "\n")


def main() -> None:
    """Print the figures."""
    bare, _ = best([sys.executable, "-c", "pass"])
    print(f"interpreter alone: {bare:.3f} s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder)
        score = ["score", "task=docvqa", f"rows={folder}/rows.jsonl"]
        score += [f"predictions={folder}/preds.jsonl", f"out={folder}/out"]
        for title, words in (
            ("--help", ["--help"]),
            ("list", ["list"]),
            ("score, 5,349 rows", score),
        ):
            seconds, imported = best([sys.executable, "-c", PROBE, *words])
            ratio = seconds / bare
            print(f"evalkit {title}: {seconds:.3f} s, {ratio:.1f} x bare, imported {imported}")


if __name__ == "__main__":
    main()
