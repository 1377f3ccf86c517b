"""What single formats hold beyond a reply: scores, filters, epochs, repeats, columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.interop.answers import Log, number_from, texts_from
from evalkit.interop.reading import read_logs

SAMPLE = {"doc_id": 3, "target": "['a', 'b']", "input": ["What?", 1], "filtered_resps": "said"}


def read(tmp_path: Path, name: str, content: Any) -> Log:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    (log,) = read_logs(path)
    return log


def test_lmms_eval_nests_its_scores(tmp_path: Path) -> None:
    line = SAMPLE | {
        "ocrbench_accuracy": {"question_type": "x", "score": 1, "prediction": "said"},
        "gpt_eval_score": {"question_id": "v1_0", "true_false": True, "extraction": ""},
        "mmmu_acc": {"id": "validation_Art_1", "parsed_pred": ["A"]},
        "anls": 0.5,
        "submission": {"answer": "said"},
    }
    (answer,) = read(tmp_path, "20260102_030405_samples_ocrbench.jsonl", json.dumps(line)).answers
    assert answer.scores == {"ocrbench_accuracy": 1.0, "gpt_eval_score": 1.0, "anls": 0.5}
    assert answer.ids == {"question_id": "v1_0", "id": "validation_Art_1"}
    assert (answer.text, answer.extraction, answer.judge) == ("said", "", None)
    assert (answer.number, answer.question, answer.golds) == (3, "What?", ("a", "b"))


def test_lmms_eval_of_2024_kept_samples_in_one_document(tmp_path: Path) -> None:
    content = {
        "args": {"model": "qwen2_vl", "model_args": "pretrained=org/m,device_map=auto"},
        "model_configs": {"task": "docvqa_val"},
        "logs": [{**SAMPLE, "doc": {"questionId": "7"}, "resps": [["raw"]]}],
    }
    log = read(tmp_path, "docvqa_val.json", content)
    assert (log.harness, log.name, log.model) == ("lmms-eval", "docvqa_val", "org/m")
    assert (log.answers[0].ids, log.answers[0].text) == ({"questionId": "7"}, "raw")


def test_several_filters_are_one_answer_and_several_replies_one_reply(tmp_path: Path) -> None:
    lines = [
        SAMPLE | {"arguments": {}, "resps": [["one", "two"]], "filter": kind, "exact_match": score}
        for kind, score in (("none", 0.0), ("flexible", 1.0))
    ]
    log = read(tmp_path, "s.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    (answer,) = log.answers
    assert log.harness == "lm-evaluation-harness"
    assert answer.scores == {"exact_match": 0.0, "exact_match,flexible": 1.0}
    assert answer.text == "one"
    assert "asked several times: the first reply of each is taken" in log.warnings[0]


def test_a_reply_that_reads_like_a_likelihood_is_one(tmp_path: Path) -> None:
    line = SAMPLE | {"arguments": {}, "resps": [["7", "True"]]}
    assert read(tmp_path, "s.jsonl", json.dumps(line)).answers[0].text == "7"


def test_inspect_scores_of_every_kind(tmp_path: Path) -> None:
    values = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0, "other": None, True: 1.0, 0.25: 0.25}
    samples = [
        {"id": n, "epoch": 1, "input": "?", "target": "t", "scores": {"match": {"value": value}}}
        for n, value in enumerate(values)
    ]
    samples[0]["scores"]["several"] = {"value": {"a": 0.5, "b": "C"}}
    samples.append(samples[0] | {"epoch": 2})
    samples[1]["scores"]["nan"] = {"value": float("nan")}
    content = {"version": 2, "eval": {"task": "x", "model": "m"}, "samples": samples}
    log = read(tmp_path, "log.json", content)
    assert [a.scores.get("match") for a in log.answers] == list(values.values())
    assert log.answers[0].scores == {"match": 1.0, "several/a": 0.5, "several/b": 1.0}
    assert "nan" not in log.answers[1].scores
    assert log.warnings == ("1 samples of later epochs are left out: the first epoch is taken",)


def test_inspect_stop_reasons_and_errors(tmp_path: Path) -> None:
    message = {
        "content": [{"type": "reasoning", "reasoning": "r"}, {"type": "text", "text": "said"}]
    }
    cut = {"id": "a", "output": {"choices": [{"message": message, "stop_reason": "max_tokens"}]}}
    dead = {"id": "b", "output": {"choices": []}, "error": {"message": "out of memory"}}
    log = read(tmp_path, "log.json", {"eval": {"task": "x"}, "samples": [cut, dead]})
    assert [(a.text, a.error) for a in log.answers] == [("said", None), (None, "out of memory")]
    assert log.answers[0].finish_reason == "length"


@pytest.mark.parametrize(
    "content",
    [
        [{"index": 0, "prediction": "a"}, {"index": 1, "prediction": None}],
        {"index": [0, 1], "prediction": ["a", None]},
        {"index": {"0": 0, "1": 1}, "prediction": {"0": "a", "1": float("nan")}},
    ],
)
def test_tables_in_json(content: Any, tmp_path: Path) -> None:
    log = read(tmp_path, "m_ChartQA_TEST.json", content)
    assert (log.name, log.model) == ("ChartQA_TEST", "m")
    assert [(a.number, a.text) for a in log.answers] == [(0, "a"), (1, "")]
    assert "1 predictions are empty cells" in log.warnings[0]


def test_only_scored_rows_of_mmmu_are_taken(tmp_path: Path) -> None:
    rows = [
        {"index": n, "prediction": "A", "split": s} for n, s in enumerate(["dev", "validation"])
    ]
    log = read(tmp_path, "m_MMMU_DEV_VAL.json", rows)
    assert [answer.number for answer in log.answers] == [1]


def test_a_rejected_score_is_none(tmp_path: Path) -> None:
    rows = [{"index": n, "prediction": "A", "score": s, "hit": 1} for n, s in enumerate([-1, 1])]
    log = read(tmp_path, "m_Video-MME.json", rows)
    assert [answer.scores for answer in log.answers] == [{"hit": 1.0}, {"hit": 1.0, "score": 1.0}]


@pytest.mark.parametrize(
    ("cell", "texts"),
    [
        ("['a', \"b's\"]", ("a", "b's")),
        ("['a', 'b']", ("a", "b")),
        ("('a',)", ("a",)),
        ("[1, 2.5]", ("1", "2.5")),
        ("[x", ("[x",)),
        ("[" * 5000, ("[" * 5000,)),
        ("__import__('os').getpid()", ("__import__('os').getpid()",)),
        ("[__import__('os').getpid()]", ("[__import__('os').getpid()]",)),
        (7, ("7",)),
        (None, ()),
        (["a", None], ("a",)),
    ],
)
def test_reference_answers_of_a_cell(cell: Any, texts: tuple[str, ...]) -> None:
    assert texts_from(cell) == texts


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3), (3.0, 3), ("3", 3), ("3.0", 3), ("3.5", None), (True, None), ("²", None), (-1, None)],
)
def test_whole_numbers(value: Any, number: int | None) -> None:
    assert number_from(value) == number
