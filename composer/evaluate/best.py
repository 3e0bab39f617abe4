"""Which of several single models is the best: one rule for all tables and sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["best_place"]


def best_place(qualities: Sequence[float], costs: Sequence[float]) -> int:
    """The place of the best quality; among equals the cheapest, then the first.

    Costs do not count where one is not known (NaN). Means that differ by rounding alone are equal.
    """
    priced = not any(map(math.isnan, costs))

    def rank(at: int) -> tuple[float, float]:
        return -round(qualities[at], 12), float(f"{costs[at]:.12g}") if priced else 0.0

    return min(range(len(qualities)), key=rank)
