"""Rows from local files and folders: every form, every refusal, and what is never read."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import subprocess
import sys
import tracemalloc
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from evalkit.data.quiet import quiet
from evalkit.data.rows import Rows
from evalkit.errors import DataError, UsageError

PICTURE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
Write = Callable[..., Path]


def rows_of(file: Path | str, **settings: Any) -> Rows:
    defaults = {"path": None, "config": None, "split": "test", "revision": None, "name": "docvqa"}
    return Rows(**{**defaults, "file": str(file), **settings})


def read(file: Path | str, *, name: str = "docvqa", **options: Any) -> list[dict[str, Any]]:
    return list(rows_of(file, name=name).read(**options))


@pytest.fixture
def jsonl(tmp_path: Path) -> Callable[..., Path]:
    def write(*lines: Any, name: str = "rows.jsonl") -> Path:
        path = tmp_path / name
        texts = [line if isinstance(line, (str, bytes)) else json.dumps(line) for line in lines]
        encoded = [text if isinstance(text, bytes) else text.encode() for text in texts]
        path.write_bytes(b"\n".join(encoded) + b"\n")
        return path

    return write


def write_table(path: Path, rows: Sequence[dict[str, Any]], **kinds: pa.DataType) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(list(rows), schema=pa.schema(kinds)), path)
    return path


def pictured(path: Path, count: int = 3, size: int = 40, **more: Any) -> Path:
    rows = [
        {"id": i, "image": {"bytes": bytes([i % 256]) * size, "path": f"{i}.png"}}
        for i in range(count)
    ]
    return write_table(path, rows, id=pa.int64(), image=PICTURE)


# JSONL


def test_only_a_newline_ends_a_line(jsonl: Write) -> None:
    text = "a\u2028b\u2029c\x85d"
    path = jsonl('\ufeff{"id": 1}', "", f'{{"id": 2, "q": "{text}"}}\r', "  ", '{"id": 3}')
    assert read(path) == [{"id": 1}, {"id": 2, "q": text}, {"id": 3}]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{'id': 2}", "not JSON in line 2 of"),
        ('{"id": 2', "not JSON in line 2 of"),
        ("[" * 100_000, "not JSON in line 2 of"),
        ("[1, 2]", "line 2 of .* is a list, not an object"),
        ("version https://git-lfs", "not JSON in line 2 of"),
        (b'{"id": "\xff"}', "not UTF-8"),
    ],
)
def test_broken_line_is_named(jsonl: Write, bad: str | bytes, message: str) -> None:
    path = jsonl({"id": 1}, bad)
    with pytest.raises(DataError, match=f"^docvqa: .*{message}") as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_missing_column_names_task_row_and_columns(jsonl: Write) -> None:
    path = jsonl({"id": 1, "answers": []}, {"id": 2, "answer": ""})
    with pytest.raises(DataError) as caught:
        read(path, required=("id", "answers"))
    assert str(caught.value) == (
        f"docvqa: row 1 of {path} has no column answers; its columns: id, answer"
    )
    with pytest.raises(DataError, match=r"^row 0 of .* has no column x, y; its columns: id"):
        read(path, name="", required=("x", "y"))


def test_media_columns_are_asked_for_only_with_media(jsonl: Write) -> None:
    path = jsonl({"id": 1})
    assert read(path, media=("image",), required=("image",), with_media=False) == [{"id": 1}]
    with pytest.raises(DataError, match="has no column image"):
        read(path, media=("image",), required=("image",))


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet", "rows.tsv", "rows.json"])
def test_no_rows_is_an_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith(".parquet"):
        write_table(path, [], id=pa.int64())
    else:
        path.write_text({"rows.tsv": "index\n", "rows.json": "[]"}.get(name, ""))
    with pytest.raises(DataError, match=f"^docvqa: there are no rows in {path}"):
        read(path)


def test_forms_of_a_picture_in_jsonl(jsonl: Write, tmp_path: Path) -> None:
    text = base64.b64encode(b"abc").decode()
    values = [
        "a/b.png",
        "/elsewhere/c.png",
        f"data:image/png;base64,{text}",
        {"bytes": text},
        {"bytes": text, "path": "name.png"},
        {"bytes": None, "path": "d.png"},
        {"bytes": None, "path": None},
        "",
        None,
        ["a.png", {"bytes": text}],
    ]
    path = jsonl(*({"image": value} for value in values))
    found = [row["image"] for row in read(path, media=("image",))]
    assert found == [
        {"bytes": None, "path": str(tmp_path / "a/b.png")},
        {"bytes": None, "path": "/elsewhere/c.png"},
        {"bytes": b"abc", "path": None},
        {"bytes": b"abc", "path": None},
        {"bytes": b"abc", "path": "name.png"},
        {"bytes": None, "path": str(tmp_path / "d.png")},
        None,
        None,
        None,
        [{"bytes": None, "path": str(tmp_path / "a.png")}, {"bytes": b"abc", "path": None}],
    ]
    assert read(path, media=("image",), with_media=False) == [{}] * len(values)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "holds int, not a picture's bytes or path"),
        ({"url": "x"}, "holds dict"),
        ({"bytes": "???"}, "holds text that is not base64: \\?"),
        ({"bytes": ""}, "holds no bytes"),
        ("data:image/png,abc", "holds a data: URL that is not base64"),
    ],
)
def test_what_is_no_picture_is_refused(jsonl: Write, value: Any, message: str) -> None:
    path = jsonl({"image": None}, {"image": value})
    with pytest.raises(DataError, match=f"^docvqa: row 1 of .*: column image {message}"):
        read(path, media=("image",))


def test_json_arrays_and_objects_under_json(jsonl: Write) -> None:
    held = [{"id": 1}, {"id": 2}]
    assert read(jsonl(held, name="array.json")) == held
    assert read(jsonl(*held, name="lines.json")) == held
    with pytest.raises(DataError, match=r"item 2 of .*bad\.json is a int"):
        read(jsonl([{"id": 1}, 2], name="bad.json"))


# Parquet


def test_parquet_rows_and_pictures(tmp_path: Path) -> None:
    found = read(pictured(tmp_path / "a.parquet"), media=("image",))
    assert found[2] == {"id": 2, "image": {"bytes": b"\2" * 40, "path": "2.png"}}
    assert len(found) == 3


def test_scoring_reads_no_byte_of_pictures(tmp_path: Path) -> None:
    path = pictured(tmp_path / "a.parquet", size=5000)
    data = bytearray(path.read_bytes())
    group = parquet.ParquetFile(path).metadata.row_group(0)
    for number in range(group.num_columns):
        column = group.column(number)
        if column.path_in_schema.startswith("image."):
            start = column.dictionary_page_offset or column.data_page_offset
            data[start : start + column.total_compressed_size] = b"\xff" * (
                column.total_compressed_size
            )
    path.write_bytes(data)
    assert read(path, media=("image",), with_media=False) == [{"id": i} for i in range(3)]
    assert read(path) == [{"id": i} for i in range(3)]
    with pytest.raises(DataError, match=r"cannot read it|broken parquet file"):
        read(path, media=("image",))


def test_columns_of_bytes_are_read_only_where_named(tmp_path: Path) -> None:
    row = {"id": 1, "raw": b"x", "pages": [{"bytes": b"y", "path": "p/1.png"}], "page": None}
    kinds = {"id": pa.int64(), "raw": pa.binary(), "pages": pa.list_(PICTURE), "page": PICTURE}
    path = write_table(tmp_path / "a.parquet", [row], **kinds)
    assert read(path) == [{"id": 1}]
    assert read(path, media=("pages", "page")) == [
        {"id": 1, "pages": [{"bytes": b"y", "path": "p/1.png"}], "page": None}
    ]
    assert read(path, media=("raw",)) == [{"id": 1, "raw": {"bytes": b"x", "path": None}}]


def test_picture_paths_in_parquet_start_at_its_folder(tmp_path: Path) -> None:
    row = {"image": {"bytes": None, "path": "images/1.png"}}
    path = write_table(tmp_path / "deep/a.parquet", [row], image=PICTURE)
    expected = {"bytes": None, "path": str(tmp_path / "deep/images/1.png")}
    assert read(path, media=("image",)) == [{"image": expected}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not parquet at all", "not a parquet file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "run git lfs pull"),
        (b"", "not a parquet file"),
    ],
)
def test_broken_parquet_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(path)


def test_git_lfs_pointer_of_jsonl_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0")
    with pytest.raises(DataError, match="run git lfs pull"):
        read(path)


def test_memory_does_not_grow_with_rows(tmp_path: Path, jsonl: Write) -> None:
    size = 20_000
    table = parquet.ParquetFile(pictured(tmp_path / "few.parquet", count=50, size=size)).read()
    path = tmp_path / "many.parquet"
    with parquet.ParquetWriter(path, table.schema) as writer:
        for _ in range(20):
            writer.write_table(table)
    del table
    before = pa.total_allocated_bytes()
    most = 0
    for row in rows_of(path).read(media=("image",)):
        assert len(row["image"]["bytes"]) == size
        most = max(most, pa.total_allocated_bytes() - before)
    assert 0 < most < 150 * size

    text = base64.b64encode(b"x" * size).decode()
    path = jsonl(*[{"image": {"bytes": text}}] * 400)
    tracemalloc.start()
    try:
        for row in rows_of(path).read(media=("image",)):
            assert len(row["image"]["bytes"]) == size
        assert tracemalloc.get_traced_memory()[1] < 20 * size
    finally:
        tracemalloc.stop()


def test_heavy_libraries_are_not_imported(tmp_path: Path, jsonl: Write) -> None:
    code = (
        "import sys\n"
        "from evalkit.data.rows import Rows\n"
        "for file in sys.argv[1:]:\n"
        "    rows = Rows(path=None, config=None, split='test', revision=None, file=file)\n"
        "    assert list(rows.read(media=['image'])) and rows.provenance()\n"
        "print([n for n in ('datasets', 'torch', 'pandas', 'huggingface_hub') if n in sys.modules])"
    )
    files = [str(jsonl({"id": 1})), str(pictured(tmp_path / "a.parquet"))]
    done = subprocess.run(
        [sys.executable, "-c", code, *files], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


# Files and folders


def test_home_and_relative_paths(
    tmp_path: Path, jsonl: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = jsonl({"image": "a.png"})
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for file in ("~/rows.jsonl", "rows.jsonl", "./x/../rows.jsonl"):
        found = read(file, media=("image",))
        assert found == [{"image": {"bytes": None, "path": str(tmp_path / "a.png")}}]
        assert rows_of(file).provenance().path == str(path)


def test_absent_and_unknown_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^docvqa: no such file or folder: .*nowhere"):
        read(tmp_path / "nowhere")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(DataError, match="holds no parquet, JSONL or JSON file"):
        read(tmp_path / "folder.jsonl")
    (tmp_path / "rows.xlsx").touch()
    with pytest.raises(UsageError, match=r"rows\.xlsx: not a kind of file with rows: \.parquet"):
        read(tmp_path / "rows.xlsx")
    with pytest.raises(UsageError, match=r"^no rows: set rows=FILE"):
        list(Rows(path=None, config=None, split="test", revision=None, file=None).read())


def test_saved_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    features = datasets.Features({"id": datasets.Value("int64"), "image": datasets.Image()})
    held = [{"id": i, "image": {"bytes": b"not a picture", "path": "a.png"}} for i in range(10)]
    with quiet():
        dataset = datasets.Dataset.from_list(held, features=features)
        dataset.save_to_disk(str(tmp_path / "one"), num_shards=2)
        both = datasets.DatasetDict(test=dataset.select([3]), train=dataset)
        both.save_to_disk(str(tmp_path / "both"))
    expected = {"bytes": b"not a picture", "path": "a.png"}
    assert read(tmp_path / "one", media=("image",))[9] == {"id": 9, "image": expected}
    assert read(tmp_path / "one", media=("image",), with_media=False) == [
        {"id": i} for i in range(10)
    ]
    assert [row["id"] for row in read(tmp_path / "both", media=("image",))] == [3]
    assert rows_of(tmp_path / "both").provenance().kind == "saved"
    with pytest.raises(UsageError, match=r"unknown split: tests\. Did you mean test"):
        list(rows_of(tmp_path / "both", split="tests").read())
    (tmp_path / "one/state.json").write_text("{}")
    with pytest.raises(DataError, match="broken save_to_disk folder"):
        read(tmp_path / "one")


def test_reading_may_stop_at_any_row(tmp_path: Path, jsonl: Write) -> None:
    files = [jsonl({"id": 0}, {"id": 1}), pictured(tmp_path / "a.parquet")]
    for file in files:
        rows = rows_of(file).read(media=("image",))
        assert next(rows)["id"] == 0
        rows.close()
        file.unlink()


def test_builtin_set_is_drawn() -> None:
    with_media = read("builtin", media=("image",))
    assert with_media[0]["image"]["bytes"].startswith(b"\x89PNG")
    without = read("builtin", media=("image",), with_media=False)
    assert len(without) == len(with_media)
    assert "image" not in without[0]
    provenance = rows_of("builtin").provenance()
    assert (provenance.kind, provenance.path) == ("builtin", "docvqa")


def test_provenance_of_files(tmp_path: Path, jsonl: Write) -> None:
    path = jsonl({"id": 1})
    provenance = rows_of(path).provenance()
    assert provenance.kind == "jsonl"
    assert provenance.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (provenance.revision, provenance.rows) == (None, None)

    shards = [tmp_path / f"set/test-0000{i}-of-00002.parquet" for i in (0, 1)]
    for count, shard in enumerate(shards, 2):
        pictured(shard, count=count)
    provenance = rows_of(tmp_path / "set").provenance()
    assert (provenance.kind, provenance.rows, provenance.split) == ("parquet", 5, "test")
    lines = [f"{s.name}\0{hashlib.sha256(s.read_bytes()).hexdigest()}\n" for s in shards]
    assert provenance.digest == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_quiet_gives_everything_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import utils

    logger = logging.getLogger("huggingface_hub")
    monkeypatch.setattr(logger, "level", logging.INFO)
    utils.enable_progress_bars()
    before = (utils.are_progress_bars_disabled(), logger.level, list(warnings.filters))

    def fail() -> None:
        with quiet():
            assert utils.are_progress_bars_disabled()
            assert not logger.isEnabledFor(logging.ERROR)
            warnings.warn("unheard", stacklevel=1)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (utils.are_progress_bars_disabled(), logger.level, list(warnings.filters)) == before


def test_real_rows(real: Path) -> None:
    assert len(list(rows_of(real / "rows/docvqa.jsonl").read(required=("questionId",)))) == 5349
    folder = real / "hub/lmms-lab/DocVQA"
    found = list(rows_of(folder, config="DocVQA", split="validation").read(media=("image",)))
    assert len(found) == 44
    assert found[0]["image"]["bytes"].startswith(b"\x89PNG")
    chart = rows_of(real / "hub/lmms-lab/ChartQA")
    assert chart.provenance().rows == len(list(chart.read())) == 80
