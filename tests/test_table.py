"""Tables: what they read like at a fixed width, what they say, and what they refuse to say."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evalkit.cells import cell_from, judged, printed
from evalkit.errors import UsageError
from evalkit.published import Published, for_model
from evalkit.render import FORMS, render
from evalkit.table import Gap, Table, build
from evalkit.terminal import show

TABLES = Path(__file__).resolve().parent / "golden" / "tables"
"""What a terminal of some width shows, as somebody read and approved it."""
MODEL = "Qwen/Qwen2-VL-2B-Instruct"
METRICS = {
    "docvqa": "anls", "infovqa": "anls", "chartqa": "relaxed_accuracy", "mmvet": "score",
    "textvqa": "vqa_accuracy", "ocrbench": "points",
}  # fmt: skip


def summary(task: str, value: float | None, n: int, split: str, **more: Any) -> dict[str, Any]:
    metric = METRICS.get(task, "accuracy")
    parts = more.pop("parts", {})
    return {
        "task": task, "version": "1", "protocol": "model_card", "scorer": "official", "label": task,
        "split": split, "n": n, "n_missing": 0, "n_unparsed": 0, "n_failed": 0,
        "n_judge_failed": 0, "n_truncated": 0,
        "metrics": {} if value is None else {metric: value, **parts}, "primary": metric,
        "scale": "points" if task == "ocrbench" else "percent", "interval": None, "bounds": None,
        "partial": False, "judge": None, "model": MODEL, "data": "hub",
    } | more  # fmt: skip


FULL = [
    summary("chartqa", 72.44, 2500, "test", interval=[70.6, 74.2], n_truncated=3,
            parts={"relaxed_accuracy/human_test": 55.6, "relaxed_accuracy/augmented_test": 89.28}),
    summary("docvqa", 88.9123, 5349, "validation", interval=[88.06, 89.71]),
    summary("mmmu", 40.667, 900, "validation", interval=[37.4, 43.96], n_unparsed=7,
            bounds=[40.667, 41.444]),
    summary("ocrbench", 790, 1000, "test", interval=[763.2, 815.4]),
    summary("mmvet", 46.1, 218, "test", interval=[40.1, 52.2], judge="qwen3-32b"),
    summary("videomme_subs", 62.0, 2700, "test", interval=[59.8, 64.2]),
    summary("mine", 50.0, 10, "dev", protocol="model_card"),
]  # fmt: skip


@pytest.fixture(scope="module")
def published() -> Published:
    found = for_model("qwen2_vl_2b")
    assert found is not None
    return found


def expected(name: str) -> str:
    return (TABLES / f"{name}.txt").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "subsets", "width"), [("overview_80", False, 80), ("overview_120", True, 120)]
)
def test_one_run_in_a_terminal(name: str, subsets: bool, width: int, published: Published) -> None:
    assert render(Table.of(FULL, published, subsets=subsets), width=width) == expected(name)


def two_runs(published: Published) -> Table:
    """A table of two runs, with one difference that is known and one that is refused."""
    second = [summary("chartqa", 71.0, 2500, "test"), summary("ocrbench", 800, 1000, "test")]
    table = build({"A": [FULL[0], FULL[3]], "B": second}, published)
    gaps = (
        Gap(run="B", base="A", value=-1.44, interval=(-2.0, -0.88), kind="paired", n=2500),
        Gap(run="B", base="A", reason="B - A: other judge: x in A, none in B"),
    )
    rows = tuple(replace(row, gaps=(gap,)) for row, gap in zip(table.rows, gaps, strict=True))
    return replace(table, rows=rows, paths=("runs/one", "runs/two"))


@pytest.mark.parametrize(("name", "width"), [("columns_100", 100), ("blocks_70", 70)])
def test_two_runs_in_a_terminal(name: str, width: int, published: Published) -> None:
    assert render(two_runs(published), width=width) == expected(name)


def test_nothing_is_wider_than_the_terminal_or_beyond_ascii(published: Published) -> None:
    for width in (60, 80, 120):
        for table in (Table.of(FULL, published), two_runs(published)):
            lines = render(table, width=width).split("\n")
            assert max(map(len, lines)) <= width
            assert "".join(lines).replace("─", "").isascii()


def test_rows_follow_the_card_whatever_the_order_of_the_run(published: Published) -> None:
    order = ["mmmu", "docvqa", "chartqa", "ocrbench", "mmvet", "videomme_subs", "mine"]
    for found in (FULL, FULL[::-1]):
        assert [r.scored[0].task for r in Table.of(found, published).rows] == order


def test_colours_mark_verdicts_and_nothing_else(published: Published) -> None:
    from rich.console import Console

    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system="standard", width=80)
    show(Table.of(FULL, published), console)
    coloured = re.findall(r"\x1b\[(3\d)m([^\x1b]+?) *\x1b", stream.getvalue())
    assert set(coloured) == {
        ("32", "reproduced"), ("33", "below by 1.1"), ("33", "above by 1.6"),
    }  # fmt: skip


def test_markdown(published: Published) -> None:
    odd = summary("odd|task_*", 12.0, 3, "dev")
    text = render(Table.of([FULL[0], odd], published, subsets=True), "markdown")
    assert (
        text
        == r"""**Qwen/Qwen2-VL-2B-Instruct, protocol model\_card**

| Benchmark | Split | Published | Others | This run | n | Verdict | Note |
| --- | --- | ---: | ---: | --- | ---: | --- | --- |
| ChartQA | test | 73.5 | 72.3 to 72.6 | 72.4 [70.6, 74.2] | 2500 | below by 1.1 | 1 |
| &nbsp;&nbsp;human\_test |  |  |  | 55.6 |  |  |  |
| &nbsp;&nbsp;augmented\_test |  |  |  | 89.3 |  |  |  |
| odd\|task\_\* | dev |  |  | 12.0 | 3 |  |  |

1. 3 cut at the token limit

reproduced: within 1.0 of the published number.

[ ] is the 95 % interval for new questions, clustered by picture or video.
"""
    )


def test_replies_that_were_sampled_are_told(published: Published) -> None:
    text = render(Table.of([summary("mine", 50.0, 10, "dev", n_sampled=2)], published), "markdown")
    assert "\n1. 2 sampled: a token was not the likeliest\n" in text


def test_markdown_of_two_runs_keeps_the_verdict_beside_the_score(published: Published) -> None:
    text = render(two_runs(published), "markdown")
    assert "| ChartQA | 73.5 | 72.4 [70.6, 74.2]<br>below by 1.1 | 71.0<br>below by 2.5 | " in text
    assert "- A  runs/one\n- B  runs/two\n" in text


def test_latex(published: Published) -> None:
    odd = summary(r"a\b & c_d {e} ~^ 5% $<|>#", -0.5, 3, "dev")
    text = render(Table.of([FULL[0], odd], published, subsets=True), "latex")
    assert text.startswith(
        "% needs \\usepackage{booktabs}\n\\begin{tabular}{llrrlrll}\n\\toprule\n"
    )
    assert (
        "ChartQA & test & 73.5 & 72.3 to 72.6 & 72.4 [70.6, 74.2] & 2500 & below by 1.1 & 1 \\\\"
        in text
    )
    assert "\\quad human\\_test &  &  &  & 55.6 &  &  &  \\\\" in text
    assert (
        r"a\textbackslash{}b \& c\_d \{e\} \textasciitilde{}\textasciicircum{} 5\% "
        r"\$\textless{}\textbar{}\textgreater{}\# & dev &  &  & $-$0.5 & 3" in text
    )
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert all(mark in text for mark in ("\\midrule", "\\bottomrule", "\\end{tabular}"))


def test_csv_holds_every_number_unrounded(published: Published) -> None:
    lines = list(csv.DictReader(io.StringIO(render(two_runs(published), "csv"))))
    assert [(row["run"], row["path"], row["benchmark"]) for row in lines] == [
        ("A", "runs/one", "chartqa"), ("B", "runs/two", "chartqa"),
        ("A", "runs/one", "ocrbench"), ("B", "runs/two", "ocrbench"),
    ]  # fmt: skip
    assert (
        lines[0] | {"score": "72.44", "low": "70.6", "truncated": "3", "published": "73.5"}
        == lines[0]
    )
    assert lines[0]["verdict"] == "below by 1.1"
    assert lines[0]["others"] == "72.6 72.32"
    assert (lines[1]["difference"], lines[1]["difference_high"]) == ("-1.44", "-0.88")
    assert lines[3]["difference_reason"].startswith("B - A: other judge")
    assert render(Table.of([]), "csv") == "\n"


def test_csv_names_the_number_that_each_run_was_held_against(published: Published) -> None:
    test = summary("docvqa", None, 5188, "test")
    table = build({"A": [FULL[1]], "B": [test]}, published)
    lines = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert [line["published"] for line in lines] == ["88.34", "90.1"]


def test_json_holds_sources_and_reasons(published: Published) -> None:
    found = json.loads(render(Table.of(FULL, published), "json"))
    (row,) = (r for r in found["rows"] if r["name"] == "ChartQA")
    assert row["cells"][0]["value"] == 72.44
    assert row["entry"]["source"].startswith("https://github.com/QwenLM/Qwen2-VL")
    assert row["entry"]["reason"]
    assert [other["date"] for other in row["others"]] == ["2024-08-30", "2025-05-30"]
    assert found["published"] == {"name": "qwen2_vl_2b", "model": MODEL}


def test_an_unknown_form_names_the_known_ones(published: Published) -> None:
    with pytest.raises(UsageError, match="Did you mean markdown"):
        render(Table.of(FULL, published), "markdwon")
    for form in ("terminal", *FORMS):
        assert render(Table.of(FULL, published), form)


REFUSED = {
    "private answers": (summary("docvqa", None, 5188, "test"),
                        "the answers of test are private: send the submission file to its server"),
    "built-in set": (summary("chartqa", 4.2, 24, "test", data="builtin"),
                     "the built-in set, not the published questions"),
    "built-in, whatever its size": (summary("chartqa", 73.5, 2500, "test", data="builtin"),
                                    "the built-in set, not the published questions"),
    "other form": (summary("realworldqa", 62.9, 765, "test", form="short-answer"),
                   "other form of the questions: published multiple-choice, this run short-answer"),
    "other split": (summary("infovqa", 64.0, 23946, "train"),
                    "other split: published test, this run train"),
    "partial run": (summary("docvqa", 88.0, 44, "validation", partial=True),
                    "partial run: 44 of 5349"),
    "fewer rows": (summary("chartqa", 73.5, 2499, "test"), "partial run: 2499 of 2500"),
    "more rows": (summary("chartqa", 73.5, 2501, "test"), "other questions: 2501 of 2500"),
    "other scale": (summary("ocrbench", 79.4, 1000, "test", scale="percent"),
                    "other scale: published points, this run percent"),
    "other metric": (summary("chartqa", 73.5, 2500, "test", primary="exact",
                             metrics={"exact": 73.5}),
                     "other metric: published relaxed_accuracy, this run exact"),
    "other judge": (summary("mmvet", 49.5, 218, "test", judge="qwen3-32b"),
                    "other judge: published gpt-4-1106-preview, this run qwen3-32b"),
    "no judge": (summary("mmvet", 49.5, 218, "test"),
                 "other judge: published gpt-4-1106-preview, this run none"),
    "failures decide": (summary("chartqa", 72.0, 2500, "test", n_failed=30, n_missing=10),
                        "40 of 2500 questions have no graded answer, and they would decide: "
                        "run it again"),
    "judge's failures decide": (summary("mmvet", 49.5, 218, "test", judge="gpt-4-1106-preview",
                                        n_judge_failed=30),
                                "30 of 218 questions have no graded answer, and they would "
                                "decide: run it again"),
}  # fmt: skip


@pytest.mark.parametrize(("found", "reason"), REFUSED.values(), ids=REFUSED)
def test_no_verdict_without_the_same_question(
    found: dict[str, Any], reason: str, published: Published
) -> None:
    verdict = judged(cell_from(found), published).verdict
    assert (verdict.text, verdict.reason) == ("not comparable", reason)
    text = render(Table.of([found], published), width=200)
    assert "not comparable" in text
    assert reason in text
    assert "reproduced" not in text


JUDGED = {
    "exact": (summary("chartqa", 73.5, 2500, "test"), "reproduced", "73.5"),
    "at the tolerance": (summary("chartqa", 72.5, 2500, "test"), "reproduced", "73.5"),
    "as printed, not as stored": (summary("chartqa", 72.46, 2500, "test"), "reproduced", "73.5"),
    "below": (summary("chartqa", 72.44, 2500, "test"), "below by 1.1", "73.5"),
    "above": (summary("chartqa", 74.6, 2500, "test"), "above by 1.1", "73.5"),
    "points": (summary("ocrbench", 783, 1000, "test"), "below by 11", "794"),
    "points at the tolerance": (summary("ocrbench", 804, 1000, "test"), "reproduced", "794"),
    "wider where the authors' own differ": (summary("mmmu", 42.6, 900, "validation"),
                                            "reproduced", "41.1"),
    "authors' second table": (summary("docvqa", 87.33, 5349, "validation"),
                              "below by 1.01", "88.34"),
    "authors' comment": (summary("infovqa", 64.9, 2801, "validation"), "reproduced", "64.2"),
    "same judge": (summary("mmvet", 50.0, 218, "test", judge="gpt-4-1106-preview"),
                   "reproduced", "49.5"),
    "a failure that cannot decide": (summary("chartqa", 73.0, 2500, "test", n_failed=2),
                                     "reproduced", "73.5"),
    "unparsed counts as wrong": (summary("chartqa", 70.0, 2500, "test", n_unparsed=80,
                                         bounds=[70.0, 73.2]), "below by 3.5", "73.5"),
    "the form, where it is stated": (summary("realworldqa", 62.9, 765, "test",
                                             form="multiple-choice"), "reproduced", "62.9"),
}  # fmt: skip


@pytest.mark.parametrize(("found", "text", "number"), JUDGED.values(), ids=JUDGED)
def test_verdicts(found: dict[str, Any], text: str, number: str, published: Published) -> None:
    verdict = judged(cell_from(found), published).verdict
    assert verdict.text == text
    assert verdict.entry is not None
    assert verdict.entry.printed == number


def test_no_verdict_where_nothing_is_published(published: Published) -> None:
    assert judged(cell_from(FULL[-1]), published).verdict.text == ""
    text = render(Table.of(FULL))
    assert "Published" not in text
    assert "Verdict" not in text
    assert "chartqa" in text


def test_numbers_of_others_are_left_out_where_the_questions_differ(published: Published) -> None:
    partial = summary("chartqa", 80.0, 50, "test", partial=True)
    (row,) = Table.of([partial], published).rows
    assert row.others == ()
    assert [e.printed for e in Table.of([FULL[0]], published).rows[0].others] == ["72.6", "72.32"]


def test_numbers_of_others_are_on_the_same_form_of_the_questions() -> None:
    published = for_model("qwen2_vl_7b")
    assert published is not None
    (row,) = Table.of([summary("realworldqa", 70.1, 765, "test")], published).rows
    assert row.scored[0].verdict.text == "reproduced"
    assert published.of("realworldqa", "others") != ()
    assert row.others == ()


def test_equal_notes_share_a_number(published: Published) -> None:
    drawn = [summary(task, 1.0, 24, "test", data="builtin") for task in ("chartqa", "mmvet")]
    text = render(Table.of([*drawn, FULL[1]], published))
    assert re.findall(r"not comparable +(\d)", text) == ["2", "2"]
    assert text.count("the built-in set") == 1


def test_another_model_is_told_whose_numbers_it_stands_beside(published: Published) -> None:
    canary = [FULL[0] | {"model": "canary"}]
    assert f"Published numbers are of {MODEL}." in render(Table.of(canary, published))
    own = [FULL[0] | {"model": "qwen2_vl_2b"}]
    assert "Published numbers are of" not in render(Table.of(own, published))


def test_protocols_and_scorers_get_columns_when_they_differ(published: Published) -> None:
    other = FULL[0] | {"protocol": "lmms_eval"}
    text = render(Table.of([FULL[0], other], published), width=100)
    assert re.search(r"ChartQA +model_card .*\nChartQA +lmms_eval ", text)
    assert "protocol" not in text.split("\n")[0]
    scorers = [FULL[0], FULL[0] | {"scorer": "vlmevalkit_2024"}]
    text = render(Table.of(scorers, published), width=100)
    assert re.search(r"ChartQA +official .*\nChartQA +vlmevalkit_2024 ", text)
    table = build({"A": scorers, "B": scorers}, published)
    assert [row.variant for row in table.rows] == ["official", "vlmevalkit_2024"]


@pytest.mark.parametrize(
    ("value", "digits", "sign", "text"),
    [
        (-0.04, 1, True, "0.0"), (-0.04, 1, False, "0.0"), (0.06, 1, True, "+0.1"),
        (-1.25, 2, True, "-1.25"), (790.4, 0, False, "790"), (0.0, 1, True, "0.0"),
    ],
)  # fmt: skip
def test_numbers_as_printed(value: float, digits: int, sign: bool, text: str) -> None:
    assert printed(value, digits, sign=sign) == text


@pytest.mark.parametrize(
    "found", [{}, {"task": "a"}, {"primary": "m", "metrics": [1], "task": "a"}]
)
def test_what_is_no_summary_is_one_error(found: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="not a summary"):
        Table.of([found])
