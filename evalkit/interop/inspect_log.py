"""Logs of inspect: JSON of version 2, and ``.eval``, a zip of the same pieces.

Layout after inspect_ai 0.3.285. Long texts may stand in ``attachments`` and be referred to by
``attachment://`` and a digest; ``.eval`` files of recent versions are packed with Zstandard.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from evalkit.errors import DataError
from evalkit.interop.answers import (
    Answer,
    Log,
    listed,
    mapping,
    number_from,
    score_from,
    text_from,
    texts_from,
)
from evalkit.interop.safety import Archive, parse_json

__all__ = ["INSPECT", "read_archive", "read_log"]

INSPECT = "inspect"

ATTACHMENT = "attachment://"

HEADERS = ("header.json", "_journal/start.json")
"""Members of an ``.eval`` file that say what was run."""

GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""Inspect's letters for correct, partial, incorrect and no answer."""

FINISH = {"max_tokens": "length", "model_length": "length"}
"""Reasons to stop that we call otherwise."""


def read_archive(path: Path) -> Log:
    """Read an ``.eval`` file.

    Raises:
        DataError: it is no such file, is damaged, or passes a limit.
    """
    with Archive(path) as archive:
        # A log whose run was killed has no header yet, only the journal that it began with.
        name = next(
            (n for n in ("header.json", "_journal/start.json") if n in archive.members), None
        )
        if name is None:
            raise DataError(f"{path} is a zip, but no inspect log: it holds no header.json")
        header = parse_json(archive.read(name), f"{path}: {name}")
        samples = (
            parse_json(archive.read(member), f"{path}: {member}")
            for member in archive.members
            if member.startswith("samples/") and member.endswith(".json")
        )
        return read_log(path, header, samples)


def read_log(path: Path, header: Any, samples: Iterable[Any] | None = None) -> Log:
    """Return the log that a header and its samples make.

    Args:
        path: the file.
        header: the whole of a JSON log, or the header of an ``.eval`` file.
        samples: the samples; ``None`` where the header holds them.

    Raises:
        DataError: a part is not as inspect writes it.
    """
    spec = mapping(mapping(header).get("eval"))
    if not spec:
        raise DataError(f"{path} is not an inspect log: it has no eval")
    held = samples if samples is not None else listed(header.get("samples"))
    found, later = first_epoch(path, held)
    text = f"{later} samples of later epochs are left out: the first epoch is taken"
    return Log(
        harness=INSPECT,
        path=path,
        name=str(spec.get("task") or "").rpartition("/")[2],
        model=str(spec.get("model") or ""),
        answers=tuple(found.values()),
        metrics=dict(totals(header.get("results"))),
        n=len(found),
        versions={str(k): str(v) for k, v in mapping(spec.get("packages")).items()},
        facts={
            "git": mapping(spec.get("revision")).get("commit"),
            "date": spec.get("created"),
            "task_version": spec.get("task_version"),
            "status": header.get("status"),
            "config": spec.get("model_generate_config") or {},
        },
        warnings=(text,) if later else (),
        summary=mapping(mapping(spec.get("metadata")).get("evalkit")) or None,
    )


def first_epoch(path: Path, samples: Iterable[Any]) -> tuple[dict[str, Answer], int]:
    """Return the answers of the first epoch by id, and how many samples are of later ones."""
    found, later = {}, 0
    for number, sample in enumerate(samples):
        if not isinstance(sample, Mapping) or "id" not in sample:
            raise DataError(f"{path}: sample {number} has no id")
        if sample.get("epoch", 1) != 1:
            later += 1
            continue
        found[str(sample["id"])] = answer_from(f"sample {sample['id']}", sample)
    return found, later


def answer_from(at: str, sample: Mapping[str, Any]) -> Answer:
    """Return a sample's answer."""
    attachments = mapping(sample.get("attachments"))
    output = mapping(sample.get("output"))
    choice = mapping(next(iter(listed(output.get("choices"))), None))
    text = text_in(mapping(choice.get("message")).get("content"), attachments)
    failed = sample.get("error") or output.get("error")
    error = failed.get("message") if isinstance(failed, Mapping) else failed
    stop = choice.get("stop_reason")
    own = mapping(mapping(sample.get("metadata")).get("evalkit"))
    return Answer(
        at=at,
        ids={"id": str(sample["id"])},
        number=number_from(sample["id"]),
        question=text_in(asked(sample.get("input")), attachments) or "",
        golds=texts_from(sample.get("target")),
        text=None if error else text,
        error=str(error) if error else None if text is not None else "the log holds no reply",
        finish_reason=FINISH.get(str(stop), str(stop)) if stop else None,
        extraction=text_from(own.get("extraction")),
        judge=text_from(own.get("judge")),
        digests={str(k): str(v) for k, v in mapping(own.get("digests")).items()},
        scores=dict(scores_in(sample.get("scores"))),
        record=mapping(own.get("record")) or None,
    )


def asked(value: Any) -> Any:
    """Return the content of the last message of the user's, or the input where it is a text."""
    if not isinstance(value, list):
        return value
    turns = [m.get("content") for m in value if isinstance(m, Mapping) and m.get("role") == "user"]
    return turns[-1] if turns else None


def text_in(content: Any, attachments: Mapping[str, Any]) -> str | None:
    """Return the text of a message's content, its references to attachments followed."""
    if isinstance(content, list):
        parts = [
            text_in(part.get("text"), attachments) or ""
            for part in content
            if isinstance(part, Mapping) and part.get("type") == "text"
        ]
        return "".join(parts)
    if not isinstance(content, str):
        return None
    if content.startswith(ATTACHMENT):
        return str(attachments.get(content.removeprefix(ATTACHMENT), content))
    return content


def scores_in(scores: Any) -> Iterator[tuple[str, float]]:
    """Yield a sample's scores by scorer; a scorer's several values carry both names."""
    for name, score in mapping(scores).items():
        value = score.get("value") if isinstance(score, Mapping) else score
        values = value if isinstance(value, Mapping) else {"": value}
        for part, inner in values.items():
            number = GRADES.get(inner) if isinstance(inner, str) else score_from(inner)
            if number is not None:
                yield f"{name}/{part}" if part else str(name), number


def totals(results: Any) -> Iterator[tuple[str, float]]:
    """Yield the log's metrics as ``scorer/metric``."""
    for score in listed(mapping(results).get("scores")):
        for name, metric in mapping(mapping(score).get("metrics")).items():
            number = score_from(mapping(metric).get("value"))
            if number is not None:
                yield f"{score.get('name')}/{name}", number
