"""Which files of a folder hold a split: by their names, or by the card of a repository's copy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from evalkit.data.layout import card_configs, select
from evalkit.data.rows import Rows
from evalkit.errors import DataError, UsageError


def rows_of(file: Path, config: str | Sequence[str] | None = None, split: str = "test") -> Rows:
    return Rows(path=None, config=config, split=split, revision=None, file=str(file))


def read(file: Path) -> list[dict[str, Any]]:
    return list(rows_of(file).read())


def write_table(path: Path, ids: Sequence[str] = ("x",)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table({"id": list(ids)}), path)
    return path


@pytest.mark.parametrize(
    "names",
    [
        ["DocVQA/test-00000-of-00002.parquet", "DocVQA/test-00001-of-00002.parquet"],
        ["data/test-00000-of-00001-0123abcd.parquet"],
        ["test-00000-of-00001.parquet", "train-00000-of-00001.parquet"],
        ["test.parquet", "validation.parquet"],
        ["test/0000.parquet", "test/0001.parquet", "train/0000.parquet"],
        ["DocVQA/test/0000.parquet", "DocVQA/train/0000.parquet"],
        ["part-0.parquet", "part-1.parquet"],
        ["DocVQA/a.parquet", "DocVQA/b.parquet", "InfographicVQA/a.parquet"],
    ],
)
def test_folder_layouts(tmp_path: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        write_table(tmp_path / name, [f"{name} {number}"])
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/test-00000-of-00001.parquet").touch()
    wanted = [
        n for n in names if not n.startswith(("train", "valid", "Info")) and "/train" not in n
    ]
    found = list(rows_of(tmp_path, config="DocVQA").read())
    assert [row["id"].split()[0] for row in found] == wanted


def test_folder_tells_what_it_holds(tmp_path: Path) -> None:
    for name in ("DocVQA/validation-00000-of-00001", "DocVQA/test-00000-of-00001"):
        write_table(tmp_path / f"{name}.parquet")
    for settings, message in (
        (
            {"config": "DocVQA", "split": "tst"},
            "unknown split: tst. Did you mean test\\? Known: te",
        ),
        ({"config": "docvqa"}, "unknown config: docvqa. .*Known: DocVQA"),
        ({"config": None}, "has configs: set rows.config to one of DocVQA"),
    ):
        with pytest.raises(UsageError, match=message):
            list(rows_of(tmp_path, **settings).read())
    (tmp_path / "tasks").mkdir()
    for name in ("chartqa", "docvqa"):
        (tmp_path / f"tasks/{name}.jsonl").write_text('{"id": 1}')
    with pytest.raises(UsageError, match=r"unknown split: test\. Known: chartqa, docvqa"):
        read(tmp_path / "tasks")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no parquet, JSONL or JSON file"):
        read(tmp_path / "empty")


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["test-00000-of-00003", "test-00002-of-00003"], "2 files where their names say 3"),
        (["test-00000-of-00001", "test-00000-of-00002", "test-00001-of-00002"], "say 1 or 2"),
    ],
)
def test_missing_and_left_over_shards_are_refused(
    tmp_path: Path, names: list[str], wanted: str
) -> None:
    for name in names:
        write_table(tmp_path / f"{name}.parquet")
    with pytest.raises(DataError, match=wanted):
        read(tmp_path)


def test_several_configs_of_a_folder(tmp_path: Path) -> None:
    for config in ("Math", "Art"):
        write_table(tmp_path / f"{config}/test-0.parquet", [config])
    found = list(rows_of(tmp_path, config=["Math", "Art"]).read())
    assert found == [{"id": "Math", "config": "Math"}, {"id": "Art", "config": "Art"}]
    assert rows_of(tmp_path, config=["Math", "Art"]).provenance().config == ("Math", "Art")
    flat = write_table(tmp_path / "flat/test-0.parquet", ["all"])
    assert list(rows_of(flat.parent, config=["Math", "Art"]).read()) == [{"id": "all"}]


def test_copy_of_a_repository_is_read_by_its_card(tmp_path: Path) -> None:
    (tmp_path / "json").mkdir()
    (tmp_path / "json/a.json").write_text('[{"id": "a"}]')
    (tmp_path / "json/b.json").write_text('[{"id": "b"}]')
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: a\n  data_files: json/a.json\n"
        "- config_name: b\n  data_files:\n  - split: train\n    path: [json/b.json]\n"
        "  - split: test\n    path: json/c*\n---\n"
    )
    assert list(rows_of(tmp_path, config="b", split="train").read()) == [{"id": "b"}]
    with pytest.raises(UsageError, match=r"has several configs: set rows\.config to one of a, b"):
        list(rows_of(tmp_path, split="train").read())
    with pytest.raises(DataError, match=r"none of the files that its README\.md names for test"):
        list(rows_of(tmp_path, config="b").read())
    (tmp_path / "README.md").write_text("---\nconfigs: [a\n---\n")
    with pytest.raises(DataError, match=r"cannot read the configs in README\.md"):
        list(rows_of(tmp_path, config="b").read())


def test_patterns_of_a_card() -> None:
    names = [
        "data/x/test-1.jsonl",
        "data/test-0.jsonl",
        "data/test-0.parquet",
        "data/up/deep/t.json",
    ]
    text = "---\nconfigs:\n- config_name: default\n  data_dir: data\n  data_files:\n{}---\n"
    for pattern, found in (
        ("test-*", ["data/test-0.parquet"]),
        ("**/t*.json*", ["data/test-0.jsonl", "data/x/test-1.jsonl"]),
        ("**", ["data/test-0.parquet"]),
        ("up/**/t.json", ["data/up/deep/t.json"]),
        ("*/test-1.*", ["data/x/test-1.jsonl"]),
    ):
        configs = card_configs(text.format(f'  - split: test\n    path: "{pattern}"\n'), "x")
        assert select(names, configs, None, "test", "x") == found
    assert card_configs("no front matter\n---\nconfigs: 3\n---\n", "x") == {}
