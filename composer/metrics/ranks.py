"""How well scores tell two classes apart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["area_under_roc"]


def area_under_roc(scores: Sequence[float], positives: Sequence[bool]) -> float:
    """Return the probability that a positive has a greater score than a negative.

    Equal scores count one half. It is 1 for a perfect order, 0.5 for a random one, and NaN if
    either class is empty.
    """
    values, classes = np.asarray(scores, dtype=float), np.asarray(positives, dtype=bool)
    count = int(classes.sum())
    if not 0 < count < classes.size:
        return math.nan
    _, places, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(sizes) - (sizes - 1) / 2
    wins = ranks[places][classes].sum() - count * (count + 1) / 2
    return float(wins / (count * (classes.size - count)))
