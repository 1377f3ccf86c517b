"""From scored samples to the metrics that a table shows."""

from __future__ import annotations

from collections.abc import Iterable

from evalkit.types import Record

__all__ = ["counted", "macro_means", "percent_means", "point_sums"]


def counted(record: Record) -> float | None:
    """Return what a record adds to a mean: nothing when its judge failed, 0 when it has no score.

    A judge's failure says nothing about the answer, so a zero for it would be a made-up grade; a
    reply that could not be read, a failed request and a missing prediction are the model's or the
    run's, and count as wrong, as every published table counts them.
    """
    if record.status == "judge_failed":
        return None
    return record.score or 0.0


def by_subset(metric: str, records: Iterable[Record]) -> dict[str, list[float]]:
    """Return what every record adds, over all and for each ``metric/subset``."""
    groups: dict[str, list[float]] = {metric: []}
    for record in records:
        value = counted(record)
        if value is None:
            continue
        groups[metric].append(value)
        for subset in record.subsets:
            groups.setdefault(f"{metric}/{subset}", []).append(value)
    return groups


def percent_means(metric: str, records: Iterable[Record]) -> dict[str, float]:
    """Return the mean in percent over all records, and over each subset as ``metric/subset``."""
    groups = by_subset(metric, records)
    return {name: 100 * sum(v) / len(v) if v else 0.0 for name, v in groups.items()}


def macro_means(metric: str, records: Iterable[Record]) -> dict[str, float]:
    """Return the mean in percent of the subsets' means, and each subset's as ``metric/subset``.

    It is the mean over all records only where every subset has as many as every other.
    """
    means = percent_means(metric, records)
    parts = [value for name, value in means.items() if name != metric]
    return {**means, metric: sum(parts) / len(parts) if parts else 0.0}


def point_sums(metric: str, records: Iterable[Record]) -> dict[str, float]:
    """Return the sum of scores over all records, and over each subset as ``metric/subset``."""
    return {name: sum(v) for name, v in by_subset(metric, records).items()}
