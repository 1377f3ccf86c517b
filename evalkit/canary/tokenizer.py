"""The built-in checkpoint's tokenizer: bytes, some hundred merges, and Qwen2-VL's special tokens.

It is a Qwen2 tokenizer whose merges make one token of the words that benchmarks' prompts are made
of. Capital letters and figures stay apart: what stands on a picture is a token a letter. Every text
can be written with it and read back, in NFC as with the real one, and its files are those that the
real one has.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

__all__ = ["PIECES", "SPECIAL_TOKENS", "token_id", "tokenizer_files", "vocabulary"]

PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""What a text is cut into before merges apply: Qwen2's (tokenizer.json of Qwen/Qwen2-VL-2B)."""

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
"""Qwen2-VL's special tokens by their ids: there from 151643 on, here behind the rest."""


@cache
def _merges() -> tuple[str, ...]:
    """Return the merges, two pieces and a blank each, the first to apply first."""
    text = resources.files("evalkit.canary").joinpath("merges.txt").read_text("utf-8")
    return tuple(text.splitlines()[1:])


def vocabulary() -> int:
    """Return how many tokens there are in all."""
    return 256 + len(_merges()) + len(SPECIAL_TOKENS)


def token_id(token: str) -> int:
    """Return the id of a special token."""
    return 256 + len(_merges()) + SPECIAL_TOKENS.index(token)


def tokenizer_files(chat_template: str, context: int) -> dict[str, str]:
    """Return the tokenizer's files, name to text, as Qwen2-VL's repositories have them.

    Args:
        chat_template: the Jinja template of the chat format.
        context: the longest prompt, in tokens.
    """
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
    )

    # The alphabet comes in no particular order, and ids must be the same on every machine.
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [(left, right) for left, right in (line.split(" ") for line in _merges())]
    pieces = [*alphabet, *(left + right for left, right in merges)]
    numbers = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab=numbers, merges=merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    return {
        "tokenizer.json": tokenizer.to_str(pretty=True),
        "vocab.json": json.dumps(numbers, ensure_ascii=False),
        "merges.txt": "\n".join(["#version: 0.2", *_merges(), ""]),
        "tokenizer_config.json": json.dumps(_settings(chat_template, context), indent=2),
    }


def _settings(chat_template: str, context: int) -> dict[str, Any]:
    added = {
        str(token_id(token)): {
            "content": token,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": True,
        }
        for token in SPECIAL_TOKENS
    }
    return {
        "add_prefix_space": False,
        "added_tokens_decoder": added,
        "additional_special_tokens": list(SPECIAL_TOKENS[1:]),
        "bos_token": None,
        "chat_template": chat_template,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": context,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
