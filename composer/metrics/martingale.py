"""A test, over a stream of any length, that it is exchangeable with held-out rows.

A conformal test martingale (Vovk and others, arXiv:1204.3251): each rank among the held-out rows
and the stream so far gives a p-value, and bets on small p-values start with a capital of 1. By
Ville's inequality the capital of a stream like the rows reaches 1 / level with a probability of at
most the level, at whatever length one looks.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from dataclasses import dataclass, field

__all__ = ["LEVEL", "ExchangeabilityTest"]

LEVEL = 0.05
"""The probability of a false alarm, at most, of a whole stream."""

FIRST = LEVEL / 2
"""The p-value of the first query up to which half of the capital wins the test at once."""

MOST = 600.0
"""The logarithm up to which a capital is counted."""

BETS = tuple((share, power) for share in (0.1, 0.3, 1.0) for power in (0.05, 0.25, 0.5, 0.7, 0.85))
"""Shares s and powers e of the bets 1 - s + s e p^(e - 1), whose mean over p in [0, 1] is 1."""


@dataclass(eq=False)
class ExchangeabilityTest:
    """The test of one stream of `count` queries; `peak` is the most that the capital ever was.

    Equal ranks count as the larger p-value, which can only make alarms rarer.
    """

    count: int = 0
    peak: float = 1.0
    _ranks: list[int] = field(default_factory=list)
    _first: float = 1.0
    _logs: list[float] = field(default_factory=lambda: [0.0] * len(BETS))

    def add(self, rank: int, rows: int) -> None:
        """Count one more query: `rank` of the `rows` are at least as unusual as it."""
        p_value = (1 + rank + bisect_right(self._ranks, rank)) / (rows + self.count + 1)
        insort(self._ranks, rank)
        self.count += 1
        if self.count == 1:
            self._first = 1 / FIRST if p_value <= FIRST else 0.0
        for at, (share, power) in enumerate(BETS):
            self._logs[at] += math.log(1 - share + share * power * p_value ** (power - 1))
        self.peak = max(self.peak, self.capital)

    @property
    def capital(self) -> float:
        """What the bets are worth now: half of it lies on the first query, half on all."""
        most = min(max(self._logs), MOST)
        mean = sum(math.exp(min(each, MOST) - most) for each in self._logs) / len(BETS)
        return (self._first + math.exp(most) * mean) / 2
