"""Scores that others published, each with its split, its size and its source.

One file a model stands in ``results/published``; a model's config names it (``published:
qwen2_vl_2b``). Values stay as they were printed, so that a table can show as many decimals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from evalkit.errors import DataError

__all__ = ["Entry", "Kind", "Published", "for_model", "known", "read"]

Kind = Literal["published", "published_quant", "authors", "others", "expected"]
"""Whose number it is.

``published``: the model card's own table. ``published_quant``: the authors' second table, made with
VLMEvalKit. ``authors``: what they wrote elsewhere. ``others``: other people's runs.
``expected``: what the built-in model scored on the built-in set when it was made.
"""

FOLDER = "published"
"""The folder below ``results`` that holds the files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One number that somebody published for one benchmark."""

    kind: Kind
    """Whose number it is."""
    title: str
    """The table it stands in, as notes call it."""
    task: str
    """The benchmark, by evalkit's name."""
    printed: str
    """The number as it was printed."""
    split: str
    """The split behind it."""
    n: int
    """The number of questions behind it."""
    metric: str
    """The metric, by evalkit's name."""
    source: str
    """Where it stands: address, and commit where there is one."""
    label: str = ""
    """The benchmark's name as the card prints it; empty outside the card's table."""
    scale: str = "percent"
    """``percent`` or ``points``."""
    date: str = ""
    """When it was published, as an ISO date; empty where that is not known."""
    judge: str | None = None
    """The judge model, where the score depends on one."""
    form: str | None = None
    """Which form of the questions, where there are several."""
    protocol: str = ""
    """How it was measured, as far as that is known."""
    tolerance: float | None = None
    """How far a run may be from it and count as a reproduction, on its scale; ``None``: never."""
    reason: str = ""
    """Why the tolerance is what it is."""

    @property
    def value(self) -> float:
        """The number."""
        return float(self.printed)

    @property
    def digits(self) -> int:
        """How many decimals it was printed with."""
        return len(self.printed.partition(".")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Everything that is published for one model."""

    name: str
    """The file's name, which a model's config gives."""
    model: str
    """The model on the Hub."""
    entries: tuple[Entry, ...]
    """All numbers: the card's in its own order, then the authors' others, then other people's."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """The benchmarks, in the order of the card's table."""
        return tuple(dict.fromkeys(entry.task for entry in self.entries))

    def label(self, task: str) -> str:
        """Return a benchmark's name as the card prints it, or evalkit's own where it does not."""
        return next((e.label for e in self.entries if e.task == task and e.label), task)

    def of(self, task: str, *kinds: Kind) -> tuple[Entry, ...]:
        """Return a benchmark's entries of some kinds, of all when none is named."""
        wanted = kinds or get_args(Kind)
        return tuple(e for e in self.entries if e.task == task and e.kind in wanted)


def known() -> list[str]:
    """Return the names that `for_model` knows, sorted."""
    from importlib.resources import files

    folder = files("evalkit_results") / FOLDER
    return sorted(f.name[: -len(".yaml")] for f in folder.iterdir() if f.name.endswith(".yaml"))


def for_model(name: str) -> Published | None:
    """Return what is published for a model, or ``None`` where there is no such file."""
    from importlib.resources import files

    if name not in known():
        return None
    return read(name, (files("evalkit_results") / FOLDER / f"{name}.yaml").read_text("utf-8"))


def read(name: str, text: str) -> Published:
    """Read the text of one file.

    Raises:
        DataError: the text has not the shape that the files in ``results/published`` share.
    """
    import yaml

    try:
        # The base loader leaves every scalar a string: 44.40 would else become 44.4.
        content = yaml.load(text, Loader=yaml.BaseLoader)
        entries = [
            _entry({k: v for k, v in table.items() if k != "entries"} | row)
            for table in content["tables"]
            for row in table["entries"]
        ]
        return Published(name=name, model=content["model"], entries=tuple(entries))
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"published numbers {name}: {error!r}") from error


def _entry(fields: dict[str, Any]) -> Entry:
    if fields["kind"] not in get_args(Kind):
        raise ValueError(f"kind {fields['kind']}")
    tolerance = fields.pop("tolerance", None)
    printed = fields.pop("value")
    entry = Entry(
        **fields | {"n": int(fields["n"])},
        printed=printed,
        tolerance=None if tolerance is None else float(tolerance),
    )
    if not entry.value >= 0:
        raise ValueError(f"value {printed}")
    return entry
