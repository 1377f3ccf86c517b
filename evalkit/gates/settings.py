"""What a gate asks for: a card of ``conf/gate`` or a file like one, with keys set over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import inf
from pathlib import Path
from typing import Any, Literal, cast

from evalkit.catalogue import Card, cards
from evalkit.errors import UsageError, nearest, one_line

__all__ = ["CAPPED", "Gate", "gate_settings"]

CAPPED = ("unparsed", "truncated", "failed")
"""What can be capped."""

LEAST = 1e-6
"""The least margin and the least error rate: with neither is there a test."""

OPEN = ("margins", "floors")
"""Mappings whose keys are benchmarks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A gate's settings, every one of them written in its card."""

    name: str
    """What verdicts call it."""
    margin: float
    """The loss that does not matter, in points of a hundred, whatever the metric's own scale."""
    margins: Mapping[str, float]
    """Other margins, by benchmark."""
    confidence: float
    """How sure either verdict is, over all benchmarks together."""
    power: float
    """The power of the effects and numbers of questions that are stated."""
    benchmarks: tuple[str, ...] | None
    """The benchmarks that are looked at; ``None`` for all of the baseline."""
    judged: Literal["report", "gate"]
    """Whether benchmarks that a judge scored are reported only, or gate like the others."""
    subset_margin: float | None
    """The loss in points of a hundred at which a subset fails; ``None`` to test none."""
    subset_items: int
    """The fewest questions of a subset that is tested."""
    floors: Mapping[str, Mapping[str, float]]
    """The least score by benchmark and metric, on the metric's scale; subsets as in a summary."""
    unchanged: Literal["test", "pass"]
    """What a run gets that gave the very replies of the baseline: a test like any other, which a
    small set does not pass, or a pass."""
    caps: Mapping[str, float | None]
    """By name in `CAPPED`, how many more questions than the baseline's may be so, in percent of
    them, rounded up; ``None`` for any number."""

    @property
    def alpha(self) -> float:
        """The error rate of either verdict."""
        return 1 - self.confidence

    def margin_of(self, task: str) -> float:
        """Return a benchmark's margin as a share of full marks."""
        return self.margins.get(task, self.margin) / 100


def gate_settings(name: str, words: Sequence[str] = ()) -> Gate:
    """Return a gate.

    Args:
        name: a card's name, or the path of a YAML file whose keys are set over the default card.
        words: keys set over that, as ``key=value``.

    Raises:
        UsageError: no such gate, an unknown key, or a value that makes no sense.
    """
    known = {card.name: card for card in cards("gate")}
    settings = _file(Path(name), known["default"]) if name.endswith((".yaml", ".yml")) else None
    if settings is None:
        if name not in known:
            raise UsageError(nearest("gate", name, list(known)) + ", or a path to a .yaml file")
        settings = known[name].load()
    settings = _merged(settings, _typed(words))
    return _checked(settings)


def _file(path: Path, default: Card) -> dict[str, Any]:
    """Return a file's keys over those of the default card."""
    import yaml

    try:
        found = yaml.safe_load(path.read_text("utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"cannot read the gate {path}: {one_line(error)}") from error
    if not isinstance(found, dict):
        raise UsageError(f"the gate {path} is no mapping of keys")
    return _merged(default.load() | {"name": path.stem}, found)


def _typed(words: Sequence[str]) -> dict[str, Any]:
    """Return keys that were typed, values read as YAML."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    for word in words:
        if "=" not in word:
            raise UsageError(f"cannot read {word!r}: write key=value, as in margin=0.5")
    try:
        return cast("dict[str, Any]", OmegaConf.to_container(OmegaConf.from_dotlist(list(words))))
    except (OmegaConfBaseException, ValueError) as error:
        raise UsageError(f"cannot read {' '.join(words)!r}: {one_line(error)}") from None


def _merged(card: Mapping[str, Any], over: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return a card with keys set over it; keys that it does not have are refused."""
    merged = dict(card)
    for key, value in over.items():
        if key not in card and above.rstrip(".") not in OPEN and not above.startswith("floors."):
            raise UsageError(nearest("key of the gate", f"{above}{key}", [above + k for k in card]))
        old = card.get(key)
        nested = isinstance(old, Mapping) or (above == "floors." and isinstance(value, Mapping))
        if nested and isinstance(value, Mapping):
            value = _merged(old or {}, value, f"{above}{key}.")
        merged[key] = value
    return merged


def _checked(settings: Mapping[str, Any]) -> Gate:
    """Return the gate, its values checked."""
    for field in fields(Gate):
        if field.name not in settings:
            raise UsageError(f"the gate lacks {field.name}: start from one of evalkit list gates")
    names = settings["benchmarks"]
    names = [names] if isinstance(names, str) else names
    gate = Gate(**{**settings, "benchmarks": None if names is None else tuple(map(str, names))})
    _check(gate)
    return gate


def _check(gate: Gate) -> None:
    """Refuse values that make no sense."""
    _number("margin", gate.margin, LEAST, 100)
    _number("confidence", gate.confidence, 0.51, 1 - LEAST)
    _number("power", gate.power, LEAST, 1 - LEAST)
    _number("subset_items", gate.subset_items, 1, inf)
    if gate.subset_margin is not None:
        _number("subset_margin", gate.subset_margin, LEAST, 100)
    for key, words in (("judged", ["report", "gate"]), ("unchanged", ["test", "pass"])):
        if getattr(gate, key) not in words:
            raise UsageError(nearest(key, str(getattr(gate, key)), words))
    for task, margin in gate.margins.items():
        _number(f"margins.{task}", margin, LEAST, 100)
    for name, cap in gate.caps.items():
        if cap is not None:
            _number(f"caps.{name}", cap, 0, 100)
    for task, least in gate.floors.items():
        if not isinstance(least, Mapping):
            raise UsageError(f"floors.{task} names no metric: write floors.{task}.METRIC={least}")
        for metric, value in least.items():
            _number(f"floors.{task}.{metric}", value, -inf, inf)


def _number(key: str, value: Any, low: float, high: float) -> None:
    """Refuse what is no number, or lies outside of two bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{key}={value} is no number")
    if not low <= value <= high:
        raise UsageError(f"{key}={value} must lie between {low:g} and {high:g}")
