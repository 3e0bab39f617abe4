"""The numbers that weights are held in, as recipes name them."""

from __future__ import annotations

from typing import Literal

__all__ = ["Dtype", "long_name"]

Dtype = Literal["auto", "bf16", "fp16", "fp32", "bfloat16", "float16", "float32"]
SHORT = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}


def long_name(dtype: str) -> str:
    """Spell out a dtype: bf16 is bfloat16."""
    return SHORT.get(dtype, dtype)
