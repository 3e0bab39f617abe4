"""The numbers that weights are held in, as recipes name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from composer.specs.headers import TensorHeader

__all__ = ["SIZES", "Dtype", "bytes_as", "long_name"]

Dtype = Literal["auto", "bf16", "fp16", "fp32", "bfloat16", "float16", "float32"]
SIZES = {"float32": 4, "float16": 2, "bfloat16": 2}
"""The bytes of a number of each type in which weights are loaded."""

FLOATS = ("F16", "BF16", "F32", "F64")
"""The types of stored numbers that are changed into the one that is asked for."""

SHORT = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}


def long_name(dtype: str) -> str:
    """Spell out a dtype: bf16 is bfloat16."""
    return SHORT.get(dtype, dtype)


def bytes_as(dtype: str, tensors: Iterable[TensorHeader]) -> int:
    """Return the bytes of tensors in memory, with a type of numbers; `auto` is the stored one."""
    size = SIZES.get(dtype)
    return sum(
        each.bytes if size is None or each.dtype not in FLOATS else size * each.count
        for each in tensors
    )
