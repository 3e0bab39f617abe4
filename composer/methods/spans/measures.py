"""How a member's log-probabilities of a span become its score; greater is better."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from composer.engine.sessions.span_parts import Measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.sessions.span_parts import Reading

__all__ = ["MeanLogprob", "Measure", "PerByte", "Perplexity", "Share", "SumLogprob"]

_MOST = 700.0  # nats: beyond it a perplexity is infinite


class MeanLogprob(Measure):
    """The mean log-probability of the span's tokens, in nats."""

    name: ClassVar[str] = "mean_logprob"
    paper: ClassVar[str] = "arXiv:2601.06022"

    def scores(self, readings: Sequence[Reading]) -> list[float]:
        """Return the mean of each reading."""
        return [each.mean for each in readings]


class Perplexity(Measure):
    """The perplexity of the span, negative: the mean over the members is one of perplexities.

    So one member that finds a span very unlikely counts more than with `mean_logprob`.
    """

    name: ClassVar[str] = "perplexity"
    paper: ClassVar[str] = "arXiv:2407.19807"

    def scores(self, readings: Sequence[Reading]) -> list[float]:
        """Return minus exp of minus the mean log-probability of each reading."""
        means = [each.mean for each in readings]
        return [-math.inf if mean < -_MOST else -math.exp(-mean) for mean in means]


class SumLogprob(Measure):
    """The log-probability of the whole span, in nats: shorter spans have an advantage."""

    name: ClassVar[str] = "sum_logprob"

    def scores(self, readings: Sequence[Reading]) -> list[float]:
        """Return the sum of each reading."""
        return [each.total for each in readings]


class PerByte(Measure):
    """The log-probability of the span for each byte of its text, in nats.

    It is the same whatever tokens a member's tokenizer has. An end without a text counts as one
    byte.
    """

    name: ClassVar[str] = "per_byte"

    def scores(self, readings: Sequence[Reading]) -> list[float]:
        """Return the sum of each reading over the length of its text."""
        return [each.total / max(1, len(each.text)) for each in readings]


class Share(Measure):
    """The share of each candidate in what a member gives to all of them, from 0 to 1.

    So each member has the same say in every round. The shares are of mean token probabilities, the
    exponentials of `mean_logprob`; SpecEM's code takes raw logits, which may be negative.
    """

    name: ClassVar[str] = "share"
    paper: ClassVar[str] = "arXiv:2412.07380"

    def scores(self, readings: Sequence[Reading]) -> list[float]:
        """Return each candidate's share; minus infinity for all where none is possible."""
        means = [each.mean for each in readings]
        most = max(means)
        if most == -math.inf:
            return means
        chances = [math.exp(mean - most) for mean in means]
        return [chance / sum(chances) for chance in chances]
