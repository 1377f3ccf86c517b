"""Rows from the Hub: one split's files at one commit, in the Hub's own cache.

The files are fetched as they are and read where they lie. ``datasets.load_dataset`` would fetch
every split of a config (for MMMU 10,500 test questions to score 900), keep a second copy of them
in its own format, and offline take the newest commit that it finds for a pinned one. The cache is
the one that it downloads to, so what either of them fetched serves both.

``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HOME`` and ``HF_HUB_OFFLINE`` are read by ``huggingface_hub``
when it is first imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from evalkit.data.layout import Configs, card_configs, select
from evalkit.data.quiet import quiet
from evalkit.errors import DataError, EvalkitError, SourceError, UsageError, one_line

__all__ = ["Located", "explained", "locate", "repository"]

_SHA = re.compile(r"[0-9a-f]{40}")
_CARD = "README.md"

_TRANSPORT = {"TransportError", "RequestException", "ConnectionError", "TimeoutError"}
"""Base classes of what a connection raises, by name: the Hub's client has changed its HTTP library
twice (requests, httpx, httpx2), and its users may have any of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A split of a Hub dataset, on this machine's disk."""

    sha: str
    """The commit."""
    files: tuple[Path, ...]
    """The split's files, in order."""


@lru_cache(maxsize=256)
def locate(path: str, config: str | None, split: str, revision: str | None) -> Located:
    """Return a split's files, fetched when they are not cached yet.

    What is recorded is what is read: within a process a branch is resolved once.

    Args:
        path: the dataset's id, such as ``lmms-lab/DocVQA``.
        config: the config's name; ``None`` for the only one or the default.
        split: the split's name.
        revision: a commit, branch or tag; ``None`` for the default branch.

    Raises:
        UsageError: the id is malformed, or there is no such config or split.
        SourceError: the dataset is gated, absent, unreachable or, offline, not cached.
        DataError: its files are not in a layout that is known.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return _cached(path, config, split, revision)
    with explained(path, revision):
        return _fetched(path, config, split, revision)


def _fetched(path: str, config: str | None, split: str, revision: str | None) -> Located:
    sha, names, configs = repository(path, revision)
    if revision != sha and _CARD in names:
        # Asked for by the branch's name, the cache notes which commit it stood for: offline, that
        # is how the branch is found again.
        _download(path, _CARD, revision or "main")
    chosen = select(names, configs, config, split, path)
    if not chosen:
        raise DataError(
            f"{path}: split {split} holds no parquet, JSONL or JSON file; the Hub keeps a parquet "
            "copy of most datasets at rows.revision=refs/convert/parquet"
        )
    return Located(sha=sha, files=tuple(_download(path, name, sha) for name in chosen))


@lru_cache(maxsize=16)
def repository(path: str, revision: str | None) -> tuple[str, tuple[str, ...], Configs]:
    """Return the commit, its files and its card's configs; to be called in ``explained``.

    Asked once in a process, so that all configs are of one commit though a branch moves meanwhile.
    """
    from huggingface_hub import HfApi, HfFileSystem

    info = HfApi().dataset_info(path, revision=revision)
    sha = str(info.sha)
    names = tuple(sibling.rfilename for sibling in info.siblings or ())
    if not names:
        # The Hub lists the files at once; a mirror may not.
        root = f"datasets/{path}@{sha}"
        names = tuple(
            f"{folder}/{name}".removeprefix(f"{root}/")
            for folder, _, files in HfFileSystem().walk(root)
            for name in files
        )
    card = _download(path, _CARD, sha).read_text("utf-8", "replace") if _CARD in names else ""
    return sha, names, card_configs(card, path)


def _download(path: str, name: str, revision: str) -> Path:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(path, name, repo_type="dataset", revision=revision))


def _cached(path: str, config: str | None, split: str, revision: str | None) -> Located:
    """Find a split in the cache's snapshots, whose layout ``huggingface_hub`` documents."""
    from huggingface_hub import constants

    wanted = f"{path} ({', '.join(filter(None, (config, split, revision)))})"
    absent = (
        f"{wanted} is not cached: HF_HUB_OFFLINE is set and {constants.HF_HUB_CACHE} does not "
        "hold it: unset it once to fetch the dataset, or give a local copy with rows=FOLDER"
    )
    snapshot = _snapshot(Path(constants.HF_HUB_CACHE), path, revision)
    if snapshot is None:
        raise SourceError(absent)
    entries = (entry for entry in snapshot.rglob("*") if entry.is_file())
    names = [entry.relative_to(snapshot).as_posix() for entry in entries]
    card = (snapshot / _CARD).read_text("utf-8", "replace") if _CARD in names else ""
    configs = card_configs(card, path)
    try:
        chosen = select(names, configs, config, split, path)
    except UsageError as error:
        # A card names every config and split; file names tell only of those that were fetched.
        if configs and not isinstance(error, DataError):
            raise
        raise SourceError(f"{absent} ({error})") from None
    if not chosen:
        raise SourceError(absent)
    return Located(sha=snapshot.name, files=tuple(snapshot / name for name in chosen))


def _snapshot(cache: Path, path: str, revision: str | None) -> Path | None:
    folder = cache / f"datasets--{path.replace('/', '--')}"
    ref = folder / "refs" / (revision or "main")
    if revision and _SHA.fullmatch(revision):
        sha = revision
    elif ref.is_file():
        sha = ref.read_text("utf-8").strip()
    else:
        return None
    snapshot = folder / "snapshots" / sha
    return snapshot if snapshot.is_dir() else None


@contextmanager
def explained(path: str, revision: str | None = None) -> Iterator[None]:
    """Turn what the Hub's client raises into one line, and keep it quiet meanwhile.

    Args:
        path: the dataset's id.
        revision: what was asked for, for the message.

    Raises:
        UsageError: the id is malformed.
        SourceError: anything else.
    """
    import huggingface_hub.utils  # noqa: F401 (loaded, so that its progress bars can be hidden)

    try:
        with quiet():
            yield
    except EvalkitError:
        raise
    except Exception as error:
        raise _explain(error, path, revision) from error


def _explain(error: BaseException, path: str, revision: str | None) -> EvalkitError:
    """Return the error that says what happened and what to do about it."""
    from huggingface_hub import constants, errors

    page = f"{constants.ENDPOINT}/datasets/{path}"
    # In this order: a gated repository's error is a kind of an absent one's.
    known: tuple[tuple[type[Exception], EvalkitError], ...] = (
        (
            errors.GatedRepoError,
            SourceError(
                f"{path} is gated: accept its terms on {page}, then set HF_TOKEN to a token of "
                "that account"
            ),
        ),
        (
            errors.RevisionNotFoundError,
            SourceError(
                f"{path} has no revision {revision}: set rows.revision to a branch, a tag or a "
                f"full commit; {page}/commits/main lists them"
            ),
        ),
        (
            errors.RepositoryNotFoundError,
            SourceError(
                f"there is no dataset {path} on {constants.ENDPOINT}: check the name; if it is "
                "private, set HF_TOKEN to a token that may read it"
            ),
        ),
        (errors.HFValidationError, UsageError(f"not a dataset id: {path}: {one_line(error, 160)}")),
    )
    causes = list(_chain(error))
    for kind, answer in known:
        if any(isinstance(cause, kind) for cause in causes):
            return answer
    return _failed(causes, path)


def _failed(causes: list[BaseException], path: str) -> SourceError:
    from huggingface_hub import constants

    if "Invalid credentials" in str(causes[0]):
        return SourceError(f"{path}: {constants.ENDPOINT} does not know the token in HF_TOKEN")
    for cause in causes:
        if _TRANSPORT & {kind.__name__ for kind in type(cause).__mro__}:
            return SourceError(
                f"cannot reach {constants.ENDPOINT} for {path} ({one_line(cause, 100)}): give a "
                "local copy with rows=FOLDER, or set HF_HUB_OFFLINE=1 to use what is cached"
            )
        status = getattr(getattr(cause, "response", None), "status_code", None)
        if status is not None:
            return SourceError(f"{path}: {constants.ENDPOINT} answered {status} to the request")
    return SourceError(f"{path}: {constants.ENDPOINT} failed: {one_line(causes[0])}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
