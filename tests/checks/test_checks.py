"""Every fault that is planted in a server is found, and a sound one passes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from evalkit.checks.against import agreement
from evalkit.checks.findings import Findings
from evalkit.checks.questions import questions
from evalkit.checks.run import check
from evalkit.checks.steady import batch, determinism
from evalkit.compose import compose
from evalkit.errors import BackendError, UsageError
from evalkit.types import Media, Pixels, Request, Response
from evalkit.verbs.check import check as verb


@pytest.fixture(scope="module")
def sound(server: Any, served: Any) -> Iterator[str]:
    """The address of the same server without any fault."""
    twin = type(served)(folder=served.folder, other=served.other, reply=served.reply)
    twin.answered, twin._models = served.answered, served._models
    with server.serve(twin.answer) as chat:
        yield chat.url


@pytest.fixture
def spoilt(server: Any, served: Any) -> Iterator[Any]:
    """The server that faults are planted in."""
    served.faults = set()
    with server.serve(served.answer) as chat:
        served.crowd = lambda: chat._now
        served.url = chat.url
        yield served
    served.faults = set()


SMALL = "tasks.textvqa.protocols.model_card.max_pixels=50176"


def words(url: str, tiny: Path, *more: str) -> list[str]:
    return [
        "task=[textvqa]",
        SMALL,
        "limit=2",
        "model=openai",
        "model.model=tiny",
        f"model.base_url={url}",
        f"model.reference={tiny}",
        "model.max_reply=8",
        *more,
    ]


def beside(url: str) -> list[str]:
    return [
        "model@against=openai",
        "against.model=tiny",
        f"against.base_url={url}",
        "against.max_reply=8",
    ]


def found(*overrides: str) -> Findings:
    return check(compose("check", list(overrides)))


def verdicts(findings: Findings) -> dict[str, str]:
    return {line.name: line.verdict for line in findings.lines}


def test_a_sound_server_passes(spoilt: Any, sound: str, tiny: Path) -> None:
    findings = found(*words(spoilt.url, tiny, *beside(sound)))
    assert set(verdicts(findings).values()) == {"pass"}, findings.text()
    assert findings.exit_code == 0
    assert list(verdicts(findings)) == [
        "answers",
        "prompt tokens",
        "pixels",
        "determinism",
        "batch invariance",
        "pictures matter",
        "picture order",
        "lossless pictures",
        "truncation",
        "same prompts",
        "same answers",
    ]


PLANTED = {
    "wrong template": "prompt tokens",
    "smaller pixels": "prompt tokens",
    "dropped images": "pictures matter",
    "system prompt missing": "prompt tokens",
    "sampling": "determinism",
    "truncated output": "truncation",
    "batch leak": "batch invariance",
}
"""Faults that one backend gives away by itself, and the line that must tell."""


@pytest.mark.parametrize("fault", PLANTED)
def test_a_fault_is_caught(spoilt: Any, tiny: Path, fault: str) -> None:
    spoilt.faults = {fault}
    findings = found(*words(spoilt.url, tiny))
    assert verdicts(findings)[PLANTED[fault]] == "fail", findings.text()
    assert findings.exit_code == 1
    line = next(line for line in findings.lines if line.name == PLANTED[fault])
    assert line.cure
    assert line.items


@pytest.mark.parametrize("fault", ["swapped images", "JPEG re-encoding", "wrong model"])
def test_a_fault_is_caught_beside_a_sound_backend(
    spoilt: Any, sound: str, tiny: Path, fault: str
) -> None:
    spoilt.faults = {fault}
    findings = found(*words(spoilt.url, tiny, *beside(sound)))
    line = next(line for line in findings.lines if line.name == "same answers")
    assert findings.exit_code in (1, 4), findings.text()
    assert line.verdict in ("fail", "warn"), findings.text()
    assert re.search(r"\d+ of 15 answers are identical .* part at token \d+ to \d+", line.said)
    if fault == "swapped images":
        assert {name for name in line.items if not name.startswith("order:")} == set()
        assert set(line.items) == {"order:red,blue", "order:blue,red"}


class Seeing:
    """A model that sees colours and patterns, as real ones do, with faults planted in it."""

    def __init__(self, server: Any, picture: Any, lossy: Any, fault: str) -> None:
        self.reply, self.picture, self.lossy, self.fault = server.Reply, picture, lossy, fault

    def answer(self, body: Any, number: int) -> Any:
        pieces = body["messages"][-1]["content"]
        images = [self.picture(part) for part in pieces if part["type"] == "image_url"]
        text = pieces[-1]["text"]
        if self.fault == "swapped images":
            images = images[::-1]
        if self.fault == "JPEG re-encoding":
            images = [self.lossy(image) for image in images]
        if "Count from 1 to 50" in text:
            last = 20 if self.fault == "truncated output" else 50
            return self.reply(text=", ".join(str(n) for n in range(1, last + 1)))
        if not images:
            return self.reply(text="nothing")
        red, _, blue = images[0].resize((1, 1)).getpixel((0, 0))
        if "two pictures" in text:
            return self.reply(text="It is red." if red > blue else "It is blue.")
        colours = len(images[0].getcolors(1 << 24))
        return self.reply(text=f"{colours} colours, {images[0].getpixel((0, 0))} in the corner")


@pytest.mark.parametrize(
    ("fault", "name", "said"),
    [
        ("", "", ""),
        ("swapped images", "picture order", "takes the second of two pictures for the first"),
        ("JPEG re-encoding", "lossless pictures", "stripes of single pixels look like plain grey"),
        ("truncated output", "truncation", "counting to 50 ended at 20"),
    ],
)
def test_what_a_model_that_sees_gives_away(
    server: Any,
    picture_of: Callable[..., Image.Image],
    lossy: Callable[..., Image.Image],
    fault: str,
    name: str,
    said: str,
) -> None:
    model = Seeing(server, picture_of, lossy, fault)
    with server.serve(model.answer) as chat:
        findings = found(
            "task=[textvqa]", "limit=2", "model=openai", "model.model=tiny",
            f"model.base_url={chat.url}",
        )  # fmt: skip
    lines = {line.name: line for line in findings.lines}
    assert lines["prompt tokens"].verdict == "warn", "there is no reference"
    if not fault:
        assert findings.exit_code == 4, findings.text()
        assert lines["picture order"].said.startswith("the model names the first")
        return
    assert (lines[name].verdict, findings.exit_code) == ("fail", 1), findings.text()
    assert said in lines[name].said


def test_a_run_can_be_compared_with(spoilt: Any, tiny: Path, tmp_path: Path) -> None:
    from evalkit.run import run

    made = run(
        compose(
            "run",
            [
                "task=[textvqa]",
                SMALL,
                "limit=2",
                f"out={tmp_path}",
                f"model.path={tiny}",
                "model.max_reply=8",
                "model.dtype=bfloat16",
            ],
        ),
        quiet=True,
    )
    findings = found(*words(spoilt.url, tiny, f"against={made.folder}"))
    assert verdicts(findings)["same prompts"] == "pass"
    assert verdicts(findings)["same answers"] == "pass", findings.text()
    with pytest.raises(UsageError, match="no answer to any of these"):
        found(*words(spoilt.url, tiny, f"against={tmp_path}"))


def test_what_is_compared_with_is_a_model_or_a_run() -> None:
    with pytest.raises(UsageError, match=r"unknown model or run's folder: opnai\. Did you mean"):
        verb(["against=opnai"])


def test_questions_on_videos_come_with_their_subtitles() -> None:
    asked = questions(compose("check", ["task=[videomme_subs]", "limit=3"]))
    assert len(asked) == 3
    for request in asked:
        assert all(isinstance(part, (str, Media)) for part in request.parts)
        assert any("subtitles are listed below" in str(part) for part in request.parts)


def test_what_is_never_answered_is_no_sign_of_sampling() -> None:
    size = Pixels(min_pixels=3136, max_pixels=50176)
    asked = [
        Request(id=name, parts=("What?",), pixels=size, max_new_tokens=8) for name in ("a", "b")
    ]
    first = {"a": Response(id="a", text="yes"), "b": Response(id="b", error="no")}
    lost = {"a": Response(id="a", error="no"), "b": Response(id="b", error="no")}
    assert determinism(asked, first, first).verdict == "pass"
    assert batch(asked, first, first, steady=True).verdict == "pass"
    assert determinism(asked, first, lost).items == ("a",)


def test_a_dead_backend_is_no_finding(server: Any) -> None:
    answer = lambda body, number: server.Fault(401) if number else server.Reply()  # noqa: E731
    with server.serve(answer) as chat, pytest.raises(BackendError, match="wants a key"):
        found(
            "task=[textvqa]", "limit=1", "model=openai", "model.model=tiny",
            f"model.base_url={chat.url}",
        )  # fmt: skip


def test_the_verb_prints_and_returns_the_exit_code(
    server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with server.serve() as chat:
        words = ["task=[textvqa]", "limit=1", "model=openai", "model.model=tiny"]
        code = verb(["--json", *words, f"model.base_url={chat.url}"])
        told = json.loads(capsys.readouterr().out)
        assert verb([*words, f"model.base_url={chat.url}"]) == code == 1
    assert told["verdict"] == "fail"
    assert {line["name"] for line in told["lines"] if line["verdict"] == "fail"} == {
        "pictures matter"
    }
    text = capsys.readouterr().out
    assert "fail  pictures matter" in text
    assert "-> pictures do not reach the model" in text


@pytest.mark.parametrize(
    ("leads", "said"), [((0.2, 0.3), "1 of 1 were close"), ((0.2, 9.0), "0 of 1 were close")]
)
def test_answers_that_differ_are_told_as_close_calls_or_not(
    leads: tuple[float, float], said: str
) -> None:
    ours, theirs = (
        {"a": Response(id="a", text=text, details={"lead": lead}), "b": Response(id="b", text="no")}
        for text, lead in zip(("yes", "maybe"), leads, strict=True)
    )
    assert said in agreement(["a", "b"], ours, theirs, None).said
    silent = {name: replace(reply, details={}) for name, reply in ours.items()}
    other = silent | {"a": Response(id="a", text="maybe")}
    assert "close" not in agreement(["a", "b"], silent, other, None).said
