"""Other harnesses' files, written here in their formats from rows and replies of any task."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from evalkit.config import benches
from evalkit.errors import EvalkitError
from evalkit.interop.importing import card_of
from evalkit.samples import samples
from evalkit.verbs import interop

DATASETS = {
    "docvqa": "DocVQA_VAL",
    "infovqa": "InfoVQA_VAL",
    "chartqa": "ChartQA_TEST",
    "textvqa": "TextVQA_VAL",
    "ocrbench": "OCRBench",
    "mmmu": "MMMU_DEV_VAL",
    "mathvista": "MathVista_MINI",
    "mmvet": "MMVet",
    "realworldqa": "RealWorldQA",
    "videomme": "Video-MME",
    "mvbench": "MVBench",
}
LMMS = {
    "docvqa": "docvqa_val",
    "infovqa": "infovqa_val",
    "textvqa": "textvqa_val",
    "mmmu": "mmmu_val",
    "mathvista": "mathvista_testmini_format",
}
ESCAPE = re.compile(r"(_x[0-9a-fA-F]{4}_)")
METRICS = {"docvqa": "anls", "infovqa": "anls", "chartqa": "relaxed_overall"}


@dataclass(frozen=True)
class Said:
    """A row with what a model answered."""

    number: int
    id: str
    row: Mapping[str, Any]
    question: str
    golds: tuple[str, ...]
    options: tuple[str, ...]
    text: str
    extraction: str | None = None
    judge: str | None = None
    score: float | None = None


def said_of(task: str, rows: str, replies: Mapping[str, Mapping[str, Any]]) -> list[Said]:
    """Return a task's rows with replies by id; rows without one are left out."""
    content = card_of(task) | {"protocol": "model_card"}
    (bench,) = benches({"tasks": {task: content}, "rows": rows, "data": "hub"})
    found = enumerate(samples(bench.task, bench.rows, None, with_media=False))
    return [
        Said(
            number,
            sample.id,
            row,
            sample.question,
            sample.answers,
            sample.options,
            reply["prediction"],
            reply.get("extraction"),
            reply.get("judge"),
            reply.get("score"),
        )
        for number, (row, sample) in found
        if (reply := replies.get(sample.id))
    ]


class Writers:
    """Writes files as other harnesses do."""

    @staticmethod
    def lmms_eval(folder: Path, task: str, said: Sequence[Said]) -> Path:
        """lmms-eval 0.7.3: samples and results, rows left out, equal replies once."""
        name = LMMS.get(task, task)
        lines = []
        for s in said:
            line: dict[str, Any] = {
                "doc_id": s.number,
                "target": str(list(s.golds)) if len(s.golds) != 1 else s.golds[0],
                "filtered_resps": s.text,
                "token_counts": [{"output_tokens": 3}],
                "doc_hash": hashlib.sha256(s.id.encode()).hexdigest(),
                "input": f"{s.question}\nAnswer the question using a single word or phrase.",
            }
            if task == "mathvista":
                nested = {"question_id": s.id, "extraction": s.extraction, "true_false": False}
                line["gpt_eval_score"] = nested
            elif task == "mmvet":
                nested = {"question_id": s.id, "score": float(s.judge or 0), "eval_model": "gpt"}
                line["gpt_eval_score"] = nested
            elif task in ("mmmu", "videomme"):
                key = "id" if task == "mmmu" else "question_id"
                line[f"{task}_acc"] = {key: s.id, "parsed_pred": [s.text]}
            elif s.score is not None:
                line[METRICS.get(task, "exact_match")] = s.score
            lines.append(line)
        path = folder / f"20260102_030405_samples_{name}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        results = {
            "results": {name: {"alias": name, "anls,none": 0.5, "anls_stderr,none": 0.1}},
            "configs": {name: {"task": name, "metadata": [{"version": 0.0}]}},
            "versions": {name: "Yaml"},
            "n-samples": {name: {"original": len(said), "effective": len(said)}},
            "config": {"model": "qwen2_vl", "model_args": "pretrained=org/their-model,use=1"},
            "git_hash": "0123abc",
            "transformers_version": "4.45.0",
            "model_name": "org/their-model",
        }
        (folder / "20260102_030405_results.json").write_text(json.dumps(results), "utf-8")
        return path

    @staticmethod
    def lm_eval(folder: Path, task: str, said: Sequence[Said]) -> Path:
        """lm-evaluation-harness 0.4.13: samples with their rows, one line a filter."""
        lines = []
        for s in said:
            for kind in ("none", "flexible"):
                prompt = f"<image>{s.question}\nAnswer:"
                line = {
                    "doc_id": s.number,
                    "doc": dict(s.row),
                    "target": str(list(s.golds)),
                    "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {"until": []}}},
                    "resps": [[s.text]],
                    "filtered_resps": [s.text.strip()],
                    "filter": kind,
                    "metrics": ["exact_match"],
                    "doc_hash": s.id,
                    "prompt_hash": "1",
                    "target_hash": "2",
                    "exact_match": 1.0 if s.score else 0.0,
                }
                lines.append(line)
        path = folder / f"samples_{LMMS.get(task, task)}_2026-01-02T03-04-05.678901.jsonl"
        path.write_text("".join(json.dumps(line, default=str) + "\n" for line in lines), "utf-8")
        return path

    @staticmethod
    def table(task: str, said: Sequence[Said], first: int = 0) -> list[dict[str, Any]]:
        """The rows of a file of VLMEvalKit's."""
        rows = []
        for s in said:
            index = s.row["index"] if task == "realworldqa" else s.number + first
            row: dict[str, Any] = {"index": index, "question": s.question}
            row |= dict(zip("ABCDEFGHIJ", s.options, strict=False))
            several = task in ("docvqa", "infovqa", "textvqa", "ocrbench")
            row["answer"] = str(list(s.golds)) if several else s.golds[0] if s.golds else None
            row["prediction"] = s.text
            if s.extraction is not None:
                row |= {"res": s.extraction, "log": "Prefetch succeed"}
            if s.judge is not None:
                row |= {"log": "Succeed", "score": float(s.judge)}
            if s.score is not None:
                row["hit"] = s.score
            rows.append(row)
        return rows

    @classmethod
    def vlmevalkit(
        cls, folder: Path, task: str, said: Sequence[Said], kind: str = "xlsx", first: int = 0
    ) -> Path:
        """VLMEvalKit: a table with ``index`` and ``prediction``."""
        rows = cls.table(task, said, first)
        path = folder / f"Their-Model_{DATASETS[task]}.{kind}"
        if kind == "json":
            path.write_text(json.dumps(rows, indent=4), "utf-8")
            return path
        header = list(dict.fromkeys(name for row in rows for name in row))
        cells = [header, *([row.get(name) for name in header] for row in rows)]
        if kind == "xlsx":
            return spreadsheet(path, cells)
        with path.open("w", encoding="utf-8", newline="") as file:
            delimiter = "\t" if kind == "tsv" else ","
            csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(cells)
        return path

    @staticmethod
    def inspect(folder: Path, task: str, said: Sequence[Said], packed: bool = False) -> Path:
        """inspect_ai 0.3.285: a JSON log, or the zip of its pieces."""
        log: dict[str, Any] = {
            "version": 2,
            "status": "success",
            "eval": {
                "created": "2026-01-02T03:04:05+00:00",
                "task": f"evals/{task}",
                "model": "openai/their-model",
                "dataset": {"name": task},
                "config": {"epochs": 1},
                "packages": {"inspect_ai": "0.3.285"},
            },
            "results": {"scores": [{"name": "match", "metrics": {"accuracy": {"value": 0.5}}}]},
        }
        pieces = []
        for s in said:
            content = [
                {"type": "image", "image": "attachment://1"},
                {"type": "text", "text": s.question},
            ]
            message = {"role": "assistant", "content": "attachment://2", "source": "generate"}
            piece = {
                "id": s.id,
                "epoch": 1,
                "input": [{"role": "user", "content": content}],
                "target": list(s.golds),
                "output": {"choices": [{"message": message, "stop_reason": "stop"}]},
                "scores": {"match": {"value": "C" if s.score else "I", "answer": s.text}},
                "attachments": {"1": "data:image/png;base64,AA==", "2": s.text},
            }
            pieces.append(piece)
        if not packed:
            path = folder / f"2026-01-02T03-04-05-00-00_{task}_abc.json"
            path.write_text(json.dumps({**log, "samples": pieces}), "utf-8")
            return path
        path = folder / f"2026-01-02T03-04-05-00-00_{task}_abc.eval"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("_journal/start.json", json.dumps({"version": 2, "eval": log["eval"]}))
            for piece in pieces:
                archive.writestr(f"samples/{piece['id']}_epoch_1.json", json.dumps(piece))
            archive.writestr("header.json", json.dumps(log))
        return path

    @staticmethod
    def rrc(folder: Path, task: str, said: Sequence[Said]) -> Path:
        """A submission to the Robust Reading Competition."""
        path = folder / "submission.json"
        path.write_text(json.dumps([{"questionId": int(s.id), "answer": s.text} for s in said]))
        return path

    @staticmethod
    def plain(folder: Path, task: str, said: Sequence[Said]) -> Path:
        """Lines of ours."""
        path = folder / "plain.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for s in said:
                line = {"id": s.id, "prediction": s.text}
                line |= {} if s.extraction is None else {"extraction": s.extraction}
                line |= {} if s.judge is None else {"judge": s.judge}
                file.write(json.dumps(line) + "\n")
        return path


def spreadsheet(path: Path, cells: Sequence[Sequence[Any]]) -> Path:
    """Write cells as xlsx, escaped as xlsxwriter escapes: what looks like an escape is one, too."""
    openpyxl = pytest.importorskip("openpyxl")
    from openpyxl.utils.escape import escape

    book = openpyxl.Workbook()
    for number, line in enumerate(cells, start=1):
        book.active.append(
            [escape(ESCAPE.sub(r"_x005F\1", c)) if isinstance(c, str) else c for c in line]
        )
        for column, cell in enumerate(line, start=1):
            if isinstance(cell, str) and cell.startswith("="):
                # VLMEvalKit of today writes no formulas.
                book.active.cell(row=number, column=column).data_type = "s"
    book.save(path)
    return path


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def writers() -> type[Writers]:
    """Functions that write files as other harnesses do."""
    return Writers


@pytest.fixture
def said() -> Callable[..., list[Said]]:
    """A function that puts rows and replies together."""
    return said_of


@pytest.fixture
def sheet() -> Callable[[Path, Sequence[Sequence[Any]]], Path]:
    """A function that writes cells as xlsx."""
    return spreadsheet


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """A function that runs a verb of a command line and says how it ended."""
    verbs = {"import": interop.import_, "export": interop.export}

    def call(verb: str, *words: object) -> Done:
        capsys.readouterr()
        try:
            code, error = verbs[verb]([str(word) for word in words]), ""
        except EvalkitError as found:
            code, error = found.exit_code, f"evalkit: {found}\n"
        said = capsys.readouterr()
        return Done(code, said.out, said.err + error)

    return call
