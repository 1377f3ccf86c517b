"""What is chosen for ``auto``, and what is refused."""

from __future__ import annotations

import pytest
import torch

from evalkit.backends.hardware import choose_attention, choose_device, choose_dtype, device_name
from evalkit.errors import UsageError

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
BF16, FP16, FP32 = torch.bfloat16, torch.float16, torch.float32


def test_auto_takes_the_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert choose_device("auto") == CPU
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: CUDA)
    monkeypatch.setattr(torch.accelerator, "current_device_index", lambda: 3)
    assert choose_device("auto") == torch.device("cuda:3")


def test_a_device_that_is_not_there_is_refused() -> None:
    for name in ("gpu", "cuda:99", "cpu:x"):
        with pytest.raises(UsageError, match=rf"model.device: cannot use {name}: .*device=auto"):
            choose_device(name)


def test_auto_is_bfloat16_on_accelerators_only() -> None:
    assert choose_dtype("auto", CPU) == FP32
    assert choose_dtype("auto", CUDA) == BF16
    assert choose_dtype("float16", CPU) == FP16


def test_an_unknown_dtype_lists_the_known() -> None:
    with pytest.raises(UsageError, match=r"model\.dtype: bf16.*bfloat16.*float16.*float32"):
        choose_dtype("bf16", CPU)


def test_an_unknown_attention_lists_the_known() -> None:
    with pytest.raises(
        UsageError, match=r"model\.attention: flash.*eager.*flash_attention_2.*sdpa"
    ):
        choose_attention("flash", CPU, FP32, False)


@pytest.mark.parametrize("installed", [True, False])
def test_auto_takes_flash_attention_where_it_works(
    installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.utils.is_flash_attn_2_available", lambda: installed)
    best = "flash_attention_2" if installed else "sdpa"
    assert choose_attention("auto", CUDA, BF16, False) == best
    assert choose_attention("auto", CUDA, FP32, False) == "sdpa"
    assert choose_attention("auto", CPU, BF16, False) == "sdpa"
    assert choose_attention("sdpa", CUDA, BF16, False) == "sdpa"


def test_flash_attention_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.utils.is_flash_attn_2_available", lambda: False)
    with pytest.raises(UsageError, match=r"pip install flash-attn.*model\.attention=sdpa"):
        choose_attention("flash_attention_2", CUDA, BF16, False)


@pytest.mark.parametrize("dtype", [BF16, FP16])
def test_eager_attention_in_16_bits_needs_leave(dtype: torch.dtype) -> None:
    with pytest.raises(UsageError, match="allow_eager_bf16"):
        choose_attention("eager", CPU, dtype, False)
    assert choose_attention("eager", CPU, dtype, True) == "eager"
    assert choose_attention("eager", CPU, FP32, False) == "eager"


def test_a_device_has_a_name() -> None:
    assert device_name(CPU)
    assert device_name(torch.device("meta")) == "meta"
