"""Greedy answers as the model gives them by hand, honest failures, and what a run records."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from evalkit.backends.base import Backend
from evalkit.backends.loading import in_memory
from evalkit.backends.transformers import TransformersBackend
from evalkit.canary.tokenizer import token_id
from evalkit.chat import render
from evalkit.data.video import load_clip
from evalkit.errors import BackendError, UsageError
from evalkit.types import Frames, Media, Request, Response

Draw = Callable[..., Image.Image]
Encode = Callable[..., Media]
Ask = Callable[..., Request]


@pytest.fixture(scope="module")
def backend(tiny: Path) -> Iterator[TransformersBackend]:
    with TransformersBackend(path=str(tiny), device="cpu") as opened:
        yield opened


@pytest.fixture(scope="module")
def plain(tiny: Path) -> Iterator[TransformersBackend]:
    """The checkpoint, asked by `generate`, one question at a time."""
    with TransformersBackend(path=str(tiny), device="cpu", sharing="off") as opened:
        yield opened


@pytest.fixture(scope="module")
def reference(tiny: Path) -> tuple[Any, Any]:
    """The checkpoint, loaded without evalkit."""
    from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

    model = Qwen2VLForConditionalGeneration.from_pretrained(tiny, dtype=torch.float32)
    return AutoProcessor.from_pretrained(tiny), model


@pytest.fixture
def group(picture: Draw, media: Encode, request_of: Ask) -> list[Request]:
    """Three questions on one picture."""
    medium = media(picture("RGB", (420, 280)))
    questions = ["What is it?", "How many corners are there?", "Why?"]
    return [
        request_of(medium, text, name=f"q{number}", max_new_tokens=12)
        for number, text in enumerate(questions)
    ]


def inputs_by_hand(processor: Any, image: Image.Image, question: str) -> Any:
    content = [{"type": "image"}, {"type": "text", "text": question}]
    chat = [{"role": "user", "content": content}]
    prompt = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    return processor(text=[prompt], images=[image], return_tensors="pt")


def by_hand(
    reference: tuple[Any, Any], image: Image.Image, question: str, length: int
) -> list[int]:
    processor, model = reference
    inputs = inputs_by_hand(processor, image, question)
    tokens = model.generate(
        **inputs, do_sample=False, temperature=None, top_p=None, top_k=None, max_new_tokens=length
    )
    return list(tokens[0, inputs["input_ids"].shape[1] :].tolist())


def changed(tiny: Path, folder: Path, name: str, **changes: Any) -> Path:
    """Return a copy of the checkpoint with changed settings."""
    copy = Path(shutil.copytree(tiny, folder / "copy"))
    settings = {**json.loads((copy / name).read_text("utf-8")), **changes}
    (copy / name).write_text(json.dumps(settings), "utf-8")
    return copy


def answers(backend: Backend, *groups: list[Request]) -> list[Response]:
    return list(backend.generate(groups))


def tokens_of(request: Request, tokenizer: Any, pads: int) -> int:
    """Tokens of a prompt with one picture that takes so many."""
    return len(tokenizer(render(request))["input_ids"]) - 1 + pads


def test_answers_are_greedy_and_those_of_one_call(
    backend: TransformersBackend,
    reference: tuple[Any, Any],
    group: list[Request],
    picture: Draw,
) -> None:
    image = picture("RGB", (420, 280))
    tokenizer = reference[0].tokenizer
    replies = answers(backend, group)
    assert [reply.id for reply in replies] == ["q0", "q1", "q2"]
    for asked, reply in zip(group, replies, strict=True):
        tokens = by_hand(reference, image, str(asked.parts[1]), 12)
        assert reply.text == tokenizer.decode(tokens, skip_special_tokens=True)
        assert reply.completion_tokens == len(tokens) == 12
        assert (reply.finish_reason, reply.error) == ("length", None)
        assert reply.grid == ((1, 20, 30),)
        assert reply.prompt_tokens == tokens_of(asked, tokenizer, pads=150)
        assert reply.seconds is not None
        assert reply.seconds > 0
        assert set(reply.digests) == {"prompt", "pixels", "tokens", "generation"}
        assert reply.details["images"] == [{"before": [420, 280], "after": [420, 280]}]
    assert len({reply.text for reply in replies}) == 3
    assert len({reply.digests["pixels"] for reply in replies}) == 1
    assert len({reply.digests["generation"] for reply in replies}) == 1
    assert len({reply.digests["tokens"] for reply in replies}) == 3


def test_the_least_lead_of_a_reply_is_kept(
    tiny: Path, reference: tuple[Any, Any], group: list[Request], picture: Draw
) -> None:
    processor, model = reference
    leads = {}
    for asked in group:
        inputs = inputs_by_hand(processor, picture("RGB", (420, 280)), str(asked.parts[1]))
        out = model.generate(
            **inputs, max_new_tokens=12, output_logits=True, return_dict_in_generate=True
        )
        best = torch.cat(out.logits).topk(2).values
        leads[asked.id] = float((best[:, 0] - best[:, 1]).min())
    assert min(leads.values()) < max(leads.values())
    for sharing in ("shared", "exact", "off"):
        with TransformersBackend(path=str(tiny), device="cpu", sharing=sharing) as backend:
            found = {reply.id: reply.details["lead"] for reply in answers(backend, group)}
        assert found == pytest.approx(leads, abs=2e-3), sharing


def test_a_model_that_overflows_has_no_lead(
    backend: TransformersBackend, group: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    from evalkit.backends import prefix

    forward = prefix.forward
    monkeypatch.setattr(prefix, "forward", lambda *given: forward(*given) * torch.nan)
    assert all("lead" not in reply.details for reply in answers(backend, group))


def test_the_picture_decides_the_answer(
    backend: TransformersBackend, picture: Draw, media: Encode, request_of: Ask
) -> None:
    image = picture("RGB", (420, 280))
    pictures = [image, image.transpose(Image.Transpose.ROTATE_180)]
    asked = [request_of(media(each), "What is it?", max_new_tokens=12) for each in pictures]
    one, other = answers(backend, asked)
    assert one.text != other.text
    assert one.digests["pixels"] != other.digests["pixels"]
    assert one.digests["tokens"] == other.digests["tokens"]


def test_an_answer_does_not_depend_on_its_group(
    backend: TransformersBackend, group: list[Request]
) -> None:
    together = answers(backend, group)
    apart = answers(backend, *([request] for request in reversed(group)))
    assert [reply.text for reply in together] == [reply.text for reply in reversed(apart)]


def test_a_video_is_answered_as_by_one_call(
    backend: TransformersBackend,
    reference: tuple[Any, Any],
    picture: Draw,
    request_of: Ask,
    tmp_path: Path,
) -> None:
    for number in range(8):
        picture("RGB", (200, 150)).rotate(40 * number).save(tmp_path / f"{number}.png")
    clip = Media(kind="video", path=str(tmp_path), fps=2.0)
    frames = Frames(rule="qwen_vl_utils_0.0.8", fps=2.0, min_pixels=3136, max_pixels=50176)
    [reply] = answers(backend, [request_of(clip, "What happens?", frames=frames)])
    processor, model = reference
    content = [{"type": "video"}, {"type": "text", "text": "What happens?"}]
    chat = [{"role": "user", "content": content}]
    prompt = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    video = torch.from_numpy(load_clip(clip, frames).frames).permute(0, 3, 1, 2).float()
    inputs = processor(text=[prompt], videos=[video], return_tensors="pt")
    tokens = model.generate(**inputs, do_sample=False, max_new_tokens=8)
    tokens = tokens[0, inputs["input_ids"].shape[1] :]
    assert reply.text == processor.tokenizer.decode(tokens, skip_special_tokens=True)
    assert reply.grid == tuple(tuple(row) for row in inputs["video_grid_thw"].tolist())
    assert reply.details["videos"][0]["frames"] == list(range(8))


def test_a_reply_ends_where_the_checkpoint_ends_it(
    tiny: Path, tmp_path: Path, reference: tuple[Any, Any], group: list[Request], picture: Draw
) -> None:
    tokens = by_hand(reference, picture("RGB", (420, 280)), "What is it?", 12)
    end = tokens[5]
    length = tokens.index(end) + 1
    folder = changed(
        tiny, tmp_path, "generation_config.json", eos_token_id=[token_id("<|im_end|>"), end]
    )
    with TransformersBackend(path=str(folder), device="cpu") as backend:
        [reply] = answers(backend, group[:1])
    assert (reply.finish_reason, reply.completion_tokens) == ("stop", length)


def test_sampling_settings_of_the_checkpoint_count_for_nothing(
    tiny: Path, tmp_path: Path, backend: TransformersBackend, group: list[Request]
) -> None:
    folder = changed(
        tiny,
        tmp_path,
        "generation_config.json",
        temperature=5.0,
        top_k=50,
        top_p=1.0,
        repetition_penalty=1.5,
        no_repeat_ngram_size=1,
        max_new_tokens=3,
        num_beams=2,
    )
    with TransformersBackend(path=str(folder), device="cpu") as other:
        wild = answers(other, group)
    tame = answers(backend, group)
    assert [reply.text for reply in wild] == [reply.text for reply in tame]
    assert [reply.digests for reply in wild] == [reply.digests for reply in tame]


def test_text_keeps_its_white_space_and_loses_special_tokens(
    plain: TransformersBackend, group: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = plain._held[0].model
    tokenizer = plain._held[0].processor.tokenizer
    reply = tokenizer("<|im_start|> a  b\n\n<|im_end|>", return_tensors="pt")["input_ids"]

    def scripted(input_ids: torch.Tensor, **given: Any) -> torch.Tensor:
        return torch.cat([input_ids, reply], dim=1)

    monkeypatch.setattr(model, "generate", scripted)
    [response] = answers(plain, group[:1])
    assert response.text == " a  b\n\n"
    assert (response.finish_reason, response.completion_tokens) == ("stop", reply.shape[1])


def test_one_bad_request_is_a_response_and_the_rest_go_on(
    backend: TransformersBackend,
    group: list[Request],
    picture: Draw,
    media: Encode,
    request_of: Ask,
) -> None:
    whole = media(picture("RGB", (420, 280))).data
    assert whole is not None
    bad = [
        request_of(Media(kind="image", data=whole[:200], name="torn.png"), "?", name="torn"),
        request_of(Media(kind="image", data=b"<html>", name="page.png"), "?", name="markup"),
        request_of(Media(kind="image", name="gone.png"), "?", name="absent"),
        request_of(media(picture("RGB", (1, 300))), "?", name="narrow"),
        request_of("what is <|image_pad|>?", name="placeholder"),
    ]
    replies = answers(backend, [*bad, group[0]], [group[1]])
    errors = {reply.id: reply.error for reply in replies if reply.error}
    assert set(errors) == {"torn", "markup", "absent", "narrow", "placeholder"}
    assert all(reply.text is None for reply in replies[:5])
    assert all("\n" not in error for error in errors.values())
    for name, word in (
        ("torn", "torn.png"),
        ("markup", "markup"),
        ("absent", "without"),
        ("narrow", "narrow"),
    ):
        assert word in errors[name]
    assert [reply.text for reply in replies[5:]] == [
        reply.text for reply in answers(backend, group[:2])
    ]


def test_a_prompt_that_is_too_long_is_named_before_it_is_tried(
    tiny: Path,
    reference: tuple[Any, Any],
    group: list[Request],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size = tokens_of(group[1], reference[0].tokenizer, pads=150)
    with TransformersBackend(path=str(tiny), device="cpu", max_context=size + 11) as backend:
        model = backend._held[0].model
        monkeypatch.setattr(model.model, "forward", lambda **given: pytest.fail("it was tried"))
        [long] = answers(backend, group[1:2])
        assert long.error == (
            f"context exceeded: {size} tokens of prompt and up to 12 of reply are more than"
            f" {size + 11};"
            " raise model.max_context, or lower the protocol's pixels"
        )


def test_the_checkpoints_own_context_is_the_default(
    tiny: Path, tmp_path: Path, reference: tuple[Any, Any], group: list[Request]
) -> None:
    whole = tokens_of(group[1], reference[0].tokenizer, pads=150) + 12
    folder = changed(tiny, tmp_path, "config.json", max_position_embeddings=whole)
    with TransformersBackend(path=str(folder), device="cpu") as backend:
        assert backend.facts["max_context"] == whole
        assert answers(backend, group[1:2])[0].error is None
    with TransformersBackend(path=str(folder), device="cpu", max_context=whole - 1) as backend:
        assert f"more than {whole - 1}" in str(answers(backend, group[1:2])[0].error)


@pytest.mark.parametrize("mode", ["shared", "off"])
@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to\nallocate 2 GiB"),
            "out of memory with",
        ),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate"), "out of memory with"),
        (ValueError("a shape\nis wrong"), "the model failed on this request: a shape is wrong"),
    ],
)
def test_a_request_that_the_model_fails_on_is_a_response(
    failure: Exception,
    told: str,
    mode: str,
    backend: TransformersBackend,
    plain: TransformersBackend,
    group: list[Request],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*given: Any, **named: Any) -> torch.Tensor:
        raise failure

    backend = {"shared": backend, "off": plain}[mode]
    with monkeypatch.context() as patch:
        patch.setattr(backend._held[0].model, "generate", fail)
        patch.setattr(backend._held[0].model.model, "forward", fail)
        [failed] = answers(backend, group[:1])
    assert failed.text is None
    assert str(failed.error).startswith(told)
    assert "\n" not in str(failed.error)
    assert answers(backend, group[:1])[0].error is None


@pytest.mark.parametrize("mode", ["shared", "off"])
def test_a_dead_model_stops_the_run(
    mode: str,
    backend: TransformersBackend,
    plain: TransformersBackend,
    group: list[Request],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*given: Any, **named: Any) -> Any:
        raise RuntimeError("device-side assert triggered")

    backend = {"shared": backend, "off": plain}[mode]
    model = backend._held[0].model
    monkeypatch.setattr(model, "generate", fail)
    monkeypatch.setattr(model.model, "forward", fail)
    monkeypatch.setattr("evalkit.backends.questions.weight_of", fail)
    with pytest.raises(BackendError, match="the model is dead: device-side assert"):
        answers(backend, group)


def test_weights_in_memory_tell_rounded_ones_from_the_same_in_a_wider_format() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(40, 30), torch.nn.Linear(30, 2)).bfloat16()
    known = in_memory(model)
    assert in_memory(model.float()) == known
    with torch.no_grad():
        model[0].weight.mul_(8).round_().div_(8)
    assert in_memory(model) != known
    assert in_memory(model[:1]) != in_memory(model)
    assert in_memory(model.to("meta")) not in (known, in_memory(model[:1]))


def test_identity_and_facts_say_what_really_ran(tiny: Path, backend: TransformersBackend) -> None:
    digest = backend.identity["revision"]
    assert backend.identity == {"model": "checkpoint", "revision": digest, "dtype": "float32"}
    facts = backend.facts
    json.dumps(facts)
    assert (facts["device"], facts["weights"], facts["folder"]) == ("cpu", digest, str(tiny))
    assert facts["weights_in_memory"] == in_memory(backend._held[0].model)
    assert facts["attention"] == {"text": "sdpa", "vision": "sdpa"}
    assert facts["image_processor"] == "Qwen2VLImageProcessor"
    assert facts["image_processor_fast"] is True
    assert facts["image_processor_pixels"] == [3136, 12845056]
    assert facts["image_processor_mean"] == pytest.approx([0.48145466, 0.4578275, 0.40821073])
    assert facts["image_processor_std"] == pytest.approx([0.26862954, 0.26130258, 0.27577711])
    assert facts["generation"] == {
        "do_sample": False,
        "num_beams": 1,
        "repetition_penalty": 1.0,
        "eos_token_id": [token_id("<|endoftext|>"), token_id("<|im_end|>")],
    }
    assert 100_000 < facts["parameters"] < 1_000_000
    assert {"torch", "transformers", "tokenizers", "pillow"} <= set(facts["versions"])


def test_the_settings_reach_the_model(tiny: Path, group: list[Request]) -> None:
    backend = TransformersBackend(
        path=str(tiny), device="cpu", dtype="bfloat16", attention="eager", allow_eager_bf16=True
    )
    with backend:
        assert backend.identity["dtype"] == "bfloat16"
        assert backend.facts["attention"] == {"text": "eager", "vision": "eager"}
        assert answers(backend, group[:1])[0].completion_tokens == 12


def test_accelerate_may_spread_the_model(
    tiny: Path, backend: TransformersBackend, group: list[Request]
) -> None:
    with TransformersBackend(path=str(tiny), device="cpu", device_map={"": "cpu"}) as spread:
        assert [reply.text for reply in answers(spread, group)] == [
            reply.text for reply in answers(backend, group)
        ]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"path": "/no/such/folder"}, "no such folder: /no/such/folder"),
        ({"dtype": "half"}, r"unknown model\.dtype: half"),
        ({"attention": "xformers"}, r"unknown model\.attention: xformers"),
        ({"attention": "flash_attention_2"}, "pip install flash-attn"),
        ({"attention": "eager", "dtype": "bfloat16"}, "allow_eager_bf16"),
        ({"device": "cuda:99"}, "cannot use cuda:99"),
        ({"max_context": 0}, r"max_context must be positive"),
        ({"batch_tokens": 0}, r"batch_tokens must be positive"),
        ({"threads": 0}, r"threads must be positive"),
        ({"sharing": "all"}, r"unknown model\.sharing: all.*exact, off, shared"),
        ({"sharing": "exact", "compile": True}, r"use model\.sharing=shared with it"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_at_the_door(
    settings: dict[str, Any], complaint: str, tiny: Path
) -> None:
    with (
        pytest.raises(UsageError, match=complaint) as caught,
        TransformersBackend(**{"path": str(tiny), "device": "cpu", **settings}),
    ):
        pytest.fail("it loaded")
    assert "\n" not in str(caught.value)


def test_weights_that_lack_a_tensor_are_refused(tiny: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    copy = Path(shutil.copytree(tiny, tmp_path / "copy"))
    weights = load_file(copy / "model.safetensors")
    del weights["model.layers.0.mlp.up_proj.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with (
        pytest.raises(UsageError, match=r"lacks 1 weights, such as .*up_proj.*random"),
        TransformersBackend(path=str(copy), device="cpu"),
    ):
        pytest.fail("it loaded")


def test_a_checkpoint_without_a_template_is_refused(tiny: Path, tmp_path: Path) -> None:
    copy = changed(tiny, tmp_path, "tokenizer_config.json", chat_template=None)
    (copy / "chat_template.json").unlink()
    with (
        pytest.raises(UsageError, match="has no chat template"),
        TransformersBackend(path=str(copy), device="cpu"),
    ):
        pytest.fail("it loaded")


def test_weights_of_other_sizes_are_one_line(tiny: Path, tmp_path: Path) -> None:
    copy = changed(tiny, tmp_path, "config.json", intermediate_size=64)
    with (
        pytest.raises(BackendError, match="cannot load") as caught,
        TransformersBackend(path=str(copy), device="cpu"),
    ):
        pytest.fail("it loaded")
    assert "\n" not in str(caught.value)


def test_nothing_is_printed_and_everything_is_given_back(
    tiny: Path, group: list[Request], capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    with TransformersBackend(path=str(tiny), device="cpu") as backend:
        answers(backend, group)
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
    assert capfd.readouterr() == ("", "")
    with pytest.raises(BackendError, match="not loaded"):
        answers(backend, group)


def test_a_backend_may_be_opened_again(tiny: Path, group: list[Request]) -> None:
    backend = TransformersBackend(path=str(tiny), device="cpu")
    texts = []
    for _ in range(2):
        with backend:
            texts.append(answers(backend, group[:1])[0].text)
    assert texts[0] == texts[1]


def test_a_cached_repository_runs_without_a_network(
    tiny: Path, tmp_path: Path, group: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "models--tiny--qwen2-vl"
    shutil.copytree(tiny, cached / "snapshots" / sha)
    (cached / "refs").mkdir()
    (cached / "refs" / "v1").write_text(sha)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with TransformersBackend(path="tiny/qwen2-vl", revision="v1", device="cpu") as backend:
        assert backend.identity["model"] == "tiny/qwen2-vl"
        assert backend.identity["revision"] == sha
        assert answers(backend, group[:1])[0].error is None
