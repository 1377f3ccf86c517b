"""Stored answers: from memory, from a run's responses, from anybody's predictions."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from evalkit.backends.base import Backend
from evalkit.backends.replay import ReplayBackend
from evalkit.errors import UsageError
from evalkit.types import Request, Response

Ask = Callable[..., Request]


def write(file: Path, *lines: object) -> Path:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return file


def answers(backend: Backend, *groups: list[Request]) -> list[Response]:
    with backend as opened:
        return list(opened.generate(groups))


def test_answers_come_by_id_and_a_missing_one_is_an_error(request_of: Ask) -> None:
    backend = ReplayBackend(answers={"a": "yes", "b": Response(id="b", text="no", seconds=1.5)})
    groups = [[request_of("?", name="b"), request_of("?", name="c")], [request_of("?", name="a")]]
    assert answers(backend, *groups) == [
        Response(id="b", text="no", seconds=1.5),
        Response(id="c", error="no stored answer"),
        Response(id="a", text="yes"),
    ]


def test_a_run_is_replayed_as_it_was_but_for_its_keys(request_of: Ask, tmp_path: Path) -> None:
    stored = [
        Response(
            id="1",
            text="",
            finish_reason="length",
            grid=((1, 4, 6),),
            key="k",
            digests={"prompt": "p"},
        ),
        Response(id="2", error="out of memory"),
    ]
    file = write(tmp_path / "responses.jsonl", *map(dataclasses.asdict, stored))
    asked = [request_of("?", name="1"), request_of("?", name="2")]
    assert answers(ReplayBackend(answers=file), asked) == [
        dataclasses.replace(stored[0], key=""),
        stored[1],
    ]


def test_predictions_keep_extractions_and_verdicts(request_of: Ask, tmp_path: Path) -> None:
    lines = [
        {"id": 7, "prediction": "It is 4.", "extraction": "4", "judge": "1", "model": "other"},
        {"id": "8", "prediction": "line\u2028separator"},
    ]
    file = write(tmp_path / "predictions.jsonl", *lines)
    asked = [request_of("?", name="7"), request_of("?", name="8")]
    assert answers(ReplayBackend(answers=str(file)), asked) == [
        Response(id="7", text="It is 4.", extraction="4", judge="1"),
        Response(id="8", text="line\u2028separator"),
    ]


def test_the_last_of_several_answers_counts_and_a_torn_one_does_not(
    request_of: Ask, tmp_path: Path
) -> None:
    file = write(tmp_path / "r.jsonl", {"id": "1", "error": "dead"}, {"id": "1", "text": "alive"})
    with file.open("a") as stream:
        stream.write('{"id": "1", "text": "ha')
    assert answers(ReplayBackend(answers=file), [request_of("?", name="1")])[0].text == "alive"


@pytest.mark.parametrize(
    "line",
    [
        '{"id": 1, "text": "x", "grid": [1]}',
        '{"id": "1"}',
        '{"prediction": "x"}',
        "[1]",
        "7",
        "{",
        "null",
    ],
)
def test_a_line_that_is_no_answer_is_named(line: str, tmp_path: Path) -> None:
    file = tmp_path / "predictions.jsonl"
    file.write_text('{"id": "0", "prediction": "x"}\n' + line + "\n", "utf-8")
    with pytest.raises(
        UsageError, match=r"cannot read stored answers: .*predictions\.jsonl: line 2"
    ):
        ReplayBackend(answers=file).__enter__()


def test_no_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read stored answers: .*nope") as caught:
        ReplayBackend(answers=tmp_path / "nope").__enter__()
    assert "\n" not in str(caught.value)


def test_other_answers_are_another_model() -> None:
    with ReplayBackend(answers={"a": "yes"}) as one, ReplayBackend(answers={"a": "no"}) as other:
        assert one.identity["model"] == other.identity["model"] == "replay"
        assert one.identity["revision"] != other.identity["revision"]
        assert one.facts["answers"] == 1
