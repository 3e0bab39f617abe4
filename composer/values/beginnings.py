"""What texts, or lists of tokens, begin with alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["common_length"]


def common_length(rows: Sequence[bytes] | Sequence[list[int]]) -> int:
    """Return with how many equal bytes or tokens all rows begin; there is at least one row.

    That is where the least and the greatest of them are equal, in the order of a dictionary.
    """
    first, last = min(rows), max(rows)
    unlike = (n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    return next(unlike, len(first))
