"""What is said of logits that are no numbers: whose they are, and what may help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.models.checkpoint import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.fusion.cursor import Cursor

__all__ = ["fault"]


def fault(cursor: Cursor, said: Sequence[Tensor | None], rows: slice) -> ModelError:
    """Name the member whose logits [position, width] at some positions made the fuse no number."""
    cursor.spoilt = True
    for leaf, logits in zip(cursor.group.leaves, said, strict=True):
        if logits is not None and (logits[rows].isnan() | logits[rows].isposinf()).any():
            return ModelError(
                "E704",
                f"{leaf.name} gave logits that are not numbers",
                "its number type may be too narrow: try `dtype = float32`",
            )
    return ModelError("E705", "the members rule out each other's every token")
