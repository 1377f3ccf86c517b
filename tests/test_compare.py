"""Runs on disk beside each other: paired where they can be, refused where they may not be."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import replace
from math import hypot, sqrt
from pathlib import Path
from typing import Any

import pytest

from evalkit.cells import cell_from
from evalkit.compare import compare, difference
from evalkit.errors import UsageError
from evalkit.render import render
from evalkit.store import write_results
from evalkit.table import Gap
from evalkit.types import Record

N = 400
T_399 = 1.965927
T_49 = 2.009575
"""97.5 % quantiles of Student's distribution with 399 and 49 degrees of freedom, from a table."""


def records(scores: list[float | None], **more: Any) -> list[Record]:
    return [
        Record(
            id=str(at), score=score, status="ok" if score is not None else "judge_failed", **more
        )
        for at, score in enumerate(scores)
    ]


def summary(value: float | None, n: int = N, **more: Any) -> dict[str, Any]:
    task = more.pop("task", "chartqa")
    return {
        "task": task, "version": "1", "protocol": "release", "scorer": "official",
        "split": "test", "n": n, "metrics": {} if value is None else {"m": value},
        "primary": "m", "scale": "percent", "interval": [value - 5, value + 5] if value else None,
        "model": "m", "data": "hub", "judge": None, "partial": False,
    } | more  # fmt: skip


OLD: list[float | None] = [float(at % 4 != 0) for at in range(N)]
"""75 % right."""
NEW: list[float | None] = [
    0.0 if at % 20 == 1 else 1.0 if at % 10 == 0 else OLD[at] for at in range(N)
]
"""Loses 20 items that were right and wins 20 that were wrong."""
BETTER: list[float | None] = [1.0 if at % 8 == 0 else OLD[at] for at in range(N)]
"""Wins 50 items that were wrong."""

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a run's results for one task and return the run's folder."""

    def write(
        run: str, found: dict[str, Any], scores: list[Record] | None, place: str = "t"
    ) -> Path:
        folder = tmp_path / run / place
        folder.mkdir(parents=True)
        write_results(folder, scores or [], found)
        return tmp_path / run

    return write


def cells(first: dict[str, Any], second: dict[str, Any]) -> tuple[Any, Any]:
    return cell_from(first, "A"), cell_from(second, "B")


def test_paired_difference_in_percent() -> None:
    gap = difference(*cells(summary(75.0), summary(87.5)), records(OLD), records(BETTER))
    assert (gap.value, gap.kind, gap.n, gap.differ) == (12.5, "paired", N, 50)
    by_item = [b - a for a, b in zip(OLD, BETTER, strict=True) if a is not None and b is not None]
    reach = 100 * T_399 * statistics.stdev(by_item) / sqrt(N)
    assert gap.interval == pytest.approx((12.5 - reach, 12.5 + reach), abs=1e-4)


def test_paired_difference_in_points_is_of_the_sum() -> None:
    first, second = (summary(v, scale="points") for v in (300.0, 350.0))
    gap = difference(*cells(first, second), records(OLD), records(BETTER))
    by_item = [b - a for a, b in zip(OLD, BETTER, strict=True) if a is not None and b is not None]
    reach = T_399 * statistics.stdev(by_item) * sqrt(N)
    assert gap.value == 50.0
    assert gap.interval == pytest.approx((50 - reach, 50 + reach), abs=1e-3)


def test_wins_and_losses_that_cancel_are_both_counted() -> None:
    gap = difference(*cells(summary(75.0), summary(75.0)), records(OLD), records(NEW))
    assert (gap.value, gap.differ) == (0.0, 40)
    assert gap.interval is not None
    assert gap.interval[0] == pytest.approx(-gap.interval[1])


def test_pairing_goes_by_id_and_not_by_place() -> None:
    ordered = difference(*cells(summary(75.0), summary(87.5)), records(OLD), records(BETTER))
    turned = difference(*cells(summary(75.0), summary(87.5)), records(OLD), records(BETTER)[::-1])
    assert turned.differ == 50
    assert turned.interval == pytest.approx(ordered.interval)


def test_questions_on_one_page_count_as_one_cluster() -> None:
    def paged(scores: list[float | None]) -> list[Record]:
        return [replace(r, cluster=f"page {at // 8}") for at, r in enumerate(records(scores))]

    # Of 50 pages with 8 questions each, 25 win both that were wrong and 25 win none: every page's
    # total lies 1 from the mean of 1.
    pages: list[float | None] = [1.0 if at // 8 % 2 else OLD[at] for at in range(N)]
    gap = difference(*cells(summary(75.0), summary(87.5)), paged(OLD), paged(pages))
    reach = 100 * T_49 * sqrt(50 * 50 / 49) / N
    assert gap.interval == pytest.approx((12.5 - reach, 12.5 + reach), abs=1e-4)


def test_questions_without_a_grade_leave_the_pairs() -> None:
    scores = cells(summary(75.0), summary(87.2))
    ungraded = [None if at < 8 else score for at, score in enumerate(BETTER)]
    gap = difference(*scores, records(OLD), records(ungraded))
    assert (gap.n, gap.differ) == (N - 8, 49)
    gap = difference(*scores, records(ungraded), records(OLD))
    assert (gap.n, gap.differ) == (N - 8, 49)
    assert difference(*scores, records([None] * N), records(OLD)).kind == "unpaired"


def test_a_few_wins_are_drawn_towards_no_difference() -> None:
    # With 3 differing questions one win and one loss are added, so the interval's middle, about
    # 3 of 402, lies nearer to 0 than the difference of 3 of 400.
    wins = [1.0 if at in (0, 4, 8) else score for at, score in enumerate(OLD)]
    gap = difference(*cells(summary(75.0), summary(75.75)), records(OLD), records(wins))
    assert gap.interval is not None
    assert sum(gap.interval) / 2 == pytest.approx(100 * 3 / 402, abs=1e-3)


def test_without_scores_of_items_it_is_unpaired_and_says_so() -> None:
    gap = difference(*cells(summary(75.0), summary(80.0)), [], [])
    assert (gap.value, gap.kind, gap.n, gap.differ) == (5.0, "unpaired", None, None)
    assert gap.interval == pytest.approx((5 - hypot(5, 5), 5 + hypot(5, 5)))
    unsure = difference(*cells(summary(75.0, interval=None), summary(80.0)), [], [])
    assert (unsure.value, unsure.interval) == (5.0, None)


REFUSED = {
    "split": ({"split": "validation"}, "other split: test in A, validation in B"),
    "scale": ({"scale": "points"}, "other scale: percent in A, points in B"),
    "metric": ({"primary": "x", "metrics": {"x": 1.0}}, "other metric: m in A, x in B"),
    "judge": ({"judge": "qwen3-32b"}, "other judge: none in A, qwen3-32b in B"),
    "form": ({"form": "short-answer"}, "other form: none in A, short-answer in B"),
    "data": ({"data": "builtin"}, "one of them is on the built-in set"),
    "private": ({"metrics": {}}, "a private split has no score"),
    "size": ({"n": N - 1}, "other questions: 400 in A, 399 in B"),
}


@pytest.mark.parametrize(("change", "reason"), REFUSED.values(), ids=REFUSED)
def test_unlike_scores_are_refused_in_the_cell(change: dict[str, Any], reason: str) -> None:
    gap = difference(*cells(summary(75.0), summary(75.0) | change), [], [])
    assert gap == Gap(run="B", base="A", reason=f"B - A: {reason}")


def test_other_questions_are_refused_even_when_there_are_as_many() -> None:
    moved = [replace(r, id=str(int(r.id) + 100)) for r in records(NEW)]
    gap = difference(*cells(summary(75.0), summary(75.0)), records(OLD), moved)
    assert gap.value is None
    assert gap.reason == "B - A: other questions: 300 in both, 100 only in A, 100 only in B"


def test_what_may_move_a_score_but_forbids_nothing_is_a_remark() -> None:
    other = summary(75.0, scorer="lmms_eval", version="2")
    gap = difference(*cells(summary(75.0), other), records(OLD), records(NEW))
    assert gap.remark == (
        "B - A: scorer official in A, lmms_eval in B, task version 1 in A, 2 in B"
    )
    assert gap.kind == "paired"


def test_two_runs_from_disk(save: Save) -> None:
    first = save("one", summary(75.0), records(OLD))
    second = save("two", summary(87.5, protocol="mixin"), records(BETTER))
    table = compare([first, second])
    assert (table.runs, table.paths) == (("A", "B"), (str(first), str(second)))
    (row,) = table.rows
    assert [gap.value for gap in row.gaps] == [12.5]
    text = render(table, width=200)
    assert f"A  {first} (release)\nB  {second} (mixin)\n" in text
    assert "+12.5 [" in text
    assert "clustered by picture or video" in text
    assert "on the same questions one by one" in text


def test_the_first_run_is_the_one_compared_with(save: Save) -> None:
    runs = (("a", 75.0, OLD), ("b", 87.5, BETTER), ("c", 75.0, NEW))
    paths = [save(name, summary(value), records(scores)) for name, value, scores in runs]
    (row,) = compare(paths).rows
    assert [(gap.run, gap.base, gap.value) for gap in row.gaps] == [
        ("B", "A", 12.5),
        ("C", "A", 0.0),
    ]
    (row,) = compare(paths[::-1]).rows
    assert [gap.value for gap in row.gaps] == [12.5, 0.0]


def test_a_task_that_one_run_lacks_is_shown_without_a_difference(save: Save) -> None:
    first = save("one", summary(75.0), records(OLD))
    save("one", summary(50.0, task="textvqa"), records(OLD), place="u")
    second = save("two", summary(87.5), records(BETTER))
    rows = compare([first, second]).rows
    assert [(r.name, len(r.scored), len(r.gaps)) for r in rows] == [
        ("chartqa", 2, 1),
        ("textvqa", 1, 0),
    ]
    assert "textvqa" in render(compare([second, first]), width=80)


def test_one_run_is_an_overview(save: Save) -> None:
    table = compare([save("one", summary(75.0), records(OLD))])
    assert (table.runs, table.paths) == (("",), ())
    assert "This run" in render(table)


def test_a_folder_of_evalkit_score_is_a_run(save: Save) -> None:
    folder = save("one", summary(75.0), records(OLD)) / "t"
    assert compare([folder]).rows[0].scored[0].value == 75.0


def test_published_numbers_come_from_the_runs_config_or_the_command(save: Save) -> None:
    first = save("one", summary(72.44, 2500, primary="relaxed_accuracy",
                                metrics={"relaxed_accuracy": 72.44}), None)  # fmt: skip
    assert compare([first]).published is None
    (first / "config.yaml").write_text("model: {name: x, published: qwen2_vl_2b}\n", "utf-8")
    assert "below by 1.1" in render(compare([first]))
    other = save("two", summary(80.0, 2500), None)
    (other / "config.yaml").write_text("model: {published: qwen2_vl_7b}\n", "utf-8")
    both = compare([first, other])
    assert both.published is None
    assert "pick one with --published" in render(both, width=200)
    picked = compare([first, other], "qwen2_vl_7b")
    assert picked.published is not None
    assert picked.published.model == "Qwen/Qwen2-VL-7B-Instruct"


@pytest.mark.parametrize("text", ["model: null", "- a", "model: {}", ": ["])
def test_a_config_that_names_none_is_no_obstacle(save: Save, text: str) -> None:
    run = save("one", summary(75.0), records(OLD))
    (run / "config.yaml").write_text(text, "utf-8")
    assert compare([run]).published is None


def test_mistakes_are_one_line(save: Save, tmp_path: Path) -> None:
    run = save("one", summary(75.0), records(OLD))
    with pytest.raises(UsageError, match="Did you mean qwen2_vl_2b"):
        compare([run], "qwen2_vl_2")
    with pytest.raises(UsageError, match="no results in"):
        compare([tmp_path / "nowhere"])
    with pytest.raises(UsageError, match="compare at most 26"):
        compare([run] * 27)
    (run / "t" / "summary.json").write_text(json.dumps({"task": "x"}), "utf-8")
    with pytest.raises(UsageError, match="not a summary"):
        compare([run])


def test_subsets_stand_side_by_side(save: Save) -> None:
    first = save("one", summary(75.0, metrics={"m": 75.0, "m/half": 70.0}), records(OLD))
    second = save("two", summary(87.5, metrics={"m": 87.5, "m/half": 80.0}), records(BETTER))
    row = compare([first, second], subsets=True).rows[1]
    assert (row.name, [cell.value for cell in row.scored], row.gaps) == ("half", [70.0, 80.0], ())
