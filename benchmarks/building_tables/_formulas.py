"""What merges are by their papers, in float64 and in plain numpy: no line of the product is used.

Each function takes the members' tensors of one name and their coefficients, and returns the tensor
that they make. Where a formula has a base, it is the first member.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np


def average(tensors: Sequence[np.ndarray], by: Sequence[float]) -> np.ndarray:
    """Return the weighted sum: model soups (arXiv:2203.05482)."""
    return sum(c * t for c, t in zip(by, tensors, strict=True))
