"""Dataset repositories as the Hub holds them: true layouts, columns and types, made-up rows."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from struct import pack
from typing import Any

import pyarrow as pa
from pyarrow import parquet

TEXT, INT, WIDE = pa.string(), pa.int32(), pa.int64()
TEXTS = pa.list_(pa.string())
PICTURE = pa.struct({"bytes": pa.binary(), "path": pa.string()})

DOCVQA: dict[str, pa.DataType] = {
    "questionId": TEXT,
    "question": TEXT,
    "question_types": TEXTS,
    "image": PICTURE,
    "docId": WIDE,
    "ucsf_document_id": TEXT,
    "ucsf_document_page_no": TEXT,
    "answers": TEXTS,
    "data_split": TEXT,
}
INFOVQA: dict[str, pa.DataType] = {
    "questionId": TEXT,
    "question": TEXT,
    "answers": TEXTS,
    "answer_type": TEXTS,
    "image": PICTURE,
    "image_url": TEXT,
    "operation/reasoning": TEXTS,
    "ocr": TEXT,
    "data_split": TEXT,
}
CHARTQA: dict[str, pa.DataType] = {
    "type": TEXT,
    "question": TEXT,
    "answer": TEXT,
    "image": PICTURE,
}
TEXTVQA: dict[str, pa.DataType] = {
    "image_id": TEXT,
    "question_id": INT,
    "question": TEXT,
    "question_tokens": TEXTS,
    "image": PICTURE,
    "image_width": INT,
    "image_height": INT,
    "flickr_original_url": TEXT,
    "flickr_300k_url": TEXT,
    "answers": TEXTS,
    "image_classes": TEXTS,
    "set_name": TEXT,
    "ocr_tokens": TEXTS,
}
OCRBENCH: dict[str, pa.DataType] = {
    "dataset": TEXT,
    "question": TEXT,
    "question_type": TEXT,
    "answer": TEXTS,
    "image": PICTURE,
}


def png(shade: int, side: int = 8) -> bytes:
    """Return a small grey picture as PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    lines = (b"\0" + bytes([shade % 256]) * side) * side
    head = pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


def rows(columns: Mapping[str, pa.DataType], start: int, count: int) -> list[dict[str, Any]]:
    """Return rows that fill every column with something told by the row's number."""
    made = {
        TEXT: lambda name, i: f"{name} {i} ‘ä’\u2028x",
        INT: lambda name, i: i,
        WIDE: lambda name, i: i + 2**40,
        TEXTS: lambda name, i: [f"{name} {i} {k}" for k in range(i % 3)],
        PICTURE: lambda name, i: {"bytes": png(i), "path": f"{i}.png"},
    }
    return [
        {name: made[kind](name, i) for name, kind in columns.items()}
        for i in range(start, start + count)
    ]


def write_parquet(path: Path, columns: Mapping[str, pa.DataType], held: Sequence[Any]) -> None:
    """Write a parquet file with the note of features that ``datasets`` leaves in one."""
    features = {
        name: {"_type": "Image"}
        if kind == PICTURE
        else {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"}
        if kind == TEXTS
        else {"dtype": str(kind), "_type": "Value"}
        for name, kind in columns.items()
    }
    note = json.dumps({"info": {"features": features}})
    schema = pa.schema(list(columns.items()), metadata={"huggingface": note})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(list(held), schema=schema), path, row_group_size=4)


def card(configs: Mapping[str, Mapping[str, str] | str]) -> str:
    """Return a README with a ``configs`` block: patterns by split, or one for all, by config."""
    lines = ["---", "license: apache-2.0", "configs:"]
    for config, files in configs.items():
        lines.append(f"- config_name: {config}")
        if isinstance(files, str):
            lines.append(f"  data_files: {files}")
            continue
        lines.append("  data_files:")
        for split, pattern in files.items():
            lines += [f"  - split: {split}", f"    path: {pattern}"]
    return "\n".join([*lines, "---", "# A dataset", ""])


def write_all(root: Path) -> None:
    """Write every repository below a folder, as ``<root>/<owner>/<name>``."""
    docvqa = root / "lmms-lab/DocVQA"
    for part in (0, 1):
        shard = docvqa / f"DocVQA/validation-0000{part}-of-00002.parquet"
        write_parquet(shard, DOCVQA, rows(DOCVQA, 10 * part, 10))
    write_parquet(docvqa / "DocVQA/test-00000-of-00001.parquet", DOCVQA, rows(DOCVQA, 50, 3))
    info = docvqa / "InfographicVQA/validation-00000-of-00001.parquet"
    write_parquet(info, INFOVQA, rows(INFOVQA, 70, 5))
    configs = {
        "DocVQA": {"validation": "DocVQA/validation-*", "test": "DocVQA/test-*"},
        "InfographicVQA": {"validation": "InfographicVQA/validation-*"},
    }
    (docvqa / "README.md").write_text(card(configs), "utf-8")

    for name, columns, split in (
        ("lmms-lab/ChartQA", CHARTQA, "test"),
        ("lmms-lab/textvqa", TEXTVQA, "validation"),
        ("echo840/OCRBench", OCRBENCH, "test"),
        ("someone/Gated", CHARTQA, "test"),
    ):
        shard = root / name / f"data/{split}-00000-of-00001.parquet"
        write_parquet(shard, columns, rows(columns, 0, 6))
        text = card({"default": {split: f"data/{split}-*"}})
        if name == "echo840/OCRBench":
            text = "# No front matter: splits are told by file names\n"
        (root / name / "README.md").write_text(text, "utf-8")

    mvbench = root / "OpenGVLab/MVBench"
    (mvbench / "json").mkdir(parents=True)
    for task in ("action_antonym", "state_change"):
        held = [{"video": f"{task}{i}.mp4", "question": "?", "candidates": ["a"]} for i in (0, 1)]
        (mvbench / f"json/{task}.json").write_text(json.dumps(held), "utf-8")
    tasks = {task: f"json/{task}.json" for task in ("action_antonym", "state_change")}
    (mvbench / "README.md").write_text(card(tasks), "utf-8")
