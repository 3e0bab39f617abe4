"""Reading the whole distribution of the entry after a sequence."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Self

from composer.engine.requests.fused import FusedRequest
from composer.engine.sample import sampling_probabilities

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from composer.engine.requests.base import Replies
    from composer.engine.requests.fused import FusedBatch
    from composer.engine.sequence import SequenceState
    from composer.values.processing import Processing
    from composer.values.requests import Sampling

__all__ = ["NextProbabilities"]


@dataclass(eq=False, slots=True)
class NextProbabilities(FusedRequest["Tensor"]):
    """The probabilities [entry], float64 on the host, by which the next entry would be drawn.

    `sampling` says at which temperature, and from which of the likeliest entries.
    """

    sequence: SequenceState
    sampling: Sampling
    probabilities: Tensor | None = None

    @property
    def processing(self) -> Processing | None:
        """The logits processors of the sampling options."""
        return self.sampling.processing

    @classmethod
    def device_values(cls, batch: FusedBatch, requests: Sequence[tuple[Self, int]]) -> list[Tensor]:
        """Move the probabilities of all requests to the host; return their sums [n]."""
        fused = batch.fused
        if fused.remake is None:
            fused = fused.to_dense(len(batch.group.space))
        rows = [row for _, row in requests]
        table = sampling_probabilities(fused, rows, [request.sampling for request, _ in requests])
        host = table.cpu()
        for n, (request, _) in enumerate(requests):
            request.probabilities = host[n]
        return [table.sum(-1)]

    @classmethod
    def reply_values(
        cls,
        batch: FusedBatch,
        requests: Sequence[tuple[Self, int]],
        values: Iterator[float],
        replies: Replies,
    ) -> None:
        """Reply with the probabilities; a request whose sum is NaN fails."""
        sums = list(islice(values, len(requests)))
        for (request, row), total in zip(requests, sums, strict=True):
            assert request.probabilities is not None
            batch.reply(replies, request, row, total, request.probabilities)
