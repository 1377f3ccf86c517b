"""Checkpoints that are found, fetched, whole, and the many ways in which they are not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from evalkit.backends.weights import Checkpoint, find_checkpoint
from evalkit.canary.checkpoint import checkpoint
from evalkit.errors import UsageError

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the checkpoint that a test may spoil."""
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


def find(path: Path | str) -> Checkpoint:
    return find_checkpoint(str(path), None, "qwen2_vl")


def test_a_folder_is_known_by_what_is_in_it(tiny: Path, copy: Path) -> None:
    found, other = find(tiny), find(copy)
    assert (found.folder, found.name) == (tiny, "checkpoint")
    assert found.revision == found.digest == other.digest
    assert found.config["model_type"] == "qwen2_vl"


def test_the_built_in_one_is_built_into_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path))
    found = find("builtin")
    assert (found.name, found.revision) == ("builtin", find(checkpoint(tmp_path / "own")).digest)
    assert tmp_path in found.folder.parents


@pytest.mark.parametrize(
    "name", ["config.json", "generation_config.json", "chat_template.json", "tokenizer.json"]
)
def test_a_changed_setting_is_another_checkpoint(name: str, tiny: Path, copy: Path) -> None:
    settings = json.loads((copy / name).read_text("utf-8"))
    (copy / name).write_text(json.dumps({**settings, "changed": True}), "utf-8")
    assert find(copy).digest != find(tiny).digest


def test_any_retrained_tensor_is_another_checkpoint(tiny: Path, copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = copy / "model.safetensors"
    weights = load_file(file)
    digests = {find(tiny).digest}
    for name in ("model.layers.1.mlp.up_proj.weight", "visual.merger.ln_q.bias"):
        trained = {**weights, name: weights[name] * 0.5 + 0.25}
        save_file(trained, file, metadata={"format": "pt"})
        digests.add(find(copy).digest)
    assert len(digests) == 3


def test_a_file_that_does_not_matter_does_not_matter(tiny: Path, copy: Path) -> None:
    (copy / "README.md").write_text("a model")
    assert find(copy).digest == find(tiny).digest


def split(folder: Path) -> list[str]:
    """Spread the weights over two files, as large checkpoints have them; return their names."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    table = {name: names[name.startswith("visual.")] for name in weights}
    for file in names:
        part = {name: value for name, value in weights.items() if table[name] == file}
        save_file(part, folder / file, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": table}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), "utf-8")
    return names


def test_shards_are_found_and_missed(copy: Path) -> None:
    names = split(copy)
    assert len(find(copy).digest) == 32
    (copy / names[1]).unlink()
    with pytest.raises(UsageError, match=rf"half downloaded: 1 of 2 .*missing, such as {names[1]}"):
        find(copy)


def spoil_config(folder: Path) -> None:
    (folder / "config.json").write_text("<html>")


def spoil_kind(folder: Path) -> None:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    sizes = {"hidden_size": 64, "num_hidden_layers": 1, "intermediate_size": 64, "vocab_size": 270}
    config = Qwen2Config(**sizes, num_attention_heads=2, num_key_value_heads=1)
    Qwen2ForCausalLM(config).save_pretrained(folder)


def spoil_tail(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def spoil_head(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")


def drop_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def pickle_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def drop_processor(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()


def drop_tokenizer(folder: Path) -> None:
    (folder / "tokenizer_config.json").unlink()


def drop_config(folder: Path) -> None:
    (folder / "config.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (drop_config, "is no checkpoint: it has no config.json"),
        (spoil_config, "config.json is no JSON: .*download it again"),
        (spoil_kind, "holds a qwen2 checkpoint, and qwen2_vl is wanted.*model=hf model.path="),
        (spoil_tail, r"model.safetensors is cut off: \d+ of \d+ bytes; download or copy it again"),
        (spoil_head, "model.safetensors is no safetensors file; download it again"),
        (drop_weights, "has no weights: no model.safetensors; download or copy it again"),
        (pickle_weights, "in pytorch_model.bin only.*convert them to safetensors"),
        (drop_processor, "has no preprocessor_config.json: copy"),
        (drop_tokenizer, "has no tokenizer_config.json: copy"),
    ],
)
def test_what_is_wrong_with_a_folder_is_one_line(spoil: Any, complaint: str, copy: Path) -> None:
    spoil(copy)
    with pytest.raises(UsageError, match=complaint) as caught:
        find(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["/no/such/folder", "./nope", "nope", "a/b/c", "~/nope/nope"])
def test_what_is_no_folder_and_no_repository_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match=f"model.path: no such folder: {path}"):
        find(path)


def test_a_file_is_no_folder(tiny: Path) -> None:
    with pytest.raises(UsageError, match="is a file, not a folder"):
        find(tiny / "config.json")


class Hub(BaseHTTPRequestHandler):
    """The few answers of the Hub that a download asks for."""

    folder: Path

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        files = {file.name: file for file in self.folder.iterdir()}
        if "gated" in path:
            self.reply(403, b"", {"X-Error-Code": "GatedRepo"})
        elif "broken" in path:
            self.reply(501, b"")
        elif "tiny/qwen2-vl" not in path:
            self.reply(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif "/revision/" in path:
            if path.endswith(("/main", "/v1", SHA)):
                siblings = [{"rfilename": name} for name in files]
                body = {"id": "tiny/qwen2-vl", "sha": SHA, "siblings": siblings}
                self.reply(200, json.dumps(body).encode())
            else:
                self.reply(404, b"", {"X-Error-Code": "RevisionNotFound"})
        elif "/tree/" in path:
            tree = [
                {"type": "file", "path": name, "size": file.stat().st_size, "oid": f"{name:.>40}"}
                for name, file in files.items()
            ]
            self.reply(200, json.dumps(tree).encode())
        else:
            name = path.rsplit("/", 1)[1]
            self.reply(200, files[name].read_bytes(), {"ETag": f'"{name:.>40}"'})

    do_HEAD = do_GET

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        fixed = {"Content-Length": str(len(body)), "X-Repo-Commit": SHA}
        for name, value in {**fixed, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *given: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def hub(tiny: Path) -> Iterator[str]:
    """The address of a Hub with one repository, ``tiny/qwen2-vl``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Hub,), {"folder": tiny}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def fetch(path: str, revision: str | None, home: Path, **settings: str) -> tuple[str, str]:
    """Find a checkpoint in a process of its own, since the Hub's client reads its settings once."""
    code = (
        "import sys; from evalkit.backends.weights import find_checkpoint as find\n"
        "from evalkit.errors import EvalkitError\n"
        "from evalkit.data.quiet import quiet\n"
        "try:\n"
        "    with quiet(): found = find(sys.argv[1], sys.argv[2] or None, 'qwen2_vl')\n"
        "    print(found.name, found.revision, found.digest)\n"
        "except EvalkitError as error: print(type(error).__name__, error)\n"
    )
    environment = {**os.environ, "HF_HOME": str(home), "NO_PROXY": "*", **settings}
    command = [sys.executable, "-c", code, path, revision or ""]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    return done.stdout.strip(), done.stderr


def test_a_repository_is_fetched_and_then_needs_no_network(
    hub: str, tiny: Path, tmp_path: Path
) -> None:
    wanted = f"tiny/qwen2-vl {SHA} {find(tiny).digest}"
    assert fetch("tiny/qwen2-vl", "v1", tmp_path, HF_ENDPOINT=hub)[0] == wanted
    assert fetch("tiny/qwen2-vl", SHA, tmp_path, HF_ENDPOINT="http://127.0.0.1:9")[0] == wanted
    assert fetch("tiny/qwen2-vl", SHA, tmp_path, HF_HUB_OFFLINE="1")[0] == wanted
    lost = next(tmp_path.glob("hub/models--tiny--qwen2-vl/snapshots/*/model.safetensors"))
    lost.unlink()
    said, _ = fetch("tiny/qwen2-vl", SHA, tmp_path, HF_HUB_OFFLINE="1")
    assert said.startswith("UsageError tiny/qwen2-vl is half downloaded")
    assert "`hf download tiny/qwen2-vl`" in said


@pytest.mark.parametrize(
    ("path", "revision", "complaint"),
    [
        (
            "Qwen/Qwen2-VL-2B-Instruct",
            None,
            "UsageError model.path: no folder and no Hub repository",
        ),
        ("tiny/gated", None, "UsageError tiny/gated is gated: accept its terms"),
        ("tiny/qwen2-vl", "v9", "UsageError model.revision: tiny/qwen2-vl has no revision v9"),
        ("tiny/broken", None, "BackendError cannot download tiny/broken"),
    ],
)
def test_what_the_hub_refuses_is_one_line(
    path: str, revision: str | None, complaint: str, hub: str, tmp_path: Path
) -> None:
    said, noise = fetch(path, revision, tmp_path, HF_ENDPOINT=hub)
    assert said.startswith(complaint)
    assert "\n" not in said
    assert noise == ""


@pytest.mark.parametrize(
    "settings", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}]
)
def test_without_a_network_it_says_what_to_type(settings: dict[str, str], tmp_path: Path) -> None:
    said, noise = fetch("Qwen/Qwen2-VL-2B-Instruct", None, tmp_path, **settings)
    assert said == (
        "UsageError Qwen/Qwen2-VL-2B-Instruct is no folder, is not in the Hub's cache, and the Hub"
        " does not answer: download it first with `hf download Qwen/Qwen2-VL-2B-Instruct`, or set"
        " model.path=FOLDER"
    )
    assert noise == ""
