"""How a member's log-probabilities of a span become its score; greater is better."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from composer.engine.sessions.span_parts import Measure
from composer.values.finite import summed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.sessions.span_parts import Reading

__all__ = ["MeanLogprob", "Measure"]


class MeanLogprob(Measure):
    """The mean log-probability of the span's tokens, in nats."""

    name: ClassVar[str] = "mean_logprob"
    paper: ClassVar[str] = "arXiv:2407.19807"

    def scores(self, readings: Sequence[Reading]) -> list[float]:
        """Return the mean of each reading."""
        return [summed(each.logprobs) / len(each.logprobs) for each in readings]
