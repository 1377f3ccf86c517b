"""vLLM in this process, played by a stand-in: what it is handed, and what its answers become."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from evalkit.backends.qwen2_vl import Preparer
from evalkit.backends.vllm import VLLMBackend
from evalkit.data.images import load_image
from evalkit.errors import BackendError, UsageError
from evalkit.types import Frames, Media, Request

Draw = Callable[..., Image.Image]
Encode = Callable[..., Media]
Ask = Callable[..., Request]


class Stand:
    """What ``vllm`` is to the backend; ``spoil`` changes the prompts that it makes."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoProcessor

        self.processor = AutoProcessor.from_pretrained(folder)
        self.started: dict[str, Any] = {}
        self.handed: list[list[dict[str, Any]]] = []
        self.settings: list[Any] = []
        self.spoil: Callable[[list[int]], list[int]] = lambda ids: ids
        self.refused = ""

    def module(self) -> ModuleType:
        stand, module = self, ModuleType("vllm")

        class LLM:
            def __init__(self, **given: Any) -> None:
                stand.started = given

            def generate(self, given: Any, settings: Any, use_tqdm: bool) -> list[Any]:
                stand.handed.append(given)
                stand.settings += settings
                return [stand.answer(prompt) for prompt in given]

        names = {"LLM": LLM, "SamplingParams": SimpleNamespace, "__version__": "0.0"}
        for name, value in names.items():
            setattr(module, name, value)
        return module

    def answer(self, prompt: dict[str, Any]) -> Any:
        if self.refused and self.refused in prompt["prompt"]:
            raise ValueError("The prompt is refused.")
        media = prompt.get("multi_modal_data", {})
        videos = [torch.from_numpy(frames).movedim(-1, 1) for frames, _ in media.get("video", [])]
        made = self.processor(
            text=[prompt["prompt"]],
            images=media.get("image"),
            **({"videos": videos, "do_resize": False, "do_sample_frames": False} if videos else {}),
        )
        ids = made["input_ids"][0]
        ids = self.spoil(list(ids))
        tokens = self.processor.tokenizer("yes")["input_ids"]
        told = [
            {name: SimpleNamespace(logprob=value) for name, value in ((token, -0.1), (-1, low))}
            for token, low in zip(tokens, (-2.5, -0.3, -4.0), strict=False)
        ]
        reply = SimpleNamespace(text="ye", token_ids=tokens, finish_reason="stop", logprobs=told)
        return SimpleNamespace(outputs=[reply], prompt_token_ids=ids)


@pytest.fixture
def stand(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    found = Stand(tiny)
    monkeypatch.setitem(sys.modules, "vllm", found.module())
    return found


def test_a_video_comes_with_its_frame_rate(
    stand: Stand, tiny: Path, clip: Media, request_of: Ask
) -> None:
    frames = Frames(rule="qwen_vl_utils_0.0.8", fps=1.0, min_pixels=3136, max_pixels=50176)
    with VLLMBackend(path=str(tiny)) as backend:
        [reply] = backend.generate([[request_of(clip, "What?", frames=frames)]])
    assert reply.text == "yes"
    [[prompt]] = stand.handed
    [(shown, told)] = prompt["multi_modal_data"]["video"]
    assert shown.shape[0] == told["total_num_frames"] == len(told["frames_indices"]) == 4
    # Four frames of three seconds.
    assert (told["fps"], told["duration"]) == (pytest.approx(4 / 3), pytest.approx(3.0))
    assert told["do_sample_frames"] is False


@pytest.fixture
def questions(picture: Draw, media: Encode, request_of: Ask) -> list[Request]:
    page = media(picture("RGB", (420, 280)))
    return [
        request_of(page, "What is it?", name="q0"),
        request_of(page, "Why?", name="q1"),
        request_of("What is left?", name="q2"),
    ]


def test_the_prompt_is_the_checkpoints_own(
    stand: Stand, tiny: Path, questions: list[Request]
) -> None:
    preparer = Preparer(processor=stand.processor)
    with VLLMBackend(path=str(tiny), engine={"enforce_eager": True}) as backend:
        replies = list(backend.generate([questions[:2], questions[2:]]))
        assert backend.facts["version"] == "0.0"
    assert stand.started["enable_prefix_caching"] is True
    assert stand.started["enforce_eager"] is True
    [window] = stand.handed
    shown = window[0]["multi_modal_data"]["image"][0]
    wanted = load_image(questions[0].media[0], questions[0].pixels)
    assert shown.tobytes() == wanted.tobytes()
    assert window[1]["multi_modal_data"]["image"][0] is shown, "decoded once"
    assert window[0]["mm_processor_kwargs"] == {"min_pixels": 3136, "max_pixels": 1003520}
    assert "multi_modal_data" not in window[2]
    assert {(s.temperature, s.repetition_penalty, s.max_tokens) for s in stand.settings} == {
        (0.0, 1.0, 8)
    }
    for request, reply in zip(questions, replies, strict=True):
        real = preparer.prepare(request)
        assert (reply.text, reply.prompt_tokens, reply.grid) == ("yes", real.tokens, real.grid)
        assert {k: reply.digests[k] for k in ("prompt", "pixels", "tokens")} == real.digests


@pytest.mark.parametrize("leads", [False, True])
def test_the_least_lead_is_kept_where_it_is_wanted(
    stand: Stand, tiny: Path, questions: list[Request], leads: bool
) -> None:
    tokens = stand.processor.tokenizer("yes")["input_ids"]
    with VLLMBackend(path=str(tiny), leads=leads) as backend:
        replies = list(backend.generate([questions]))
    assert {s.logprobs for s in stand.settings} == {2 if leads else None}
    least = 2.4 if len(tokens) == 1 else 0.2
    assert {reply.details.get("lead") for reply in replies} == {least if leads else None}


def test_windows_hold_whole_groups(stand: Stand, tiny: Path, questions: list[Request]) -> None:
    with VLLMBackend(path=str(tiny), window=1, max_reply=3) as backend:
        replies = list(backend.generate([questions[:2], questions[2:]]))
    assert [len(window) for window in stand.handed] == [2, 1]
    assert [reply.id for reply in replies] == ["q0", "q1", "q2"]
    assert {s.max_tokens for s in stand.settings} == {3}


def test_another_prompt_than_the_processors_stops_the_run(
    stand: Stand, tiny: Path, questions: list[Request]
) -> None:
    stand.spoil = lambda ids: ids[5:]
    with VLLMBackend(path=str(tiny)) as backend:
        stream = backend.generate([questions])
        first = next(stream)
        with pytest.raises(BackendError, match=r"q0: prompt mismatch: .*on_mismatch=report"):
            next(stream)
    assert first.text is None
    stand.spoil = lambda ids: [*ids[:-1], 7]
    with VLLMBackend(path=str(tiny), on_mismatch="report") as backend:
        replies = list(backend.generate([questions]))
    assert {reply.text for reply in replies} == {"yes"}
    assert {reply.details["cause"] for reply in replies} == {"mismatch"}


def test_one_request_that_fails_is_its_own_response(
    stand: Stand, tiny: Path, questions: list[Request], request_of: Ask
) -> None:
    stand.refused = "Why?"
    gone = request_of(Media(kind="image", name="gone.png"), "What?", name="q3")
    long = request_of("What? " * 100, name="q4")
    with VLLMBackend(path=str(tiny), max_context=300) as backend:
        found = {r.id: r for r in backend.generate([questions, [gone], [long]])}
    assert found["q0"].text == found["q2"].text == "yes"
    assert "does not take this request: The prompt is refused." in str(found["q1"].error)
    assert "without this image" in str(found["q3"].error)
    assert str(found["q4"].error).startswith("context exceeded")


def test_without_vllm_it_is_one_line(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(UsageError, match=r"pip install 'evalkit-vl\[vllm\]'"):
        VLLMBackend(path=str(tiny)).__enter__()
    with pytest.raises(UsageError, match="report"):
        VLLMBackend(path=str(tiny), on_mismatch="no").__enter__()
