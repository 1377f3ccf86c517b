"""The verbs import and export."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from evalkit.verbs.parser import Parser

__all__ = ["export", "import_"]

IMPORT = """\
Make a run of another harness's file, which every verb accepts.

  evalkit import samples_docvqa_val_2026-01-01T10-00-00.jsonl --rows hub --out runs/theirs
  evalkit import Qwen2-VL-2B-Instruct_ChartQA_TEST.xlsx --rows chartqa.parquet --out runs/theirs
  evalkit import 20260101_100000_results.json --out runs/theirs

Read are sample logs and results of lmms-eval and lm-evaluation-harness, VLMEvalKit's xlsx, TSV, CSV
and JSON, inspect logs (JSON and .eval), RRC submissions, and lines of {"id", "prediction"}. With
--rows, answers are matched with rows, by id, row number or question, never where the questions
differ, and scored anew; the harness's own scores stay beside in original_scores.jsonl. Without it
they are taken as they are."""

EXPORT = """\
Write a run in another tool's format.

  evalkit export runs/mine --format lm_eval --out logs
  evalkit export runs/mine --format inspect --questions --out logs
  evalkit export runs/mine --format hf --out qwen2-vl-2b --source https://example.org/run

lm_eval, lmms_eval: results JSON and samples JSONL. inspect: a JSON log a task. hf: .eval_results of
a model's repository. model_index: metadata for a model card. rrc: a submission a task."""


def import_(words: list[str]) -> int:
    """Make a run of other harnesses' files."""
    parser = parser_of("import", IMPORT)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the run's folder")
    parser.add_argument("--task", metavar="TASK", help="the benchmark, where no file says it")
    about = "a file or folder of rows, builtin, or hub: score anew"
    parser.add_argument("--rows", metavar="ROWS", help=about)
    about = "whose cut and scorer apply (lmms-eval's own for its files, else model_card)"
    parser.add_argument("--protocol", metavar="NAME", help=about)
    parser.add_argument("--scorer", metavar="NAME", help="a scorer (the protocol's)")
    parser.add_argument("--limit", type=int, metavar="N", help="score the first N rows only")
    found = parser.parse_args(words)
    from evalkit.interop.importing import Wish, import_files
    from evalkit.outcome import display
    from evalkit.table import build

    wish = Wish(
        task=found.task,
        rows=found.rows,
        protocol=found.protocol,
        scorer=found.scorer,
        limit=found.limit,
    )
    run = import_files(found.files, found.out, wish)
    for warning in run.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    display(build({run.folder.name: run.summaries}))
    print("", *run.notes, f"run in {run.folder}", sep="\n")
    return 0


def export(words: list[str]) -> int:
    """Write a run in another tool's format."""
    from evalkit.interop.exporting import FORMATS, export_run

    parser = parser_of("export", EXPORT)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder")
    parser.add_argument("--format", required=True, choices=FORMATS)
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    about = "with questions, prompts and reference answers, read from the run's own rows"
    parser.add_argument("--questions", action="store_true", help=about)
    parser.add_argument(
        "--source", metavar="URL", help="where the run can be seen (hf, model_index)"
    )
    found = parser.parse_args(words)
    for path in export_run(found.run, found.format, found.out, found.questions, found.source):
        print(path)
    return 0


def parser_of(verb: str, text: str) -> Parser:
    """Return a verb's parser, whose description keeps its lines."""
    return Parser(
        prog=f"evalkit {verb}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
