"""Rows from a hub on loopback, by the real client, and beside ``datasets`` itself."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def load(name: str) -> ModuleType:
    """Import a helper that stands beside this file."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


hub_server = load("hub_server")
repositories = load("repositories")

SHARED = """
import hashlib, json, sys
def plain(value):
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, dict):
        return {name: plain(held) for name, held in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value
jobs = json.load(sys.stdin)
"""

EVALKIT = (
    SHARED
    + """
import dataclasses, logging
from evalkit.data.rows import Rows
from evalkit.errors import EvalkitError
from huggingface_hub.utils import are_progress_bars_disabled
out = []
for job in jobs:
    before = are_progress_bars_disabled(), logging.getLogger("huggingface_hub").level
    options = job.pop("read", {"media": ["image"]})
    rows = Rows(**{"config": None, "revision": None, "file": None, "name": "docvqa", **job})
    try:
        found = {"rows": [plain(row) for row in rows.read(**options)],
                 "provenance": dataclasses.asdict(rows.provenance())}
    except EvalkitError as error:
        found = {"error": str(error), "exit": error.exit_code}
    assert before == (are_progress_bars_disabled(), logging.getLogger("huggingface_hub").level)
    out.append(found)
heavy = [name for name in ("datasets", "torch", "pandas") if name in sys.modules]
print(json.dumps({"out": out, "heavy": heavy}))
"""
)

DATASETS = (
    SHARED
    + """
import datasets
out = []
for job in jobs:
    builder = datasets.load_dataset_builder(job["path"], job.get("config"))
    builder.download_and_prepare()
    rows = builder.as_dataset(split=job["split"])
    if "image" in rows.features:
        rows = rows.cast_column("image", datasets.Image(decode=False))
    out.append({"rows": [plain(row) for row in rows], "sha": builder.hash})
print(json.dumps(out))
"""
)


def python(code: str, jobs: list[dict[str, Any]], url: str, home: Path, **extra: str) -> Any:
    """Run a script in a process of its own, as ``HF_ENDPOINT`` is read at import."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "HUGGING", "COV"))
    }
    env |= {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", **extra}
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(jobs),
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    if code == EVALKIT:
        assert done.stderr == ""
    return json.loads(done.stdout.splitlines()[-1])


DOC = {"path": "lmms-lab/DocVQA", "config": "DocVQA", "split": "validation"}
SETS = [
    DOC,
    {"path": "lmms-lab/ChartQA", "split": "test"},
    {"path": "lmms-lab/textvqa", "split": "validation"},
    {"path": "echo840/OCRBench", "split": "test"},
]
MVBENCH = {"path": "OpenGVLab/MVBench", "config": ["state_change", "action_antonym"]}
MVBENCH["split"] = "train"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    repositories.write_all(folder)
    return folder


@pytest.fixture(scope="module")
def hub(root: Path) -> Iterator[Any]:
    settings = {
        "gated": ["someone/Gated"],
        "granted": ["hf_accepted"],
        "moved": {"old/ChartQA": "lmms-lab/ChartQA"},
    }
    with hub_server.serve(root, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def online(hub: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, list[str]]:
    """The cache's home after every set was read once, what was read, and what was asked."""
    home = tmp_path_factory.mktemp("home")
    hub.requests.clear()
    found = python(EVALKIT, [*SETS, MVBENCH], hub.url, home)
    return home, found, list(hub.requests)


@pytest.fixture(scope="module")
def reference(hub: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The cache's home after ``datasets`` alone filled it, and what it read."""
    home = tmp_path_factory.mktemp("reference")
    alone = {"path": "OpenGVLab/MVBench", "config": "state_change", "split": "train"}
    return home, python(DATASETS, [*SETS, alone], hub.url, home)


def test_rows_and_commit_are_those_that_datasets_gives(online: Any, reference: Any) -> None:
    for ours, theirs in zip(online[1]["out"][:4], reference[1][:4], strict=True):
        assert len(ours["rows"]) in (6, 20)
        assert ours["rows"] == theirs["rows"]
        assert ours["provenance"]["revision"] == theirs["sha"]
    state_change = [{**row, "config": "state_change"} for row in reference[1][4]["rows"]]
    assert online[1]["out"][4]["rows"][:2] == state_change


def test_provenance_names_commit_and_number_of_rows(online: Any, root: Path) -> None:
    for job, found in zip([*SETS, MVBENCH], online[1]["out"], strict=True):
        provenance = found["provenance"]
        assert provenance["kind"] == "hub"
        assert provenance["revision"] == hub_server.commit(root / str(job["path"]))
    assert [found["provenance"]["rows"] for found in online[1]["out"]] == [20, 6, 6, 6, None]


def test_several_configs_follow_each_other_under_their_names(online: Any) -> None:
    configs = [row["config"] for row in online[1]["out"][4]["rows"]]
    assert configs == ["state_change", "state_change", "action_antonym", "action_antonym"]
    assert online[1]["out"][4]["provenance"]["config"] == ["state_change", "action_antonym"]


def test_only_the_split_is_fetched_and_heavy_libraries_are_not_imported(online: Any) -> None:
    _, found, requests = online
    assert found["heavy"] == []
    fetched = {line.rpartition("/")[2] for line in requests if line.startswith("GET /datasets/")}
    assert "validation-00001-of-00002.parquet" in fetched
    assert not any("DocVQA/test-" in line or "Infographic" in line for line in requests)


def test_pictures_keep_the_bytes_of_the_file(online: Any) -> None:
    first = online[1]["out"][0]["rows"][0]["image"]
    assert first == {
        "bytes": hashlib.sha256(repositories.png(0)).hexdigest(),
        "path": "0.png",
    }


def test_cache_serves_offline_when_the_hub_is_gone(online: Any, root: Path) -> None:
    sha = hub_server.commit(root / "lmms-lab/DocVQA")
    jobs: list[dict[str, Any]] = [
        *SETS,
        MVBENCH,
        {**DOC, "revision": sha},
        {**DOC, "revision": "main"},
        {**DOC, "split": "test"},
        {**DOC, "split": "tests"},
        {**DOC, "revision": "0" * 40},
        {"path": "lmms-lab/Absent", "split": "test"},
    ]
    found = python(EVALKIT, jobs, NOWHERE, online[0], HF_HUB_OFFLINE="1")["out"]
    assert found[:5] == online[1]["out"]
    assert found[5] == found[6] == found[0]
    for missing in (found[7], found[9], found[10]):
        assert missing["exit"] == 3
        assert "is not cached: HF_HUB_OFFLINE is set" in missing["error"]
        assert "rows=FOLDER" in missing["error"]
    assert found[8]["exit"] == 2
    assert "unknown split: tests. Did you mean test?" in found[8]["error"]


def test_cache_that_datasets_filled_serves_offline(online: Any, reference: Any) -> None:
    found = python(EVALKIT, SETS, NOWHERE, reference[0], HF_HUB_OFFLINE="1")["out"]
    assert found == online[1]["out"][:4]


def test_pinned_commit_is_the_one_read_after_the_branch_moved(tmp_path: Path) -> None:
    repositories.write_all(tmp_path / "hub")
    chart = tmp_path / "hub/lmms-lab/ChartQA"
    columns = repositories.CHARTQA
    job = SETS[1]
    with hub_server.serve(tmp_path / "hub", siblings=False) as hub:
        old = python(EVALKIT, [job], hub.url, tmp_path / "home")["out"][0]
        shard = chart / "data/test-00000-of-00001.parquet"
        repositories.write_parquet(shard, columns, repositories.rows(columns, 100, 2))
        new = python(EVALKIT, [job], hub.url, tmp_path / "home")["out"][0]
    assert [len(old["rows"]), len(new["rows"])] == [6, 2]
    pinned = {**job, "revision": old["provenance"]["revision"]}
    offline = python(EVALKIT, [pinned, job], NOWHERE, tmp_path / "home", HF_HUB_OFFLINE="1")
    assert offline["out"] == [old, new]


def test_what_the_hub_refuses_is_one_line_with_the_way_out(hub: Any, tmp_path: Path) -> None:
    gated = {"path": "someone/Gated", "split": "test"}
    jobs: list[dict[str, Any]] = [
        gated,
        {"path": "someone/Absent", "split": "test"},
        {**DOC, "revision": "v9"},
        {**DOC, "config": "DocVQa"},
        {**DOC, "config": None},
        {**DOC, "split": "validaton"},
        {"path": "echo840/OCRBench", "split": "tset"},
        {"path": "not an id", "split": "test"},
    ]
    found = python(EVALKIT, jobs, hub.url, tmp_path)["out"]
    assert [entry["exit"] for entry in found] == [3, 3, 3, 2, 2, 2, 2, 2]
    messages = [entry["error"] for entry in found]
    assert all(text.startswith("docvqa: ") and "\n" not in text for text in messages)
    assert "someone/Gated is gated: accept its terms on" in messages[0]
    assert "/datasets/someone/Gated, then set HF_TOKEN" in messages[0]
    assert "there is no dataset someone/Absent on" in messages[1]
    assert "has no revision v9" in messages[2]
    assert "unknown config: DocVQa. Did you mean DocVQA? Known: DocVQA, Info" in messages[3]
    assert "set rows.config to one of DocVQA, InfographicVQA" in messages[4]
    assert "unknown split: validaton. Did you mean validation?" in messages[5]
    assert "unknown split: tset. Did you mean test?" in messages[6]
    assert "not a dataset id: not an id" in messages[7]
    other = python(EVALKIT, [gated], hub.url, tmp_path, HF_TOKEN="hf_other")["out"][0]
    assert "is gated" in other["error"]
    accepted = python(EVALKIT, [gated], hub.url, tmp_path, HF_TOKEN="hf_accepted")["out"][0]
    assert len(accepted["rows"]) == 6


def test_moved_dataset_is_found_and_its_first_row_checked(hub: Any, tmp_path: Path) -> None:
    moved = {"path": "old/ChartQA", "split": "test"}
    strict = {**moved, "read": {"media": ["image"], "required": ["question", "label"]}}
    text = {**moved, "read": {"media": ["image"], "with_media": False, "required": ["image"]}}
    found = python(EVALKIT, [moved, strict, text], hub.url, tmp_path)["out"]
    assert len(found[0]["rows"]) == 6
    assert "has no column label; its columns: type, question, answer, image" in found[1]["error"]
    assert set(found[2]["rows"][0]) == {"type", "question", "answer"}


def test_unreachable_hub_names_the_ways_around_it(tmp_path: Path) -> None:
    found = python(EVALKIT, [DOC], NOWHERE, tmp_path)["out"][0]
    assert found["exit"] == 3
    assert found["error"].startswith(f"docvqa: cannot reach {NOWHERE} for lmms-lab/DocVQA")
    assert "rows=FOLDER" in found["error"]
    assert "HF_HUB_OFFLINE=1" in found["error"]
