"""Which device, number format and attention a model runs with: chosen, or refused in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import UsageError, nearest, one_line

if TYPE_CHECKING:
    import torch

__all__ = ["choose_attention", "choose_device", "choose_dtype", "device_name"]

DTYPES = ("float32", "bfloat16", "float16")
ATTENTIONS = ("sdpa", "flash_attention_2", "eager")


def choose_device(name: str) -> torch.device:
    """Return the device to run on; ``auto`` is this process's accelerator, or the processor.

    Raises:
        UsageError: there is no such device here.
    """
    import torch

    if name == "auto":
        found = torch.accelerator.is_available() and torch.accelerator.current_accelerator()
        if not found:
            return torch.device("cpu")
        return torch.device(found.type, torch.accelerator.current_device_index())
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(
            f"model.device: cannot use {name}: {one_line(error, 120)} Try model.device=auto"
        ) from None
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return the number format; ``auto`` is bfloat16 on an accelerator and float32 elsewhere.

    Qwen2-VL's published numbers are from bfloat16, which processors are slow at.

    Raises:
        UsageError: there is no such format.
    """
    import torch

    if name not in ("auto", *DTYPES):
        raise UsageError(nearest("model.dtype", name, ["auto", *DTYPES]))
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def choose_attention(
    name: str, device: torch.device, dtype: torch.dtype, allow_eager_bf16: bool
) -> str:
    """Return the attention implementation, as transformers names it.

    ``auto`` is flash_attention_2 where it is installed and works, which is what the published
    numbers used, and sdpa elsewhere. Eager attention loses precision in 16 bits: ChartQA fell from
    81.6 to 72.6 with it (huggingface/transformers issue 35749).

    Raises:
        UsageError: there is no such implementation, it is not installed, or it is eager attention
            in 16 bits without ``allow_eager_bf16``.
    """
    import torch
    from transformers.utils import is_flash_attn_2_available

    if name not in ("auto", *ATTENTIONS):
        raise UsageError(nearest("model.attention", name, ["auto", *ATTENTIONS]))
    flash = device.type == "cuda" and dtype != torch.float32 and is_flash_attn_2_available()
    if name == "auto":
        return "flash_attention_2" if flash else "sdpa"
    if name == "flash_attention_2" and not flash:
        raise UsageError(
            "model.attention=flash_attention_2 needs the package flash-attn (`pip install"
            f" flash-attn`), a CUDA device and a 16-bit model.dtype; here it is {device.type} and"
            f" {str(dtype).removeprefix('torch.')}. Use model.attention=sdpa"
        )
    if name == "eager" and dtype != torch.float32 and not allow_eager_bf16:
        raise UsageError(
            "eager attention in 16 bits costs Qwen2-VL about nine points on ChartQA: use"
            " model.attention=sdpa, or model.allow_eager_bf16=true to measure just that"
        )
    return name


def device_name(device: torch.device) -> str:
    """Return what the device is called: the accelerator's model, or the machine's processor."""
    import platform

    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine() if device.type == "cpu" else device.type
