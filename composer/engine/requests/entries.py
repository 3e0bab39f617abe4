"""What may be asked of the fused distribution: draw an entry, rank some, score those given."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Self

import torch

from composer.engine.requests.base import END, Replies, StepRequest
from composer.engine.requests.fused import FusedRequest, member_logits
from composer.engine.sample import draw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from composer.engine.group import Group
    from composer.engine.phase import Phase
    from composer.engine.requests.fused import FusedBatch
    from composer.engine.requests.reading import MemberLogits
    from composer.engine.sequence import MemberState, SequenceState
    from composer.values.processing import Processing
    from composer.values.requests import Sampling

__all__ = ["Draw", "Drawn", "Prefill", "Rank", "Ranked", "ScoreEntries"]


@dataclass(eq=False, slots=True)
class Drawn:
    """What was drawn, and its log-probability at temperature 1."""

    entry: int
    logprob: float


@dataclass(eq=False, slots=True)
class Draw(FusedRequest[Drawn]):
    """Ask for one entry to be drawn at the cursor.

    Where the group has a gate, `opened` says that it opened here, and `held` keeps the logits
    [1, width] of the first member's leaves until the others have caught up.
    """

    sequence: SequenceState
    sampling: Sampling
    uniform: float
    phase: Phase | None = None
    gate_open: bool = False
    earlier_logits: Mapping[int, Tensor] = field(default_factory=dict)

    @property
    def processing(self) -> Processing | None:
        """As who writes asks."""
        return self.sampling.processing

    @property
    def hidden_slots(self) -> frozenset[int]:
        """The first member's, where the gate looks at them."""
        group = self.sequence.group
        hidden = group.gate is not None and group.gate.hidden
        return frozenset(group.first_slots if hidden else ())

    @property
    def weights(self) -> Sequence[float]:
        """The members' weights: all of it the first one's where a gate stays shut."""
        group, weights = self.sequence.group, self.sequence.weights
        if group.gate is None or self.gate_open:
            return weights
        return (1.0, *(0.0 for _ in weights[1:]))

    @property
    def effective_sampling(self) -> Sampling:
        """How to draw: some gates take the likeliest entry where they open."""
        gate = self.sequence.group.gate
        greedy = gate is not None and gate.greedy and self.gate_open
        return replace(self.sampling, temperature=0.0) if greedy else self.sampling

    def reads(self, slot: int) -> bool:
        """Behind a gate, the first member's leaves read, the others if it opens."""
        group = self.sequence.group
        return not group.lazy or group.gate is None or (slot in group.first_slots) != self.gate_open

    @classmethod
    def pass_gate(cls, group: Group, asked: Sequence[tuple[Self, MemberLogits]]) -> set[Self]:
        """Ask the gate once for each draw; where it opens, the other members may have to read."""
        fresh = [(request, logits) for request, logits in asked if not request.gate_open]
        if group.gate is not None and fresh:
            logits = member_logits(group, fresh)
            opens = group.gate(
                group.first_distributions(logits), group.first_hidden_states(logits)
            ).tolist()
            for row, ((request, own), opened) in enumerate(zip(fresh, opens, strict=True)):
                request.gate_open = opened
                if request.waits_for_members(own):
                    lead = group.first_slots
                    request.earlier_logits = {
                        slot: _row(group, logits[slot], slot, row) for slot in lead
                    }
        return {request for request, own in asked if request.waits_for_members(own)}

    def waits_for_members(self, own: MemberLogits) -> bool:
        """Whether the gate opened and nobody but the lead has read."""
        leading = all(reading.slot in self.sequence.group.first_slots for reading in own.readings)
        return self.gate_open and leading and 0 < len(own.readings) < len(self.sequence.states)

    @classmethod
    def device_values(cls, fusion: FusedBatch, asked: Sequence[tuple[Self, int]]) -> list[Tensor]:
        """Draw an entry [n] for each request; and their log-probabilities [n]."""
        rows = [row for _, row in asked]
        how, luck = (
            [request.effective_sampling for request, _ in asked],
            [r.uniform for r, _ in asked],
        )
        entries = draw(fusion.fused, rows, how, luck)
        own = fusion.fused.logprobs_of(torch.tensor(rows, device=entries.device), entries)
        return [entries.double(), own.double()]

    @classmethod
    def reply_values(
        cls,
        fusion: FusedBatch,
        asked: Sequence[tuple[Self, int]],
        values: Iterator[float],
        replies: Replies,
    ) -> None:
        """Reply what was drawn."""
        entries = list(islice(values, len(asked)))
        for (request, row), entry in zip(asked, entries, strict=True):
            logprob = next(values)
            fusion.reply(replies, request, row, logprob, Drawn(int(entry), logprob))


@dataclass(eq=False, slots=True)
class Ranked:
    """Entries, likeliest first, with their log-probabilities.

    `asked` [n] are all entries that were asked about, `scores` [n] what the group gives them: those
    beyond the likeliest can be had of these, without another forward pass.
    """

    entries: list[int]
    logprobs: list[float]
    candidates: Tensor
    scores: Tensor

    def top(self, count: int) -> Ranked:
        """The likeliest `count` of all that were asked about."""
        count = min(count, len(self.candidates))
        if count <= len(self.entries):
            return self
        best = self.scores.topk(count)
        return replace(
            self, entries=self.candidates[best.indices].tolist(), logprobs=best.values.tolist()
        )


@dataclass(eq=False, slots=True)
class Rank(FusedRequest[Ranked]):
    """Ask for the likeliest `count` of some entries [n] at the cursor."""

    sequence: SequenceState
    entries: Tensor
    count: int
    sampling: Sampling | None = None
    scores: Tensor | None = None

    @property
    def processing(self) -> Processing | None:
        """As who writes asks."""
        return self.sampling.processing if self.sampling else None

    @property
    def result_count(self) -> int:
        """How many there are."""
        return min(self.count, len(self.entries))

    @classmethod
    def device_values(cls, fusion: FusedBatch, asked: Sequence[tuple[Self, int]]) -> list[Tensor]:
        """For each request the best log-probabilities [rank], and whose they are [rank]."""
        whole = fusion.fused.to_dense(len(fusion.group.space))
        parts: list[Tensor] = []
        for request, row in asked:
            request.scores = whole.logprobs([row])[0, request.entries]
            best = request.scores.topk(request.result_count)
            parts += [best.values.double(), request.entries[best.indices].double()]
        return parts

    @classmethod
    def reply_values(
        cls,
        fusion: FusedBatch,
        asked: Sequence[tuple[Self, int]],
        values: Iterator[float],
        replies: Replies,
    ) -> None:
        """Reply what was ranked."""
        for request, row in asked:
            logprobs = list(islice(values, request.result_count))
            entries = [int(entry) for entry in islice(values, request.result_count)]
            assert request.scores is not None
            ranked = Ranked(entries, logprobs, request.entries, request.scores)
            fusion.reply(replies, request, row, sum(logprobs[:1]), ranked)


@dataclass(eq=False, slots=True)
class ScoreEntries(FusedRequest[list[float]]):
    """Ask for the log-probabilities of a cursor's entries from `start` on, at least one.

    `end` also asks for that of the end after them, whichever entry says it. With `how` the entries
    are judged as they are written, else by what the models say.
    """

    sequence: SequenceState
    start: int
    end: bool = False
    sampling: Sampling | None = None

    @property
    def processing(self) -> Processing | None:
        """As who writes asks."""
        return self.sampling.processing if self.sampling else None

    @property
    def targets(self) -> list[int]:
        """Whose log-probabilities are wanted."""
        return [*self.sequence.entries[self.start :], *([END] if self.end else ())]

    @property
    def position_count(self) -> int:
        """One before each entry, and one before the end."""
        return len(self.sequence.entries) - self.start + self.end

    def logit_positions(self, slot: int, state: MemberState) -> tuple[Sequence[int], int]:
        """Logits are wanted before every entry, and before the end."""
        del slot
        wanted = [*state.entry_starts[self.start :], *([len(state.ids)] if self.end else ())]
        return wanted, wanted[-1]

    @classmethod
    def device_values(cls, fusion: FusedBatch, asked: Sequence[tuple[Self, int]]) -> list[Tensor]:
        """Log-probabilities of all entries; the end is what all end entries add up to."""
        places = [(row + n, t) for r, row in asked for n, t in enumerate(r.targets)]
        at = torch.tensor(places, device=fusion.group.device)
        values = fusion.fused.logprobs_of(at[:, 0], at[:, 1].clamp(min=0))
        ending = [n for n, (_, target) in enumerate(places) if target == END]
        if ending:
            ends = sorted(fusion.group.space.ends)
            values[ending] = fusion.fused.logprob_of_any(at[ending, 0], ends)
        return [values.double()]

    @classmethod
    def reply_values(
        cls,
        fusion: FusedBatch,
        asked: Sequence[tuple[Self, int]],
        values: Iterator[float],
        replies: Replies,
    ) -> None:
        """Reply what was read."""
        for request, row in asked:
            own = list(islice(values, request.position_count))
            fusion.reply(replies, request, row, sum(own), own)


@dataclass(eq=False, slots=True)
class Prefill(StepRequest[None]):
    """Ask that all tokens but the last be read, so that what follows reads no more than others."""

    sequence: SequenceState

    def logit_positions(self, slot: int, state: MemberState) -> tuple[Sequence[int], int]:
        """No logits are wanted."""
        del slot
        return (), len(state.ids) - 1

    @classmethod
    def answer(cls, group: Group, asked: Sequence[tuple[Self, MemberLogits]]) -> Replies:
        """Nothing is to be said."""
        del group
        replies = Replies()
        for request, _ in asked:
            replies.give(request, None)
        return replies


def _row(group: Group, logits: Tensor | None, slot: int, row: int) -> Tensor:
    """One row of a leaf's logits [1, width], without what may stand behind them."""
    assert logits is not None
    return logits[row : row + 1, : group.slots[slot].runner.model.width]
