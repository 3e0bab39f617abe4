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
    from composer.values.details import TokenChoice, TokenDetail
    from composer.values.processing import Processing
    from composer.values.requests import Sampling

__all__ = ["Rank", "Ranked", "ScoreEntries", "Scored"]


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
class Scored:
    """Log-probabilities of some entries, and a choice for each where details are wanted."""

    logprobs: list[float]
    choices: list[TokenChoice]


@dataclass(eq=False, slots=True)
class ScoreEntries(FusedRequest[Scored]):
    """Log-probabilities of a sequence's entries from number `start` on, of at least one.

    With `end`, also the log-probability that the text ends after them, by any end entry. With
    `sampling`, its logits processors are applied first. `detail` is what is wanted of each entry.
    """

    sequence: SequenceState
    start: int
    end: bool = False
    sampling: Sampling | None = None
    detail: TokenDetail | None = None

    @property
    def processing(self) -> Processing | None:
        """The logits processors of the sampling options, if there are any."""
        return self.sampling.processing if self.sampling else None

    @property
    def targets(self) -> list[int]:
        """The entries to score; `END` for the end."""
        return [*self.sequence.entries[self.start :], *([END] if self.end else ())]

    def wanted_entries(self, position: int) -> Sequence[int]:
        """The entry to score there, or all ends; and chosen ones, of which details are wanted."""
        target, group = self.targets[position], self.sequence.group
        own = sorted(group.space.ends) if target == END else [target]
        return [*own, *group.entries_of_ids(self.detail)]

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
        end_entries = sorted(batch.group.space.ends)
        chosen = places[:, 1].clamp(min=0)
        ending = [n for n, (_, target) in enumerate(targets) if target == END]
        if ending and end_entries:
            chosen[ending] = end_entries[0]
        logprobs = batch.fused.logprobs_of(places[:, 0], chosen)
        wanted = [request.detail for request, _ in requests for _ in request.targets]
        details = batch.explain(cls, [row for row, _ in targets], wanted, chosen, logprobs)
        if ending:
            logprobs[ending] = batch.fused.logprob_of_any(places[ending, 0], end_entries)
        return [logprobs.double(), *details]

    @classmethod
    def reply_values(
        cls,
        batch: FusedBatch,
        requests: Sequence[tuple[Self, int]],
        values: Iterator[float],
        replies: Replies,
    ) -> None:
        """Reply with the log-probabilities."""
        logprobs = [list(islice(values, request.position_count)) for request, _ in requests]
        choices = batch.choices(cls, values)
        start = 0
        for (request, row), own in zip(requests, logprobs, strict=True):
            places = range(start, start + len(own))
            scored = Scored(own, [choices[n] for n in places if n in choices])
            batch.reply(replies, request, row, sum(own), scored)
            start += len(own)
