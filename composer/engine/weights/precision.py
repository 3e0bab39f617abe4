"""The number type that weights have in memory where a recipe does not say one."""

from __future__ import annotations

from composer.heavy import torch

__all__ = ["usual_dtype"]


def usual_dtype(device: str) -> str:
    """Return float32 on a CPU, bfloat16 on a GPU that computes with it, else `auto`: as stored."""
    if device.startswith("cpu"):
        return "float32"
    if device.startswith("cuda") and _has_bfloat16(device):
        return "bfloat16"
    return "auto"


def _has_bfloat16(device: str) -> bool:
    if not torch.cuda.is_available():
        return False
    with torch.cuda.device(device):
        has: bool = torch.cuda.is_bf16_supported(including_emulation=False)
    return has
