"""Signals of the log-probabilities of the tokens that were written, in nats.

A log-probability that is missing, infinite or no number makes each of them unknown, and so does an
answer without tokens.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from composer.methods.signals.base import LOGPROBS, Signal
from composer.values import Candidates, Text
from composer.values.finite import summed


class OfLogprobs(Signal):
    """A number of the log-probabilities of an answer's tokens, in nats."""

    needs: ClassVar[frozenset[str]] = LOGPROBS
    limits: ClassVar[tuple[float, float]] = (-math.inf, 0.0)

    @abstractmethod
    def of_tokens(self, logprobs: Sequence[float]) -> float:
        """Return the number of one or more finite log-probabilities."""

    def measure(self, answer: Text | Candidates) -> float | None:
        """Return the number, None where not all log-probabilities are known."""
        if not isinstance(answer, Text) or not answer.logprobs:
            return None
        known = all(map(math.isfinite, answer.logprobs))
        return self.of_tokens(answer.logprobs) if known else None


class MeanLogprob(OfLogprobs):
    """Mean log-probability of the answer's tokens, in nats (Chow-Average, arXiv:2404.10136)."""

    name: ClassVar[str] = "mean_logprob"

    def of_tokens(self, logprobs: Sequence[float]) -> float:
        """Return the mean."""
        return summed(logprobs) / len(logprobs)


class SumLogprob(OfLogprobs):
    """Sum of the log-probabilities of the answer's tokens, in nats (Chow-Sum, arXiv:2404.10136).

    Long answers have low sums, so a threshold on it prefers short ones.
    """

    name: ClassVar[str] = "sum_logprob"

    def of_tokens(self, logprobs: Sequence[float]) -> float:
        """Return the sum."""
        return summed(logprobs)


class MinLogprob(OfLogprobs):
    """Log-probability of the answer's least likely token, in nats (arXiv:2404.10136)."""

    name: ClassVar[str] = "min_logprob"

    def of_tokens(self, logprobs: Sequence[float]) -> float:
        """Return the least."""
        return min(logprobs)


class Quantile(OfLogprobs):
    """A quantile of the log-probabilities of the answer's tokens, in nats (Chow-Quantile).

    `at = 0` is that of the least likely token, `at = 0.5` the median, `at = 1` the likeliest one.
    Between two tokens it is interpolated.
    """

    name: ClassVar[str] = "quantile"
    paper: ClassVar[str] = "arXiv:2404.10136"

    at: float = Field(default=0.1, ge=0, le=1)

    def of_tokens(self, logprobs: Sequence[float]) -> float:
        """Return the quantile."""
        ordered = sorted(logprobs)
        place = self.at * (len(ordered) - 1)
        below = math.floor(place)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (place - below) * (ordered[above] - ordered[below])
