"""A chat endpoint that is asked right, behaves badly, and is never believed blindly."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from evalkit.backends.openai import OpenAIBackend
from evalkit.backends.openai_hello import _question
from evalkit.backends.openai_messages import Sender
from evalkit.backends.qwen2_vl import Preparer
from evalkit.backends.reference import Reference, load_reference
from evalkit.checks import prompts
from evalkit.data.images import load_image
from evalkit.errors import BackendError, UsageError
from evalkit.types import Frames, Media, Request, Response

Draw = Callable[..., Image.Image]
Encode = Callable[..., Media]
Ask = Callable[..., Request]


@pytest.fixture(scope="session")
def server() -> Any:
    """The module with the tests' own server."""
    import importlib.util
    import sys

    path = Path(__file__).with_name("chat_server.py")
    spec = importlib.util.spec_from_file_location("chat_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["chat_server"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def questions(picture: Draw, media: Encode, request_of: Ask) -> list[Request]:
    """Two questions on one picture, and one on text."""
    page = media(picture("RGB", (420, 280)))
    return [
        request_of(page, "What is it?", name="q0"),
        request_of(page, "Why?", name="q1"),
        request_of("What is left?", name="q2"),
    ]


@pytest.fixture(params=["aiohttp", "httpx"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either of the libraries that carry requests."""
    if request.param == "httpx":
        monkeypatch.setattr("evalkit.backends.openai_http.find_spec", lambda name: None)


def backend(chat: Any, **settings: Any) -> OpenAIBackend:
    return OpenAIBackend(**{"model": "tiny", "base_url": chat.url, "patience": 2.0, **settings})


def answers(opened: OpenAIBackend, *groups: list[Request]) -> list[Response]:
    found = list(opened.generate(groups))
    return sorted(found, key=lambda response: response.id)


def asked(chat: Any) -> list[dict[str, Any]]:
    """Return what was asked after the greeting."""
    return list(chat.asked[1:])


def honest(reference: Reference, *requests: Request) -> list[int]:
    """Return what a server must count."""
    sender = Sender(images="resized", videos="frames")
    return [
        reference.expect(r, [sender.send(medium, r).extents for medium in r.media]).tokens
        for r in requests
    ]


def after_hello(then: Callable[[Any, int], Any], server: Any) -> Callable[[Any, int], Any]:
    """Return an answer function that greets well and then behaves as given, counting from 0."""
    return lambda body, number: then(body, number - 1) if number else server.Reply()


def pixels_of(part: dict[str, Any]) -> Image.Image:
    data = part["image_url"]["url"].partition("base64,")[2]
    return Image.open(io.BytesIO(base64.b64decode(data)))


def token(text: str, own: float, *likeliest: tuple[str, float]) -> dict[str, Any]:
    top = [{"token": name, "logprob": value} for name, value in likeliest]
    return {"token": text, "logprob": own, "top_logprobs": top}


SURE = token("yes", -0.1, ("yes", -0.1), ("no", -2.5))
CLOSE = token("\ufffd", -0.7, ("\ufffd", -0.7), ("\ufffd", -0.8))
DRAWN = token("no", -3.1, ("yes", -0.1), ("maybe", -2.9))


@pytest.mark.parametrize(
    ("logprobs", "lead"),
    [
        ({"content": [SURE]}, 2.4),
        ({"content": [SURE, CLOSE]}, 0.1),
        ({"content": [CLOSE, DRAWN, SURE]}, -3.0),
        ({"content": [token("yes", 0.0, ("yes", 0.0), ("no", float("-inf")))]}, None),
        ({"content": []}, None),
        ({"content": None}, None),
        ({"content": [{"token": "yes", "logprob": -0.1}]}, None),
        ({"content": [token("yes", -0.1, ("yes", -0.1))]}, None),
        ({"tokens": ["yes"], "token_logprobs": [-0.1]}, None),
        ([], None),
        (None, None),
    ],
)
def test_leads_are_asked_for_and_read(
    server: Any, questions: list[Request], logprobs: Any, lead: float | None
) -> None:
    reply = server.Reply(logprobs=logprobs)
    with server.serve(lambda body, number: reply) as chat, backend(chat, leads=True) as opened:
        found = answers(opened, questions)
        bodies = chat.asked
        plain = backend(chat)
        assert (plain.identity, plain.settings) == (opened.identity, opened.settings)
    assert {(body["logprobs"], body["top_logprobs"]) for body in bodies} == {(True, 2)}
    assert [response.text for response in found] == ["yes"] * 3
    assert {response.details.get("lead") for response in found} == {lead}


def test_a_request_says_what_the_protocol_says(server: Any, questions: list[Request]) -> None:
    with server.serve() as chat, backend(chat, seed=7, extra={"repetition_penalty": 1.0}) as opened:
        first, _, text = answers(opened, questions[:2], questions[2:])
        bodies = asked(chat)
    body = next(body for body in bodies if "What is it?" in str(body))
    assert {name: body[name] for name in body if name != "messages"} == {
        "model": "tiny",
        "temperature": 0.0,
        "frequency_penalty": 0.0,
        "seed": 7,
        "repetition_penalty": 1.0,
        "max_tokens": 8,
        "mm_processor_kwargs": {"min_pixels": 3136, "max_pixels": 1003520},
    }
    [turn] = body["messages"]
    assert [part["type"] for part in turn["content"]] == ["image_url", "text"]
    shown = pixels_of(turn["content"][0])
    page = questions[0].media[0]
    assert shown.format == "PNG"
    assert shown.tobytes() == load_image(page, questions[0].pixels).tobytes()
    assert (first.text, first.finish_reason, first.prompt_tokens) == ("yes", "stop", 10)
    assert first.details["images"] == [{"before": [420, 280], "after": [420, 280]}]
    assert set(first.digests) == {"generation", "pixels"}
    [plain] = [body for body in bodies if "What is left?" in str(body)]
    assert "mm_processor_kwargs" not in plain
    assert text.text == "yes"


def test_a_system_turn_and_a_begun_reply(server: Any, request_of: Ask) -> None:
    with server.serve() as chat, backend(chat) as opened:
        answers(opened, [request_of("Why?", system="Be brief.", prefill="Because")])
        body = asked(chat)[0]
    assert [turn["role"] for turn in body["messages"]] == ["system", "user", "assistant"]
    assert (body["add_generation_prompt"], body["continue_final_message"]) == (False, True)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_datasets_own_bytes_are_never_encoded_again(
    server: Any, picture: Draw, media: Encode, request_of: Ask, kind: str
) -> None:
    page = media(picture("RGB", (300, 200)), kind)
    with server.serve() as chat, backend(chat, images="original") as opened:
        [reply] = answers(opened, [request_of(page, "What?")])
        url = asked(chat)[0]["messages"][0]["content"][0]["image_url"]["url"]
    assert url.startswith(f"data:image/{kind.lower()};base64,")
    assert base64.b64decode(url.partition("base64,")[2]) == page.data
    assert reply.details["images"] == [{"before": [300, 200], "after": [308, 196]}]
    assert "pixels" not in reply.digests, "the server resizes: what it saw is not known here"


def test_pictures_by_name(
    server: Any, picture: Draw, media: Encode, request_of: Ask, tmp_path: Path
) -> None:
    page = media(picture())
    with server.serve() as chat:
        with backend(chat, images="file", media_folder=str(tmp_path)) as opened:
            answers(opened, [request_of(page, "What?")])
        named = chat.asked[-1]["messages"][0]["content"][0]["image_url"]["url"]
        assert Path(named.removeprefix("file://")).read_bytes() == page.data
        served = {"media_folder": str(tmp_path), "media_url": "http://127.0.0.1:1/m/"}
        with backend(chat, images="url", **served) as opened:
            answers(opened, [request_of(page, "What?")])
        named = chat.asked[-1]["messages"][0]["content"][0]["image_url"]["url"]
    assert named.startswith("http://127.0.0.1:1/m/")
    assert (tmp_path / named.rpartition("/")[2]).read_bytes() == page.data


def test_what_cannot_be_sent_without_loss_is_a_failed_request(
    server: Any, picture: Draw, media: Encode, request_of: Ask
) -> None:
    with server.serve() as chat, backend(chat, images="original") as opened:
        replies = answers(
            opened,
            [request_of(media(picture(), "BMP"), "What?", name="a")],
            [request_of(Media(kind="image", name="gone.png"), "What?", name="b")],
            [request_of(Media(kind="image", data=b"no", name="no.png"), "What?", name="c")],
            [request_of("Fine?", name="d")],
        )
        with pytest.raises(UsageError, match=r"jpeg:85 .*model.images=resized"):
            answers(opened, [request_of(media(picture()), "What?", reencode="jpeg:85")])
    errors = [reply.error or "" for reply in replies]
    assert "BMP" in errors[0]
    assert "without this image" in errors[1]
    assert "not a picture" in errors[2]
    assert errors[3] == ""


def test_a_video_goes_as_frames_or_as_pictures(
    server: Any, clip: Media, request_of: Ask, tiny: Path
) -> None:
    frames = Frames(rule="qwen_vl_utils_0.0.8", fps=2.0, min_pixels=3136, max_pixels=50176)
    request = request_of(clip, "What?", frames=frames)
    settings = {"reference": str(tiny), "on_mismatch": "report"}
    with server.serve() as chat:
        with backend(chat, **settings) as opened:
            [video] = answers(opened, [request])
        [part] = [p for p in chat.asked[-1]["messages"][0]["content"] if p["type"] == "video_url"]
        with backend(chat, videos="images", **settings) as opened:
            [pictures] = answers(opened, [request])
        parts = chat.asked[-1]["messages"][0]["content"]
    files = part["video_url"]["url"].removeprefix("data:video/jpeg;base64,").split(",")
    assert [Image.open(io.BytesIO(base64.b64decode(file))).format for file in files] == ["PNG"] * 6
    assert [p["type"] for p in parts] == ["image_url"] * 6 + ["text"]
    assert video.details["videos"][0]["frames"] == list(range(6))
    # Two frames of a video share their tokens; pictures do not.
    wanted = [reply.details["expected_prompt_tokens"] for reply in (video, pictures)]
    assert wanted[1] - wanted[0] == 6 * 12 - 3 * 12 + 5 * 2


def test_a_model_that_goes_by_the_frame_rate_is_told_it(
    server: Any, clip: Media, request_of: Ask, tiny: Path, tmp_path: Path
) -> None:
    frames = Frames(rule="qwen_vl_utils_0.0.8", fps=1.0, min_pixels=3136, max_pixels=50176)
    request = request_of(clip, "What?", frames=frames)
    timed = shutil.copytree(tiny, tmp_path / "timed")
    card = timed / "preprocessor_config.json"
    about = json.loads(card.read_text())
    card.write_text(json.dumps({**about, "processor_class": "Qwen2_5_VLProcessor"}))
    told = {"reference": str(timed), "on_mismatch": "report"}
    with server.serve() as chat:
        with backend(chat, **told) as opened:
            answers(opened, [request])
        # Four frames of three seconds.
        assert chat.asked[-1]["media_io_kwargs"] == {"video": {"fps": pytest.approx(4 / 3)}}
        with backend(chat, **told, pixel_limits=False) as opened:
            [reply] = answers(opened, [request])
        assert "media_io_kwargs" not in chat.asked[-1]
    assert prompts.rates([request], {request.id: reply}).verdict == "fail"
    [greeting] = honest(load_reference(str(timed), None), _question())
    with (
        server.serve(lambda body, number: server.Reply(prompt_tokens=greeting)) as chat,
        backend(chat, reference=str(timed), pixel_limits=False) as opened,
        pytest.raises(UsageError, match="--trust-request-mm-kwargs"),
    ):
        answers(opened, [request])


def test_a_server_that_takes_no_frames_is_told_with_what_to_type(
    server: Any, clip: Media, request_of: Ask
) -> None:
    frames = Frames(rule="qwen_vl_utils_0.0.8", fps=2.0, min_pixels=3136, max_pixels=50176)
    request = request_of(clip, "What?", frames=frames)
    said = "An exception occurred while loading VIDEO data at index 0: Non-base64 digit found"
    answer = after_hello(lambda body, n: server.Fault(400, said), server)
    with server.serve(answer) as chat, backend(chat) as opened:
        [text, video] = answers(opened, [request_of("Fine?", name="a"), request])
    with server.serve(answer) as chat, backend(chat, videos="images") as opened:
        [pictures] = answers(opened, [request])
    assert str(video.error).endswith("model.videos=images or file")
    assert "model.videos" not in f"{text.error}{pictures.error}"


def test_the_reference_says_what_the_models_own_preparer_says(
    tiny: Path, picture: Draw, media: Encode, request_of: Ask, clip: Media
) -> None:
    from transformers import AutoProcessor

    frames = Frames(rule="qwen_vl_utils_0.0.8", fps=2.0, min_pixels=3136, max_pixels=50176)
    pages = [media(picture("RGB", size)) for size in ((420, 280), (37, 1001))]
    requests = [
        request_of(pages[0], "What?"),
        request_of("First", pages[1], "then", pages[0], "?", system="Be brief.", prefill="It"),
        request_of("Nothing to see: é 你"),
        request_of(clip, "What?", frames=frames),
    ]
    reference = load_reference(str(tiny), None)
    preparer = Preparer(processor=AutoProcessor.from_pretrained(tiny))
    for images in ("resized", "original"):
        sender = Sender(images=images, videos="frames")
        for request in requests:
            sent = [sender.send(medium, request).extents for medium in request.media]
            expected, real = reference.expect(request, sent), preparer.prepare(request)
            assert (expected.tokens, expected.grid) == (real.tokens, real.grid)
            assert expected.digests == {k: real.digests[k] for k in ("prompt", "tokens")}


def test_a_count_that_is_not_the_references_stops_the_run(
    server: Any, questions: list[Request], tiny: Path
) -> None:
    reference = load_reference(str(tiny), None)

    def answer(body: Any, number: int) -> Any:
        if number == 0:
            return server.Reply(prompt_tokens=hello_tokens)
        truth = counts[number - 1]
        return server.Reply(prompt_tokens=truth if number == 1 else truth - 24)

    hello_tokens, *counts = honest(reference, _question(), *questions[:2])
    found: list[Response] = []
    with (
        server.serve(answer) as chat,
        backend(chat, reference=str(tiny), concurrency=1) as opened,
        pytest.raises(BackendError, match=r"q1: prompt mismatch: .*model.on_mismatch=report"),
    ):
        found.extend(opened.generate([questions[:2]]))
    # What was answered before is yielded before the run stops.
    with server.serve(answer) as chat, backend(chat, reference=str(tiny), concurrency=1) as opened:
        stream = opened.generate([questions[:2]])
        first, second = next(stream), next(stream)
        with pytest.raises(BackendError):
            next(stream)
    assert (first.id, first.text, first.grid) == ("q0", "yes", ((1, 20, 30),))
    assert set(first.digests) == {"generation", "pixels", "prompt", "tokens"}
    assert (second.text, second.prompt_tokens) == (None, counts[1] - 24)
    assert "prompt mismatch" in str(second.error)
    assert second.details["expected_prompt_tokens"] == counts[1]


def test_a_mismatch_can_be_reported_and_no_reference_is_said_to_be_none(
    server: Any, questions: list[Request], tiny: Path
) -> None:
    with server.serve() as chat:
        with backend(chat, reference=str(tiny), on_mismatch="report") as opened:
            [reply, *_] = answers(opened, questions)
            assert opened.facts["token_check"]["on_mismatch"] == "report"
        with backend(chat) as opened:
            assert "off" in opened.facts["token_check"]
            assert opened.facts["served"]["owned_by"] == "tests"
    assert (reply.text, reply.grid) == ("yes", ())
    assert reply.details["cause"] == "mismatch"
    assert "tokens" not in reply.digests


def test_a_server_that_lies_about_the_greeting_never_starts(server: Any, tiny: Path) -> None:
    def blind(body: Any, number: int) -> Any:
        return server.Reply(prompt_tokens=None)

    for answer, said in ((None, "counts 10"), (blind, "does not say how many")):
        with (
            server.serve(answer) as chat,
            pytest.raises(BackendError, match=said),
            backend(chat, reference=str(tiny)),
        ):
            pass


FAULTS = {
    "rate limit": {"status": 429},
    "failure": {"status": 500},
    "overload": {"status": 503},
    "cut": {"raw": b'{"choices": [{"message"', "cut": True},
    "nothing": {"raw": b"", "cut": True},
    "garbage": {"raw": b"<html>busy</html>"},
    "half": {"raw": b'{"choices": [{"mess'},
    "no choices": {"raw": b'{"choices": []}'},
    "null": {"raw": b"null"},
    "unfinished": {
        "raw": json.dumps(
            {"choices": [{"message": {"content": "ye"}, "finish_reason": None}]}
        ).encode()
    },
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_may_pass_is_tried_again(server: Any, questions: list[Request], name: str) -> None:
    fault = server.Fault(**FAULTS[name])
    answer = after_hello(lambda body, n: fault if n < 2 else server.Reply(), server)
    with server.serve(answer) as chat, backend(chat, concurrency=1) as opened:
        [reply] = answers(opened, questions[:1])
    assert (reply.text, reply.details["tries"]) == ("yes", 3)


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("name", ["failure", "garbage", "half", "no choices", "unfinished", "cut"])
def test_what_does_not_pass_is_a_failed_request(
    server: Any, questions: list[Request], name: str
) -> None:
    def answer(body: Any, number: int) -> Any:
        whole = body["messages"][-1]["content"][-1]["text"] != "Why?"
        return server.Reply() if whole else server.Fault(**FAULTS[name])

    with server.serve(answer) as chat, backend(chat, max_retries=1) as opened:
        replies = answers(opened, questions)
    assert [reply.text for reply in replies] == ["yes", None, "yes"]
    assert replies[1].error
    assert replies[1].details["cause"] in ("server", "garbled")
    assert replies[1].details["tries"] == 2


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "vllm": (
        {"status": 400, "message": "This model's maximum context length is 32768 tokens."},
        "context",
    ),
    "openai": ({"status": 400, "message": "no", "code": "context_length_exceeded"}, "context"),
    "sglang": (
        {"status": 400, "message": "The input (9000 tokens) is longer than the model's 8192."},
        "context",
    ),
    "azure": ({"status": 400, "message": "no", "code": "content_filter"}, "refused"),
    "policy": ({"status": 400, "message": "It violates our content policy."}, "refused"),
    "other": ({"status": 422, "message": "Unexpected fields"}, "server"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_recorded_as_what_it_is(
    server: Any, questions: list[Request], name: str
) -> None:
    fault, cause = REFUSALS[name]
    answer = after_hello(lambda body, n: server.Reply() if n else server.Fault(**fault), server)
    with server.serve(answer) as chat, backend(chat, concurrency=1) as opened:
        refused, *rest = answers(opened, questions)
    assert (refused.text, refused.details["cause"], refused.details["tries"]) == (None, cause, 1)
    assert str(refused.error).startswith(
        {"context": "context exceeded", "refused": "content refused", "server": "not taken"}[cause]
    )
    assert [reply.text for reply in rest] == ["yes", "yes"]


def test_a_filtered_or_declined_answer_is_no_answer(server: Any, questions: list[Request]) -> None:
    said = [
        server.Reply(text="Half of", finish="content_filter"),
        server.Reply(text=None, refusal="I cannot help with that."),
        server.Reply(text=None, completion_tokens=1),
    ]
    with (
        server.serve(after_hello(lambda body, n: said[n], server)) as chat,
        backend(chat, concurrency=1) as opened,
    ):
        filtered, declined, empty = answers(opened, questions)
    assert filtered.text is declined.text is None
    assert filtered.details["cause"] == declined.details["cause"] == "refused"
    assert empty.text == "", "a reply that ends at once is a reply"


@pytest.mark.usefixtures("either")
def test_retry_after_is_honoured(server: Any, questions: list[Request]) -> None:
    fault = server.Fault(429, headers={"Retry-After": "0.6"})
    with (
        server.serve(after_hello(lambda body, n: fault if n == 0 else server.Reply(), server)) as c,
        backend(c, concurrency=1) as opened,
    ):
        start = time.monotonic()
        [reply] = answers(opened, questions[:1])
    assert (reply.text, reply.details["tries"]) == ("yes", 2)
    assert time.monotonic() - start >= 0.6


def test_a_server_that_stops_for_a_while_loses_nothing(
    server: Any, questions: list[Request]
) -> None:
    def answer(body: Any, number: int) -> Any:
        return server.Fault(503) if number and time.monotonic() < until else server.Reply()

    until = time.monotonic() + 1.5
    with server.serve(answer) as chat, backend(chat, patience=20.0) as opened:
        replies = answers(opened, questions)
    assert [reply.text for reply in replies] == ["yes"] * 3


@pytest.mark.usefixtures("either")
def test_a_server_that_stays_away_is_dead(server: Any, questions: list[Request]) -> None:
    with server.serve() as chat:
        opened = backend(chat, patience=0.3, concurrency=2).__enter__()
    with pytest.raises(BackendError, match=r"gave no answer for \d+ s: cannot be reached"):
        answers(opened, questions)
    opened.__exit__(None, None, None)
    with (
        server.serve(after_hello(lambda body, n: server.Fault(503), server)) as chat,
        backend(chat, patience=0.3) as opened,
        pytest.raises(BackendError, match="gave no answer"),
    ):
        answers(opened, questions)


def test_a_server_that_answers_nothing_for_long_is_dead(server: Any, request_of: Ask) -> None:
    answer = after_hello(lambda body, n: server.Fault(400, "bad picture"), server)
    with (
        server.serve(answer) as chat,
        backend(chat, concurrency=2) as opened,
        pytest.raises(BackendError, match="answered none of the last 9 requests"),
    ):
        answers(opened, [request_of("Why?", name=str(number)) for number in range(20)])


@pytest.mark.usefixtures("either")
def test_a_slow_answer_is_asked_for_again(server: Any, questions: list[Request]) -> None:
    def answer(body: Any, number: int) -> Any:
        return server.Fault(wait=5.0) if number == 1 else server.Reply()

    with server.serve(answer) as chat, backend(chat, timeout=0.3) as opened:
        [reply] = answers(opened, questions[:1])
    assert (reply.text, reply.details["tries"]) == ("yes", 2)


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_the_run_and_is_never_shown(
    server: Any, questions: list[Request], monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    secret = "sk-0123456789abcdef"
    monkeypatch.setenv("MY_KEY", secret)
    fault = server.Fault(status, f"Incorrect API key provided: {secret}")
    with (
        server.serve(after_hello(lambda body, n: fault, server), key=secret) as chat,
        backend(chat, key_env="MY_KEY") as opened,
    ):
        with pytest.raises(BackendError, match=r"refuses the key in MY_KEY") as caught:
            answers(opened, questions)
        assert secret not in repr(opened) + json.dumps([opened.identity, opened.facts])
        assert {headers["authorization"] for headers in chat.headers} == {f"Bearer {secret}"}
    assert secret not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_quotes_the_key_is_not_quoted(
    server: Any, questions: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "sk-0123456789abcdef"
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    fault = server.Fault(400, f"bad request by {secret}")
    with (
        server.serve(after_hello(lambda body, n: fault, server)) as chat,
        backend(chat) as opened,
    ):
        [reply] = answers(opened, questions[:1])
    assert secret not in json.dumps([reply.error, dict(reply.details)])
    assert "[key]" in str(reply.error)


def test_what_is_wrong_from_the_start_is_one_line(server: Any, tmp_path: Path) -> None:
    with server.serve(key="right") as chat:
        cases: list[tuple[dict[str, Any], type[Exception], str]] = [
            ({"base_url": "http://127.0.0.1:9/v1"}, BackendError, "cannot be reached"),
            ({"base_url": "http://nowhere.invalid/v1"}, BackendError, "cannot be reached"),
            ({"base_url": "http://me:secret@127.0.0.1/v1"}, UsageError, "OPENAI_API_KEY"),
            ({"base_url": None}, UsageError, "set the key in OPENAI_API_KEY"),
            ({}, BackendError, "wants a key: set it in OPENAI_API_KEY"),
            ({"images": "jpeg"}, UsageError, "resized"),
            ({"images": "file"}, UsageError, "media_folder"),
            ({"on_mismatch": "go"}, UsageError, "report"),
            ({"concurrency": 0}, UsageError, "must be positive"),
            ({"reference": str(tmp_path)}, UsageError, r"model\.reference="),
        ]
        for settings, kind, said in cases:
            with pytest.raises(kind, match=said) as caught, backend(chat, **settings):
                pass
            assert "\n" not in str(caught.value)
            assert "secret" not in str(caught.value)


def backend_named(chat: Any, model: str) -> OpenAIBackend:
    return OpenAIBackend(model=model, base_url=chat.url)


def test_an_unknown_model_is_told_with_those_there_are(server: Any) -> None:
    with server.serve() as chat, pytest.raises(UsageError, match=r"tinny\. Did you mean tiny"):
        backend_named(chat, "tinny").__enter__()
    with (
        server.serve(models=False) as chat,
        pytest.raises(BackendError, match=r"404: The model `tinny` does not exist"),
    ):
        backend_named(chat, "tinny").__enter__()
    with server.serve() as chat, pytest.raises(BackendError, match="404"):
        OpenAIBackend(model="tiny", base_url=chat.url + "/v1").__enter__()


def test_a_setting_that_the_server_does_not_know_is_told_at_once(
    server: Any, questions: list[Request]
) -> None:
    fault = server.Fault(422, "Unexpected fields in the request: {'mm_processor_kwargs'}")

    def strict(body: Any, number: int) -> Any:
        return fault if "mm_processor_kwargs" in body else server.Reply()

    with server.serve(strict) as chat:
        for settings in ({"pixel_limits": True}, {"images": "original"}):
            with pytest.raises(BackendError, match=r"model\.pixel_limits=false"):
                backend(chat, **settings).__enter__()
        with backend(chat, extra={"top_k": None}) as opened:
            assert "top_k" not in chat.asked[-1]
            assert opened.facts["pixel_limits"] is False, "pictures come at their size anyway"
            [reply] = answers(opened, questions[:1])
    assert reply.text == "yes"


@pytest.mark.usefixtures("either")
def test_an_untrusted_certificate_is_one_line(server: Any, tmp_path: Path) -> None:
    import ssl
    import subprocess

    names = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", *names],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("no openssl here")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with (
        server.serve(tls=tls) as chat,
        pytest.raises(BackendError, match=r"certificate that is not trusted .*SSL_CERT_FILE"),
    ):
        backend(chat).__enter__()


@pytest.mark.usefixtures("either")
def test_many_at_once_and_no_more_than_said(server: Any, request_of: Ask) -> None:
    requests = [request_of("Why?", name=f"{number:03}") for number in range(60)]
    with server.serve(delay=0.02) as chat, backend(chat, concurrency=8) as opened:
        replies = answers(opened, requests[:30], requests[30:])
        assert [reply.id for reply in replies] == [request.id for request in requests]
        assert chat.most == 8


def test_an_overloaded_server_is_asked_less(server: Any, request_of: Ask) -> None:
    seen: list[int] = []

    def answer(body: Any, number: int) -> Any:
        seen.append(chat._now)
        return server.Fault(429) if chat._now > 4 and number else server.Reply()

    requests = [request_of("Why?", name=f"{number:03}") for number in range(120)]
    with server.serve(answer, delay=0.01) as chat, backend(chat, concurrency=32) as opened:
        replies = answers(opened, requests)
    assert [reply.text for reply in replies] == ["yes"] * 120
    assert max(seen[:40]) > 16
    assert max(seen[-40:]) <= 8


def test_neighbours_that_share_a_picture_are_sent_next_to_each_other(
    server: Any, picture: Draw, media: Encode, request_of: Ask
) -> None:
    groups = [
        [request_of(media(picture("RGB", (112, 84 + 28 * n))), text) for text in ("a", "b", "c")]
        for n in range(4)
    ]
    with server.serve() as chat, backend(chat, concurrency=3) as opened:
        list(opened.generate(groups))
        urls = [body["messages"][0]["content"][0]["image_url"]["url"] for body in asked(chat)]
    assert len(urls) == 12
    for url in set(urls):
        places = [place for place, other in enumerate(urls) if other == url]
        # Connections race each other, but never by more than are open.
        assert places[-1] - places[0] <= 2 + 3


def test_groups_are_read_as_they_are_needed(server: Any, request_of: Ask) -> None:
    read: list[int] = []

    def groups() -> Iterator[list[Request]]:
        for number in range(500):
            read.append(number)
            yield [request_of("Why?", name=str(number))]

    with server.serve() as chat, backend(chat, concurrency=2) as opened:
        stream = opened.generate(groups())
        next(stream)
        assert len(read) < 40
        stream.close()
        assert len(chat.asked) < 60


def test_inside_a_running_event_loop(server: Any, questions: list[Request]) -> None:
    async def notebook() -> list[Response]:
        with backend(chat) as opened:
            return answers(opened, questions)

    with server.serve() as chat:
        assert [reply.text for reply in asyncio.run(notebook())] == ["yes"] * 3


def test_a_limit_on_replies(server: Any, questions: list[Request]) -> None:
    with server.serve() as chat:
        with backend(chat, max_reply=3, token_limit="max_completion_tokens") as opened:
            answers(opened, questions[:1])
            assert opened.identity["max_reply"] == 3
        assert chat.asked[-1]["max_completion_tokens"] == 3
        assert "max_tokens" not in chat.asked[-1]


def test_a_proxy_of_the_environment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    from evalkit.backends.openai_http import Aiohttp, Httpx, carrier

    for name in ("HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert isinstance(carrier("http://there.example/v1", "", 1.0), Httpx)
    assert isinstance(carrier("http://127.0.0.1:8000/v1", "", 1.0), Aiohttp)
    assert isinstance(carrier("https://there.example/v1", "", 1.0), Aiohttp), "no proxy for it"


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "http://", "ftp://there/v1", "http://[::1/v1", "http://there:x/v1"]
)
def test_what_is_no_address_is_one_line(url: str) -> None:
    with pytest.raises(UsageError, match=r"is no address: write one such as http://127"):
        OpenAIBackend(model="tiny", base_url=url).__enter__()


@pytest.mark.usefixtures("either")
def test_a_server_without_tls_cannot_be_reached_by_https(server: Any) -> None:
    with server.serve() as chat, pytest.raises(BackendError, match="cannot be reached"):
        OpenAIBackend(
            model="tiny", base_url=chat.url.replace("http:", "https:"), patience=0.3
        ).__enter__()
