"""Which of a dataset's files hold a split: one answer for the Hub, its cache, and a local copy.

A repository says it in the ``configs`` block of its ``README.md``, or by file names:
``<config>/<split>-00000-of-00001.parquet`` or ``data/<split>-00000-of-00001.parquet``, with
``<split>.parquet`` and ``<split>/*.parquet`` as shorter forms. Both are the Hub's conventions
(huggingface.co/docs/hub/datasets-manual-configuration and datasets-file-names-and-splits); only the
files of the one split are named, so that nothing else need be fetched or read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from evalkit.errors import DataError, UsageError, nearest, one_line

__all__ = ["SUFFIXES", "card_configs", "select"]

SUFFIXES = (".parquet", ".jsonl", ".json")
"""The kinds of file that hold rows, the preferred first where a split is there in several."""

_FRONT = re.compile(r"\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)", re.DOTALL)
_SHARD = re.compile(
    r"(?P<split>.+?)(?:-\d+(?:-of-(?P<total>\d+))?(?:-[0-9a-f]+)?)?\.(?:parquet|jsonl|json)"
)
_SPLIT = re.compile(r"(train|test|val|dev|eval)", re.IGNORECASE)

Configs = dict[str, dict[str, list[str]]]
"""Patterns of file names by split, by config."""


def card_configs(text: str, where: str) -> Configs:
    """Return what a dataset card's ``configs`` block says, empty where it has none.

    Args:
        text: the ``README.md``.
        where: what messages call the dataset.

    Raises:
        DataError: the card's front matter is not what the Hub's documentation describes.
    """
    import yaml

    front = _FRONT.match(text)
    try:
        card = yaml.safe_load(front.group(1)) if front else None
        blocks = (card or {}).get("configs") or []
        return {str(block["config_name"]): dict(_patterns(block)) for block in blocks}
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        reason = one_line(error)
        raise DataError(f"{where}: cannot read the configs in README.md: {reason}") from None


def _patterns(block: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield a config's splits and their patterns, in each of the forms that a card may use."""
    folder, files = str(block.get("data_dir") or "").strip("/"), block.get("data_files")
    if files is None:
        return
    if isinstance(files, str) or all(isinstance(item, str) for item in files):
        files = [{"split": "train", "path": files}]
    for item in files:
        paths = [item["path"]] if isinstance(item["path"], str) else item["path"]
        yield str(item["split"]), [str(PurePosixPath(folder) / path) for path in paths]


def select(
    names: Sequence[str], configs: Configs, config: str | None, split: str, where: str
) -> list[str]:
    """Return the files that hold one split of one config, in the order of their shards.

    Args:
        names: every file of the dataset, relative, with forward slashes.
        configs: what its card says.
        config: the config wanted; ``None`` for the only one or the default.
        split: the split wanted.
        where: what messages call the dataset.

    Raises:
        UsageError: no such config or split; the message names the nearest and lists them all.
        DataError: shards are missing, or no file holds rows.
    """
    files = [
        name
        for name in sorted(names)
        if name.endswith(SUFFIXES)
        and not any(part.startswith((".", "__")) for part in name.split("/"))
    ]
    declared = configs.get(_known_config(configs, config, where), {}) if configs else {}
    if declared:
        found = _by_card(files, declared, split, where)
    else:
        found = _by_name(files, config, split, where)
    kind = next((end for end in SUFFIXES if any(name.endswith(end) for name in found)), "")
    found = [name for name in found if name.endswith(kind)]
    _complete(found, where)
    return found


def _known_config(configs: Configs, config: str | None, where: str) -> str:
    if config is None:
        config = next(iter(configs)) if len(configs) == 1 else "default"
        if config not in configs:
            known = ", ".join(sorted(configs))
            raise UsageError(f"{where} has several configs: set rows.config to one of {known}")
    if config not in configs:
        raise UsageError(f"{where}: {nearest('config', config, list(configs))}")
    return config


def _by_card(
    files: Sequence[str], declared: dict[str, list[str]], split: str, where: str
) -> list[str]:
    if split not in declared:
        raise UsageError(f"{where}: {nearest('split', split, list(declared))}")
    patterns = [pattern.split("/") for pattern in declared[split]]
    return [name for name in files if any(_matches(name.split("/"), p) for p in patterns)]


def _matches(name: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether a path's parts match a pattern's, where ``**`` stands for any number."""
    if not pattern:
        return not name
    if pattern[0] == "**" and (
        _matches(name, pattern[1:]) or (name and _matches(name[1:], pattern))
    ):
        return True
    return bool(name) and fnmatchcase(name[0], pattern[0]) and _matches(name[1:], pattern[1:])


def _by_name(files: Sequence[str], config: str | None, split: str, where: str) -> list[str]:
    if not files:
        raise DataError(f"{where} holds no parquet, JSONL or JSON file")
    held: dict[str, dict[str, list[str]]] = {}
    for name in files:
        folder, known = _place(name)
        held.setdefault(folder, {}).setdefault(known, []).append(name)
    # "default" is what the Hub calls the only config of its parquet copies.
    places = (config or "default", "", "data")
    for place in places:
        if split in held.get(place, {}):
            return held[place][split]
    for place in places:
        # A plain folder of parquet is one split; JSONL files side by side are as often many tasks.
        flat = [name for name in files if _parent(name) == place and name.endswith(".parquet")]
        if flat and not any(_names_split(name) for name in flat):
            return flat
    for place in places:
        if place in held:
            raise UsageError(f"{where}: {nearest('split', split, list(held[place]))}")
    if config is None:
        raise UsageError(
            f"{where} has configs: set rows.config to one of {', '.join(sorted(held))}"
        )
    raise UsageError(f"{where}: {nearest('config', config, list(held))}")


def _parent(name: str) -> str:
    return name.rpartition("/")[0]


def _names_split(name: str) -> bool:
    """Return whether a file's own name, and not its folder's, tells its split."""
    shard = _SHARD.fullmatch(name.rpartition("/")[2])
    return bool(shard and (shard["total"] or _SPLIT.match(shard["split"])))


def _place(name: str) -> tuple[str, str]:
    """Return the folder that a file's split is kept in, and the split."""
    folder, _, file = name.rpartition("/")
    if folder and not _names_split(name):
        return _parent(folder), folder.rpartition("/")[2]
    shard = _SHARD.fullmatch(file)
    return folder, shard["split"] if shard else file


def _complete(files: Sequence[str], where: str) -> None:
    """Refuse a split with shards missing: a score over the rest would look like a whole one."""
    sets: dict[tuple[str, str], list[int]] = {}
    for name in files:
        shard = _SHARD.fullmatch(name.rpartition("/")[2])
        if shard and shard["total"]:
            sets.setdefault((_parent(name), shard["split"]), []).append(int(shard["total"]))
    for (folder, split), totals in sets.items():
        if set(totals) != {len(totals)}:
            place = f"{folder}/{split}".lstrip("/")
            wanted = " or ".join(str(total) for total in sorted(set(totals)))
            raise DataError(
                f"{where}: {place} has {len(totals)} files where their names say {wanted}: "
                "fetch the missing ones or remove the left-over ones"
            )
