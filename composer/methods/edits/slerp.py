"""SLERP: on the arc between two models instead of the straight line."""

from __future__ import annotations

from math import acos, sin
from typing import TYPE_CHECKING, ClassVar

from composer.heavy import torch
from composer.specs.parts import Edit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.specs.parts import TensorPlace

__all__ = ["Slerp"]

COLINEAR = 0.9995
"""The cosine beyond which two tensors are treated as parallel, as in the common code."""


class Slerp(Edit):
    """Interpolate two models on a great circle: SLERP.

    The second member's share is how far the way goes, from 0 (the first member) to 1. Each tensor
    is one vector: sin((1-t)a)/sin(a) A + sin(ta)/sin(a) B, with the angle a between A and B. Where
    they are nearly parallel or opposite (cosine beyond 0.9995), or one is zero, the straight line
    is taken.
    """

    name: ClassVar[str] = "slerp"
    paper: ClassVar[str] = "https://doi.org/10.1145/325165.325242"
    members: ClassVar[int | None] = 2
    affine: ClassVar[bool] = True

    def merged(
        self, tensors: Sequence[Tensor], coefficients: Sequence[float], place: TensorPlace
    ) -> Tensor:
        """Return the tensor on the arc; the coefficients have the sum 1."""
        del place
        (first, second), (nearer, further) = tensors, coefficients
        cosine = _cosine(first, second)
        if abs(cosine) <= COLINEAR:
            angle = acos(cosine)
            nearer, further = sin(nearer * angle) / sin(angle), sin(further * angle) / sin(angle)
        return (first * nearer).add_(second, alpha=further)


def _cosine(first: Tensor, second: Tensor) -> float:
    """Return the cosine between two tensors; 1 where one is zero, which has no direction."""
    product = (first * second).sum(dtype=torch.float64)
    lengths = [each.square().sum(dtype=torch.float64).sqrt() for each in (first, second)]
    length = lengths[0] * lengths[1]
    return float(product / length) if length else 1.0
