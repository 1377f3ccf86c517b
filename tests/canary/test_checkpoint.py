"""The built-in checkpoint: the files, sizes and chat strings of Qwen2-VL, made once."""

from __future__ import annotations

import hashlib
import json
import threading
import unicodedata
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from evalkit.canary.checkpoint import architecture, chat_template, checkpoint, write_checkpoint
from evalkit.canary.tokenizer import SPECIAL_TOKENS, vocabulary
from evalkit.errors import UsageError


def content(folder: Path) -> dict[str, str]:
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.iterdir()}


def test_the_same_seed_gives_the_same_bytes_and_another_other_weights(
    folder: Path, tmp_path: Path
) -> None:
    again, other = tmp_path / "again", tmp_path / "other"
    assert content(checkpoint(again, seed=0)) == content(folder)
    weights = content(checkpoint(other, seed=1)).pop("model.safetensors")
    assert weights != content(folder)["model.safetensors"]


def test_the_weights_are_the_published_ones(folder: Path) -> None:
    # A change here makes every number that was recorded with the built-in checkpoint another's.
    digest = content(folder)["model.safetensors"]
    assert digest.startswith("1ff8990bf3e8dd5e")


def test_it_is_built_once(folder: Path) -> None:
    stamp = (folder / "model.safetensors").stat().st_mtime_ns
    assert checkpoint(folder, seed=0) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == stamp


def test_the_default_place_is_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path))
    first, second = checkpoint(), checkpoint(seed=1)
    assert first.parent == second.parent == tmp_path / "checkpoints"
    assert first != second
    assert sorted(path.name for path in first.parent.iterdir()) == sorted([first.name, second.name])


def test_builders_may_run_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, together = tmp_path / "shared", threading.Barrier(3)

    def write(folder: Path, config: Mapping[str, Any], seed: int | None) -> None:
        write_checkpoint(folder, config, seed)
        together.wait(timeout=60)  # all are done before the first is put in place

    monkeypatch.setattr("evalkit.canary.checkpoint.write_checkpoint", write)
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(checkpoint, [target] * 3)) == [target] * 3
    assert [path.name for path in tmp_path.iterdir()] == ["shared"]
    assert len(content(target)) == 9


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="cannot build a checkpoint in"):
        checkpoint(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_it_loads_as_the_real_one_does(folder: Path, processor: Any) -> None:
    import torch
    from transformers import Qwen2VLForConditionalGeneration

    model, report = Qwen2VLForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert not report["mismatched_keys"]
    assert sum(weight.numel() for weight in model.parameters()) < 1_000_000
    text, vision = model.config.text_config, model.config.vision_config
    assert text.hidden_size // text.num_attention_heads == 64
    assert sum(text.rope_parameters["mrope_section"]) == 32
    assert text.rope_parameters["rope_theta"] == 1_000_000
    assert (vision.patch_size, vision.spatial_merge_size, vision.temporal_patch_size) == (14, 2, 2)
    assert model.lm_head.weight is model.model.language_model.embed_tokens.weight
    ends = [processor.tokenizer.convert_tokens_to_ids(t) for t in ("<|im_end|>", "<|endoftext|>")]
    assert model.generation_config.eos_token_id == ends
    assert model.generation_config.do_sample
    assert type(processor).__name__ == "Qwen2VLProcessor"
    size = processor.image_processor.size
    assert (size["shortest_edge"], size["longest_edge"]) == (3136, 12845056)
    for name in ("image", "video", "vision_start", "vision_end"):
        token = f"<|{name}{'_pad' if '_' not in name else ''}|>"
        wanted = processor.tokenizer.convert_tokens_to_ids(token)
        assert getattr(model.config, f"{name}_token_id") == wanted


@pytest.mark.parametrize(
    "text",
    [
        "Ünïcödé, 漢字, 🦜 and \u202e\u0000\x7f",
        " two  spaces\r\n\ttab ",
        "1234567890",
        "".join(chr(code) for code in range(0x20, 0x250)),
    ],
)
def test_every_text_comes_back(processor: Any, text: str) -> None:
    ids = processor.tokenizer(text)["input_ids"]
    assert max(ids) < vocabulary() - len(SPECIAL_TOKENS)
    assert processor.tokenizer.decode(ids) == unicodedata.normalize("NFC", text)


def test_what_stands_on_pictures_is_a_token_a_letter(processor: Any) -> None:
    tokenizer = processor.tokenizer
    ids = tokenizer("TOTAL 47.3 A. BRIDGE")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == list("TOTAL\u012047.3\u0120A.\u0120BRIDGE")
    assert len(tokenizer("Answer the question using a single word or phrase.")["input_ids"]) == 10


def test_special_tokens_are_one_token_each_and_vanish_from_replies(processor: Any) -> None:
    tokenizer = processor.tokenizer
    ids = tokenizer("".join(SPECIAL_TOKENS))["input_ids"]
    assert ids == list(range(vocabulary() - len(SPECIAL_TOKENS), vocabulary()))
    assert (
        tokenizer.decode([*ids, *tokenizer("yes")["input_ids"]], skip_special_tokens=True) == "yes"
    )
    assert (tokenizer.pad_token, tokenizer.eos_token) == ("<|endoftext|>", "<|im_end|>")


def test_the_template_renders_every_golden_prompt(
    processor: Any, golden: Callable[[str], list[dict[str, Any]]]
) -> None:
    cases = golden("prompt_parity.jsonl")
    assert len(cases) > 300
    for case in cases:
        parts = [
            {"type": "text", "text": part["value"]} if part["type"] == "text" else part
            for part in case["parts"]
        ]
        chat = [*case["system_messages"], {"role": "user", "content": parts}]
        rendered = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        assert rendered == case["rendered"]


def test_the_template_knows_strings_turns_and_numbered_media(processor: Any) -> None:
    chat = [
        {
            "role": "user",
            "content": [{"type": "image"}, {"type": "video"}, {"type": "text", "text": "a"}],
        },
        {"role": "assistant", "content": " b\n"},
        {"role": "user", "content": [{"image": "x.png"}, {"type": "text", "text": "{{ c }}"}]},
    ]
    media = "<|vision_start|><|{}_pad|><|vision_end|>"
    assert processor.apply_chat_template(chat, tokenize=False, add_vision_id=True) == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        f"<|im_start|>user\nPicture 1: {media.format('image')}Video 1: {media.format('video')}a"
        "<|im_end|>\n<|im_start|>assistant\n b\n<|im_end|>\n"
        f"<|im_start|>user\nPicture 2: {media.format('image')}{{{{ c }}}}<|im_end|>\n"
    )


def test_the_template_stands_where_old_and_new_loaders_look(folder: Path) -> None:
    for name in ("chat_template.json", "tokenizer_config.json"):
        assert json.loads((folder / name).read_text("utf-8"))["chat_template"] == chat_template()


def test_other_sizes_load_too(tmp_path: Path) -> None:
    from transformers import Qwen2VLForConditionalGeneration

    config = architecture(width=192, layers=1, key_value_heads=3, vision_width=32, vision_layers=1)
    write_checkpoint(tmp_path, config, seed=3)
    model = Qwen2VLForConditionalGeneration.from_pretrained(tmp_path)
    assert model.config.text_config.num_attention_heads == 3
    assert model.model.visual.config.embed_dim == 32
