"""How long `evalkit import` takes with an xlsx of 5,000 rows, as a whole process.

    python tests/perf/import_xlsx.py

Prints seconds (the best of five). The file is drawn here: TextVQA-like rows of ten answers each, as
VLMEvalKit writes them, matched with their rows, scored anew, and written as a run.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROBE = "import sys; from evalkit.verbs.interop import import_; sys.exit(import_(sys.argv[1:]))"


def draw(folder: Path, count: int = 5000) -> None:
    """Write rows, and a spreadsheet with their questions, answers and replies."""
    from openpyxl import Workbook

    rng = random.Random(11)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    book = Workbook()
    book.active.append(["index", "question", "answer", "category", "image_path", "prediction"])

    def words(least: int, most: int) -> str:
        count = rng.randint(least, most)
        return " ".join("".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(count))

    with (folder / "rows.jsonl").open("w") as rows:
        for number in range(count):
            answers = [words(1, 3) for _ in range(3)]
            answers = [rng.choice(answers) for _ in range(10)]
            row = {"question_id": 34602 + number, "question": words(5, 12), "answers": answers}
            rows.write(json.dumps({**row, "image_id": f"{number // 2:016x}"}) + "\n")
            cells = [number, row["question"], str(answers), "text", f"{number}.jpg", answers[0]]
            book.active.append(cells)
    book.save(folder / "Some-Model_TextVQA_VAL.xlsx")


def main() -> None:
    """Print the figure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder)
        seconds = []
        for number in range(5):
            words = [str(folder / "Some-Model_TextVQA_VAL.xlsx"), "--rows", f"{folder}/rows.jsonl"]
            command = [sys.executable, "-c", PROBE, *words, "--out", f"{folder}/run{number}"]
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
    print(f"import of an xlsx of 5,000 rows: {min(seconds):.2f} s")


if __name__ == "__main__":
    main()
