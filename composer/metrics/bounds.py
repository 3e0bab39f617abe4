"""How surely a mean loss lies below a limit, whatever the distribution: p-values of that.

A loss is from 0 to 1. Each p-value is one of the hypothesis that the mean is above the limit: where
that is true, a p-value of at most `tail` comes with a probability of at most `tail`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from composer.heavy import np, scipy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["loss_p_values", "rows_needed"]

MOST_ROWS = 10_000_000
"""No more rows than this are ever called for."""


def loss_p_values(total: Floats, rows: Floats, limit: float, *, binary: bool) -> Floats:
    """Return the p-value of each total of `rows` losses; 1 where there are no rows.

    The binomial one is exact where every loss is 0 or 1 (`binary`). Other losses have that of
    Hoeffding and Bentkus (arXiv:2101.02703).
    """
    if limit >= 1:
        return np.where(rows > 0, 0.0, 1.0)
    if limit <= 0:
        return np.ones_like(total, dtype=float)
    some = np.maximum(rows, 1)
    tail = scipy.special.bdtr(np.ceil(total - 1e-9), some.astype(int), limit)
    if not binary:
        mean = np.clip(total / some, 0.0, limit)
        entropy = scipy.special.rel_entr(mean, limit) + scipy.special.rel_entr(1 - mean, 1 - limit)
        tail = np.minimum(np.exp(-some * entropy), math.e * tail)
    return np.where(rows > 0, np.minimum(tail, 1.0), 1.0)


def rows_needed(mean: float, limit: float, tail: float, *, binary: bool = True) -> int | None:
    """Return how many rows with this mean loss it takes to be sure of a limit.

    None where no number of rows is enough: the mean is not below the limit.
    """

    def enough(rows: int) -> bool:
        total, count = np.array([mean * rows]), np.array([float(rows)])
        return bool(loss_p_values(total, count, limit, binary=binary)[0] <= tail)

    high = 1
    while not enough(high):
        high *= 2
        if high > MOST_ROWS or mean >= limit:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
