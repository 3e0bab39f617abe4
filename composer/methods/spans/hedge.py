"""Weights that follow the members' wins while an answer is written."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.engine.sessions.span_parts import SpanWeigh
from composer.methods.spans.wins import win_rates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.engine.sessions.span_parts import ScoredRound, SpanWeights
    from composer.values.flow import Query

__all__ = ["Hedge"]


class Hedge(SpanWeigh):
    """Hedge: after each round a member's weight is multiplied by exp(eta * its win rate).

    The others compare a member's proposal with those of all other members (`win_rates`). In the
    round with the number t, eta is `rate` * sqrt(1 / K) / t, where K members took part. A `rate`
    of 0 leaves the weights as they are. The weights are positive and add up to 1.
    """

    name: ClassVar[str] = "hedge"
    paper: ClassVar[str] = "arXiv:2412.07380"

    rate: float = Field(default=1.0, ge=0, le=10)

    def start(self, weights: Mapping[str, float], query: Query) -> SpanWeights:
        """Start from the given weights."""
        del query
        return _Hedging(self.rate, list(weights.values()))


class _Hedging:
    """The weights while one answer is written."""

    def __init__(self, rate: float, weights: list[float]) -> None:
        total = sum(weights)
        self._rate, self._rounds = rate, 0
        self._weights = [weight / total for weight in weights]

    def weights(self, text: str) -> Sequence[float]:
        """Return the weights after the rounds so far."""
        del text
        return tuple(self._weights)

    def learn(self, round_: ScoredRound) -> None:
        """Multiply the weights by what the round says, and let them add up to 1 again."""
        self._rounds += 1
        eta = self._rate * math.sqrt(1 / len(round_.members)) / self._rounds
        for place, rate in win_rates(round_).items():
            self._weights[place] *= math.exp(eta * rate)
        total = sum(self._weights)
        self._weights = [weight / total for weight in self._weights]
