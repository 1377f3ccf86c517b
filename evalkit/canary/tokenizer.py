"""The built-in checkpoint's tokenizer: one token a byte, and the special tokens of Qwen2-VL.

It is a Qwen2 tokenizer without merges. Every text can be written with it and read back, in NFC as
with the real one, and its files are those that the real one has.
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["SPECIAL_TOKENS", "VOCABULARY", "token_id", "tokenizer_files"]

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
"""Qwen2-VL's special tokens in the order of their ids: there from 151643 on, here from 256."""

VOCABULARY = 256 + len(SPECIAL_TOKENS)
"""Tokens in all."""


def token_id(token: str) -> int:
    """Return the id of a special token."""
    return 256 + SPECIAL_TOKENS.index(token)


def tokenizer_files(chat_template: str, context: int) -> dict[str, str]:
    """Return the tokenizer's files, name to text, as Qwen2-VL's repositories have them.

    Args:
        chat_template: the Jinja template of the chat format.
        context: the longest prompt, in tokens.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

    # The alphabet comes in no particular order, and ids must be the same on every machine.
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {character: number for number, character in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    return {
        "tokenizer.json": tokenizer.to_str(pretty=True),
        "vocab.json": json.dumps(vocabulary, ensure_ascii=False),
        "merges.txt": "#version: 0.2\n",
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
