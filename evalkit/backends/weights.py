"""Where a checkpoint's files are, whether they are all there, and what they are.

A checkpoint is a folder, or a repository on the Hub that becomes one in the Hub's cache. Everything
that can be wrong with it is told in one line before any library gets to load it.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.data.digest import digest_bytes, digest_json
from evalkit.errors import BackendError, EvalkitError, UsageError, one_line

__all__ = ["BUILTIN", "Checkpoint", "find_checkpoint"]

BUILTIN = "builtin"
"""The path that means the checkpoint which the package makes."""

_FILES = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "chat_template.json",
    "chat_template.jinja",
    "tokenizer_config.json",
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
)
"""The files beside the weights that can change an answer."""

_WANTED = ["*.json", "*.jinja", "*.txt", "*.safetensors"]
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_INDEX = "model.safetensors.index.json"
_PROBE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint whose files are all there."""

    folder: Path
    """Where its files are."""
    name: str
    """The repository's name, the folder's, or ``builtin``."""
    revision: str
    """The repository's commit, or for a folder the same as ``digest``."""
    digest: str
    """A digest of the settings, the tokenizer, the tensors' layout and a sample of every tensor."""
    config: Mapping[str, Any]
    """What ``config.json`` holds."""


def find_checkpoint(path: str, revision: str | None, model_type: str | None) -> Checkpoint:
    """Return a checkpoint of the given kind, fetched from the Hub if it must be.

    Args:
        path: a folder, a repository's name such as ``Qwen/Qwen2-VL-2B-Instruct``, or ``builtin``
            for the small checkpoint that the package makes.
        revision: the repository's branch, tag or commit; a folder has none, and is not asked.
        model_type: what ``config.json`` must say that the model is; ``None`` takes any.

    Raises:
        UsageError: nothing of that name, files that are missing or cut off, or another model.
        BackendError: the Hub answers, but with a failure.
    """
    folder, commit = Path(path).expanduser(), ""
    if path == BUILTIN:
        from evalkit.canary.checkpoint import checkpoint

        folder = checkpoint()
    if not folder.is_dir():
        if folder.exists() or not _REPOSITORY.fullmatch(path):
            what = "is a file, not a folder" if folder.exists() else "no such folder"
            raise UsageError(
                f"model.path: {what}: {path}. Give a folder or a Hub repository's name"
            )
        folder = _from_hub(path, revision)
        commit = folder.name
    config = _config(folder, model_type)
    shards = _shards(folder, f"run `hf download {path}`" if commit else "download or copy it again")
    digest = _digest(folder, shards)
    return Checkpoint(
        folder=folder,
        name=path if commit or path == BUILTIN else folder.resolve().name,
        revision=commit or digest,
        digest=digest,
        config=config,
    )


def _from_hub(path: str, revision: str | None) -> Path:
    """Return the folder in the Hub's cache that holds a repository at a revision."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(snapshot_download(path, revision=revision, allow_patterns=_WANTED))
    except GatedRepoError:
        raise UsageError(
            f"{path} is gated: accept its terms on the Hub, then `hf auth login`"
        ) from None
    except RepositoryNotFoundError:
        raise UsageError(
            f"model.path: no folder and no Hub repository that you may read: {path}."
            " For a private one, `hf auth login`"
        ) from None
    except RevisionNotFoundError:
        raise UsageError(f"model.revision: {path} has no revision {revision}") from None
    except LocalEntryNotFoundError as error:
        raise _not_cached(path, revision, error.__cause__) from None
    except Exception as error:
        raise BackendError(f"cannot download {path}: {one_line(error)}") from error


def _not_cached(path: str, revision: str | None, cause: BaseException | None) -> EvalkitError:
    """Return the error for a repository that the Hub did not give and the cache does not hold."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(cause, HfHubHTTPError):
        return BackendError(f"cannot download {path}: {one_line(cause)}")
    begun = isinstance(try_to_load_from_cache(path, "config.json", revision=revision), str)
    state = "is half downloaded" if begun else "is no folder, is not in the Hub's cache,"
    return UsageError(
        f"{path} {state} and the Hub does not answer: download it first with"
        f" `hf download {path}`, or set model.path=FOLDER"
    )


def _config(folder: Path, model_type: str | None) -> Mapping[str, Any]:
    """Return what ``config.json`` holds, of the right kind of model and with its processor."""
    file = folder / "config.json"
    if not file.is_file():
        raise UsageError(f"model.path: {folder} is no checkpoint: it has no config.json")
    config = _read_json(file)
    given = config.get("model_type")
    if model_type not in (None, given):
        raise UsageError(
            f"{folder} holds a {given} checkpoint, and {model_type} is wanted: for another model"
            f" use model=hf model.path={folder}"
        )
    for names in (
        ("preprocessor_config.json", "processor_config.json"),
        ("tokenizer_config.json",),
    ):
        if not any((folder / name).is_file() for name in names):
            raise UsageError(
                f"{folder} has no {names[0]}: copy the processor and the tokenizer of the model"
                " that it was trained from into it"
            )
    return config


def _shards(folder: Path, cure: str) -> list[Path]:
    """Return the files that hold the weights, each of them whole."""
    if (folder / _INDEX).is_file():
        names = sorted(set(_read_json(folder / _INDEX).get("weight_map", {}).values()))
        lacking = [name for name in names if not (folder / name).is_file()]
        if lacking or not names:
            raise UsageError(
                f"{folder} is half downloaded: {len(lacking)} of {len(names)} weight files are"
                f" missing, such as {', '.join(lacking[:1]) or 'all'}; {cure}"
            )
        shards = [folder / name for name in names]
    else:
        shards = [folder / "model.safetensors"]
    if not shards[0].is_file():
        pickled = next(iter([*folder.glob("*.bin"), *folder.glob("*.pt")]), None)
        if pickled:
            raise UsageError(
                f"{folder} has its weights in {pickled.name} only, which would have to be"
                " unpickled: convert them to safetensors"
            )
        raise UsageError(f"{folder} has no weights: no model.safetensors; {cure}")
    for shard in shards:
        wanted, held = _extent(shard), shard.stat().st_size
        if held != wanted:
            raise UsageError(f"{shard} is cut off: {held} of {wanted} bytes; {cure}")
    return shards


def _header(shard: Path) -> tuple[int, dict[str, Any]]:
    """Return where a safetensors file's data starts, and what its header says."""
    with shard.open("rb") as file:
        head = file.read(8)
        size = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        text = file.read(size) if 0 < size <= shard.stat().st_size else b""
    try:
        header = json.loads(text)
    except ValueError:
        raise UsageError(f"{shard} is no safetensors file; download it again") from None
    header.pop("__metadata__", None)
    return 8 + size, header


def _extent(shard: Path) -> int:
    start, header = _header(shard)
    return start + max((entry["data_offsets"][1] for entry in header.values()), default=0)


def _digest(folder: Path, shards: list[Path]) -> str:
    """Return a digest that changes when an answer could, without reading gigabytes of weights.

    Of every tensor it reads the middle: no training leaves a tensor that it changes unchanged
    there, and a look at sizes alone would take a retrained model for the old one.
    """
    parts = {
        name: digest_bytes((folder / name).read_bytes())
        for name in _FILES
        if (folder / name).is_file()
    }
    for shard in shards:
        start, header = _header(shard)
        with shard.open("rb") as file:
            for name, entry in header.items():
                first, last = entry["data_offsets"]
                size = min(_PROBE, last - first)
                file.seek(start + (first + last - size) // 2)
                layout = [entry["dtype"], entry["shape"], digest_bytes(file.read(size))]
                parts[f"tensor {name}"] = digest_json(layout)
    return digest_json(parts)


def _read_json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise UsageError(f"{file} is no JSON: {one_line(error)}; download it again") from None
    if not isinstance(value, dict):
        raise UsageError(f"{file} holds no JSON object; download it again")
    return value
