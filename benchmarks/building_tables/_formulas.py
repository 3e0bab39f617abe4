"""What merges are by their papers, in float64 and in plain numpy: no line of the product is used.

Each function takes the members' tensors of one name and their coefficients, and returns all tensors
that they may make: one, or where numbers are dropped at random one for each way to drop them. Where
a formula has a base, it is the first member.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

Tensors = list[np.ndarray]


def average(tensors: Sequence[np.ndarray], by: Sequence[float]) -> Tensors:
    """Return sum c_i W_i: model soups (arXiv:2203.05482), task arithmetic (arXiv:2212.04089)."""
    return [sum(c * t for c, t in zip(by, tensors, strict=True))]


def slerp(tensors: Sequence[np.ndarray], by: Sequence[float]) -> Tensors:
    """Return the point of the arc between two tensors (Shoemake, 1985); near 0, of the line."""
    one, other = tensors
    cosine = (one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum())
    if abs(cosine) > 0.9995:
        return average(tensors, by)
    angle, t = np.arccos(cosine), by[1]
    return [(np.sin((1 - t) * angle) * one + np.sin(t * angle) * other) / np.sin(angle)]


def ties(tensors: Sequence[np.ndarray], by: Sequence[float], density: float = 0.3) -> Tensors:
    """Trim to the largest, elect signs, and take the mean of those that agree (arXiv:2306.01708).

    The trimming is by tensor, and the coefficients are strengths, with which signs are elected.
    """
    base, *tuned = tensors
    return [base + elected([trimmed(t - base, density) for t in tuned], by[1:])]


def dare(tensors: Sequence[np.ndarray], by: Sequence[float], density: float = 0.4) -> Tensors:
    """Drop numbers with the chance 1 - density, and divide by the density (arXiv:2311.03099)."""
    base, *tuned = tensors
    scaled = [c * (t - base) / density for c, t in zip(by[1:], tuned, strict=True)]
    return [
        base + sum(k * s for k, s in zip(kept, scaled, strict=True))
        for kept in product((0, 1), repeat=len(scaled))
    ]


def dare_ties(tensors: Sequence[np.ndarray], by: Sequence[float], density: float = 0.4) -> Tensors:
    """Drop as in DARE, then elect signs as in TIES."""
    base, *tuned = tensors
    rescaled = [(t - base) / density for t in tuned]
    return [
        base + elected([k * s for k, s in zip(kept, rescaled, strict=True)], by[1:])
        for kept in product((0, 1), repeat=len(rescaled))
    ]


def varm(tensors: Sequence[np.ndarray], by: Sequence[float]) -> Tensors:
    """Weigh differences by their sums of squares (FuseChat, arXiv:2402.16107)."""
    base, *tuned = tensors
    differences = [t - base for t in tuned]
    squares = np.array([(d**2).sum() for d in differences])
    terms = zip(by[1:], squares / squares.sum(), differences, strict=True)
    return [base + sum(c * w * d for c, w, d in terms)]


def sce(tensors: Sequence[np.ndarray], by: Sequence[float], density: float = 0.25) -> Tensors:
    """Select where differences vary most, weigh by squares, erase minority signs (the same)."""
    base, *tuned = tensors
    differences = np.stack([t - base for t in tuned])
    variance = differences.var(axis=0)
    count = int(density * np.count_nonzero(variance))
    selected = differences * (variance >= np.sort(variance, axis=None)[-count])
    weighted = np.array([c * d for c, d in zip(by[1:], selected, strict=True)])
    agrees = np.sign(weighted) == np.where(weighted.sum(axis=0) >= 0, 1, -1)
    squares = [(d**2).sum() * a for d, a in zip(selected, agrees, strict=True)]
    weights = np.array(squares) / np.maximum(np.sum(squares, axis=0), 1e-300)
    return [base + (weights * weighted).sum(axis=0)]


def trimmed(difference: np.ndarray, density: float) -> np.ndarray:
    """Return a difference whose numbers are zero but for the largest in magnitude."""
    sizes = np.abs(difference)
    least = np.sort(sizes, axis=None)[-max(1, int(density * difference.size))]
    return np.where(sizes >= least, difference, 0.0)


def elected(differences: Sequence[np.ndarray], by: Sequence[float]) -> np.ndarray:
    """Return the mean of the weighted differences that have the sign of their sum."""
    weighted = np.stack([c * d for c, d in zip(by, differences, strict=True)])
    sign = np.where(weighted.sum(axis=0) >= 0, 1, -1)
    agrees = np.sign(weighted) == sign
    return (weighted * agrees).sum(axis=0) / np.maximum(agrees.sum(axis=0), 1)
