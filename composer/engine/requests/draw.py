"""Drawing the next entry of a sequence from the fused distribution, which may have a gate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Self

from composer.engine.requests.fused import FusedRequest, member_logits
from composer.engine.sample import draw
from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from composer.engine.group import Group
    from composer.engine.requests.base import Phase, Replies
    from composer.engine.requests.fused import FusedBatch
    from composer.engine.requests.reading import MemberLogits
    from composer.engine.sequence import SequenceState
    from composer.values.details import TokenChoice, TokenDetail
    from composer.values.processing import Processing
    from composer.values.requests import Sampling

__all__ = ["Draw", "Drawn"]


@dataclass(eq=False, slots=True)
class Drawn:
    """The entry that was drawn, its log-probability at temperature 1, and the wanted details."""

    entry: int
    logprob: float
    choice: TokenChoice | None = None


@dataclass(eq=False, slots=True)
class Draw(FusedRequest[Drawn]):
    """Draw the entry that follows a sequence; `uniform` is a uniform draw in [0, 1).

    `ahead` is how many entries may be drawn greedily from here on, `detail` is what is wanted of
    the one that is drawn.

    In a group with a gate, `gate_open` says that the gate opened here. Then `earlier_logits` keeps
    the logits [1, width] of the first member's slots until the other members have read, too.
    """

    sequence: SequenceState
    sampling: Sampling
    uniform: float
    phase: Phase | None = None
    ahead: int = 1
    detail: TokenDetail | None = None
    gate_open: bool = False
    earlier_logits: Mapping[int, Tensor] = field(default_factory=dict)

    @property
    def processing(self) -> Processing | None:
        """The logits processors of the sampling options."""
        return self.sampling.processing

    def wanted_entries(self, position: int) -> Sequence[int]:
        """The chosen ones, of which details are wanted."""
        del position
        return self.sequence.group.entries_of_ids(self.detail)

    @property
    def hidden_slots(self) -> frozenset[int]:
        """Those that the weights follow from, and the first member's, if the gate reads them."""
        group = self.sequence.group
        hidden = group.gate is not None and group.gate.reads_hidden
        return group.weighing_slots | frozenset(group.first_slots if hidden else ())

    @property
    def weights(self) -> Sequence[float]:
        """The members' weights; (1, 0, ...) while a gate is closed."""
        group, weights = self.sequence.group, self.sequence.weights
        if group.gate is None or self.gate_open:
            return weights
        return (1.0, *(0.0 for _ in weights[1:]))

    @property
    def effective_sampling(self) -> Sampling:
        """The sampling options; greedy where an open gate asks for the likeliest entry."""
        gate = self.sequence.group.gate
        greedy = gate is not None and gate.takes_likeliest and self.gate_open
        return replace(self.sampling, temperature=0.0) if greedy else self.sampling

    def reads(self, slot: int) -> bool:
        """Behind a lazy gate, the first member reads at once, the others when the gate opens."""
        group = self.sequence.group
        return not group.lazy or group.gate is None or (slot in group.first_slots) != self.gate_open

    @classmethod
    def pass_gate(cls, group: Group, requests: Sequence[tuple[Self, MemberLogits]]) -> set[Self]:
        """Ask the gate once for each draw; return the draws for which other members must read."""
        undecided = [(request, logits) for request, logits in requests if not request.gate_open]
        if group.gate is not None and undecided:
            logits = member_logits(group, undecided)
            decisions = group.gate.opens(
                group.first_distributions(logits), group.first_hidden_states(logits)
            ).tolist()
            pairs = enumerate(zip(undecided, decisions, strict=True))
            for row, ((request, request_logits), decision) in pairs:
                request.gate_open = decision
                if request.waits_for_members(request_logits):
                    request.earlier_logits = {
                        slot: _row(group, logits[slot], slot, row) for slot in group.first_slots
                    }
        return {request for request, logits in requests if request.waits_for_members(logits)}

    def waits_for_members(self, logits: MemberLogits) -> bool:
        """Whether the gate is open, and only the first member has read."""
        readings, first_slots = logits.readings, self.sequence.group.first_slots
        only_first = all(reading.slot in first_slots for reading in readings)
        return self.gate_open and only_first and 0 < len(readings) < len(self.sequence.states)

    @classmethod
    def device_values(cls, batch: FusedBatch, requests: Sequence[tuple[Self, int]]) -> list[Tensor]:
        """Draw an entry for each request; return entries [n] and their log-probabilities [n]."""
        rows = [row for _, row in requests]
        sampling = [request.effective_sampling for request, _ in requests]
        uniforms = [request.uniform for request, _ in requests]
        entries = draw(batch.fused, rows, sampling, uniforms)
        logprobs = batch.fused.logprobs_of(torch.tensor(rows, device=entries.device), entries)
        wanted = [request.detail for request, _ in requests]
        details = batch.explain(cls, rows, wanted, entries, logprobs)
        return [entries.double(), logprobs.double(), *details]

    @classmethod
    def reply_values(
        cls,
        batch: FusedBatch,
        requests: Sequence[tuple[Self, int]],
        values: Iterator[float],
        replies: Replies,
    ) -> None:
        """Reply with the entries that were drawn."""
        entries = list(islice(values, len(requests)))
        logprobs = list(islice(values, len(requests)))
        choices = batch.choices(cls, values)
        for n, (request, row) in enumerate(requests):
            drawn = Drawn(int(entries[n]), logprobs[n], choices.get(n))
            batch.reply(replies, request, row, drawn.logprob, drawn)


def _row(group: Group, logits: Tensor | None, slot: int, row: int) -> Tensor:
    """Return one row of a slot's logits [1, width].

    The hidden states behind them are left out, unless the weights of the fuse follow from them.
    """
    assert logits is not None
    columns = None if slot in group.weighing_slots else group.slots[slot].runner.columns
    return logits[row : row + 1, :columns]
