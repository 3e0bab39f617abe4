"""Ranking candidates for the next entry, and scoring entries that a sequence has already."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Self

from composer.engine.requests.base import END
from composer.engine.requests.fused import FusedRequest
from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from composer.engine.requests.base import Replies
    from composer.engine.requests.fused import FusedBatch
    from composer.engine.sequence import MemberState, SequenceState
    from composer.values.processing import Processing
    from composer.values.requests import Sampling

__all__ = ["Rank", "Ranked", "ScoreEntries"]


@dataclass(eq=False, slots=True)
class Ranked:
    """The likeliest entries, in order, with their log-probabilities.

    `candidates` [n] are all entries that were compared, `scores` [n] their log-probabilities; both
    stay on the device, so that more of them can be listed without another forward pass.
    """

    entries: list[int]
    logprobs: list[float]
    candidates: Tensor
    scores: Tensor

    def top(self, count: int) -> Ranked:
        """Return the likeliest `count` candidates, at least as many as are listed already."""
        count = min(count, len(self.candidates))
        if count <= len(self.entries):
            return self
        best = self.scores.topk(count)
        return replace(
            self, entries=self.candidates[best.indices].tolist(), logprobs=best.values.tolist()
        )


@dataclass(eq=False, slots=True)
class Rank(FusedRequest[Ranked]):
    """Rank candidates `entries` [n] for the next entry; the reply lists the likeliest `count`.

    With `sampling`, its logits processors are applied first.
    """

    sequence: SequenceState
    entries: Tensor
    count: int
    sampling: Sampling | None = None
    scores: Tensor | None = None

    @property
    def processing(self) -> Processing | None:
        """The logits processors of the sampling options, if there are any."""
        return self.sampling.processing if self.sampling else None

    @property
    def result_count(self) -> int:
        """How many entries the reply lists."""
        return min(self.count, len(self.entries))

    @classmethod
    def device_values(cls, batch: FusedBatch, requests: Sequence[tuple[Self, int]]) -> list[Tensor]:
        """For each request, the highest log-probabilities [rank] and their entries [rank]."""
        dense = batch.fused.to_dense(len(batch.group.space))
        parts: list[Tensor] = []
        for request, row in requests:
            request.scores = dense.logprobs([row])[0, request.entries]
            best = request.scores.topk(request.result_count)
            parts += [best.values.double(), request.entries[best.indices].double()]
        return parts

    @classmethod
    def reply_values(
        cls,
        batch: FusedBatch,
        requests: Sequence[tuple[Self, int]],
        values: Iterator[float],
        replies: Replies,
    ) -> None:
        """Reply with the ranked entries."""
        for request, row in requests:
            logprobs = list(islice(values, request.result_count))
            entries = [int(entry) for entry in islice(values, request.result_count)]
            assert request.scores is not None
            ranked = Ranked(entries, logprobs, request.entries, request.scores)
            batch.reply(replies, request, row, sum(logprobs[:1]), ranked)


@dataclass(eq=False, slots=True)
class ScoreEntries(FusedRequest[list[float]]):
    """Log-probabilities of a sequence's entries from number `start` on, of at least one.

    With `end`, also the log-probability that the text ends after them, by any end entry. With
    `sampling`, its logits processors are applied first.
    """

    sequence: SequenceState
    start: int
    end: bool = False
    sampling: Sampling | None = None

    @property
    def processing(self) -> Processing | None:
        """The logits processors of the sampling options, if there are any."""
        return self.sampling.processing if self.sampling else None

    @property
    def targets(self) -> list[int]:
        """The entries to score; `END` for the end."""
        return [*self.sequence.entries[self.start :], *([END] if self.end else ())]

    def wanted_entries(self, position: int) -> Sequence[int]:
        """The entry to score there, or all ends."""
        target = self.targets[position]
        return sorted(self.sequence.group.space.ends) if target == END else (target,)

    @property
    def position_count(self) -> int:
        """One position before each entry, and one before the end."""
        return len(self.sequence.entries) - self.start + self.end

    def logit_positions(self, slot: int, state: MemberState) -> tuple[Sequence[int], int]:
        """Logits are wanted before every entry, and before the end."""
        del slot
        positions = [*state.entry_starts[self.start :], *([len(state.ids)] if self.end else ())]
        return positions, positions[-1]

    @classmethod
    def device_values(cls, batch: FusedBatch, requests: Sequence[tuple[Self, int]]) -> list[Tensor]:
        """Log-probabilities of all targets; the end's is that of all end entries together."""
        targets = [
            (row + n, target)
            for request, row in requests
            for n, target in enumerate(request.targets)
        ]
        places = torch.tensor(targets, device=batch.group.device)
        logprobs = batch.fused.logprobs_of(places[:, 0], places[:, 1].clamp(min=0))
        ending = [n for n, (_, target) in enumerate(targets) if target == END]
        if ending:
            end_entries = sorted(batch.group.space.ends)
            logprobs[ending] = batch.fused.logprob_of_any(places[ending, 0], end_entries)
        return [logprobs.double()]

    @classmethod
    def reply_values(
        cls,
        batch: FusedBatch,
        requests: Sequence[tuple[Self, int]],
        values: Iterator[float],
        replies: Replies,
    ) -> None:
        """Reply with the log-probabilities."""
        for request, row in requests:
            logprobs = list(islice(values, request.position_count))
            batch.reply(replies, request, row, sum(logprobs), logprobs)
