"""One step of speculative decoding: some members verify proposals, and propose what follows.

Speculative Ensemble, arXiv:2502.01662. The members of a fuse form two sides that take turns. The
distribution that proposals are verified by is the fused one: it is made of the logits of the side
that verifies and of those that the other side had when it proposed. Entries that are not accepted
are replaced by rejection sampling, so that the answer is distributed as the fuse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.engine.requests.base import Replies, StepRequest, drop_nan_member
from composer.engine.requests.details import Details
from composer.engine.requests.draw import Drawn
from composer.engine.requests.member_details import FusedRows
from composer.engine.requests.rejection import accepted, replacements
from composer.engine.sample import draw_column, greedy, sampling_probabilities
from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.engine.group import Group
    from composer.engine.requests.base import Phase
    from composer.engine.requests.reading import MemberLogits
    from composer.engine.sequence import MemberState, SequenceState
    from composer.values.details import TokenDetail
    from composer.values.processing import Processing
    from composer.values.requests import Sampling

    StepLogits = Sequence[tuple["SpeculativeStep", Mapping[int, Tensor]]]
    """Steps with their own logits [position, width] by slot."""

__all__ = ["DraftingMembers", "Proposal", "SpeculativeStep", "StepResult"]


_LIKELY = 20
"""How many of a proposing model's likeliest entries may be drawn where all members must agree."""


@dataclass(frozen=True)
class DraftingMembers:
    """One side: some members of a fuse, by number, and the slots of their models.

    `weights` has one for each member of the fuse; the side proposes with these.
    """

    members: tuple[int, ...]
    slots: frozenset[int]
    weights: tuple[float, ...]


@dataclass(eq=False)
class Proposal:
    """An entry that a side proposes, with the logits [1, width] of its slots.

    `probabilities` [entry] are those that it was drawn by; None if it was the likeliest.
    """

    entry: int
    logits: Mapping[int, Tensor]
    probabilities: Tensor | None


@dataclass(eq=False)
class StepResult:
    """The proposals that were accepted, the replacement of the first that was not, and a new one.

    There is no new proposal where one was not accepted.
    """

    accepted: list[Drawn] = field(default_factory=list)
    replacement: Drawn | None = None
    proposal: Proposal | None = None


@dataclass(eq=False)
class SpeculativeStep(StepRequest[StepResult]):
    """Let one side verify `proposals`, which follow the first `start` entries, and propose.

    `propose` says whether it proposes. `uniforms` are uniform draws in [0, 1): one for each
    proposal to verify, then one for a replacement and one for the new proposal. `ahead` is how many
    entries the side may propose from here on, `detail` what is wanted of each that is written.
    """

    sequence: SequenceState
    sampling: Sampling
    drafters: DraftingMembers
    start: int
    proposals: Sequence[Proposal]
    propose: bool
    uniforms: Sequence[float]
    phase: Phase
    ahead: int = 1
    detail: TokenDetail | None = None

    @property
    def processing(self) -> Processing | None:
        """The logits processors of the sampling options."""
        return self.sampling.processing

    def wanted_entries(self, position: int) -> Sequence[int]:
        """The proposal to verify there, and whatever may be drawn instead.

        In a mean, what a side that verifies does not find likely itself is hardly drawn.
        """
        group = self.sequence.group
        entries = set(group.entries_of_ids(self.detail))
        for proposal in self.proposals[position : position + 1]:
            entries.add(proposal.entry)
            for slot, logits in {} if group.is_linear else proposal.logits.items():
                entries.update(group.likely_entries(slot, logits[0], _LIKELY))
        return sorted(entries)

    def reads(self, slot: int) -> bool:
        """Only the side's own slots read."""
        return slot in self.drafters.slots

    def logit_positions(self, slot: int, state: MemberState) -> tuple[Sequence[int], int]:
        """Logits are wanted before every proposal to verify, and after the last entry."""
        del slot
        last = len(state.ids)
        before = state.entry_starts[self.start : self.start + len(self.proposals)]
        before += [last] * (len(self.proposals) - len(before))  # the end is proposed, never read
        positions = [*before, last] if self.propose else before
        return positions, positions[-1]

    @classmethod
    def answer(
        cls, group: Group, requests: Sequence[tuple[SpeculativeStep, MemberLogits]]
    ) -> Replies:
        """Answer the steps of all sides with one transfer to the host."""
        steps = [(step, logits.by_slot()) for step, logits in requests]
        verifying = [(step, logits) for step, logits in steps if step.proposals]
        proposing = [(step, logits) for step, logits in steps if step.propose]
        verification = _Verification(group, verifying) if verifying else None
        sides = list(dict.fromkeys(step.drafters for step, _ in proposing))
        drafts = [_propose(group, side, proposing) for side in sides]
        parts = verification.device_values() if verification else []
        parts += [entries.double() for _, entries, _ in drafts]
        values: list[float] = torch.cat(parts).tolist()
        results = {step: StepResult() for step, _ in steps}
        new_entries = iter(
            values[len(values) - sum(len(side_steps) for side_steps, _, _ in drafts) :]
        )
        for side_steps, _, probabilities in drafts:
            for n, (step, logits) in enumerate(side_steps):
                last = {slot: slot_logits[-1:] for slot, slot_logits in logits.items()}
                entry = int(next(new_entries))
                results[step].proposal = Proposal(entry, last, probabilities.get(n))
        replies = Replies()
        for step, result in results.items():
            replies.give(step, result)
        if verification is not None:
            verification.reply(values, results, replies)
        return replies


def _propose(
    group: Group, side: DraftingMembers, proposing: StepLogits
) -> tuple[StepLogits, Tensor, dict[int, Tensor]]:
    """Propose an entry for each step of one side.

    Returns the steps, the entries [step], and the probabilities [entry] of those that are drawn.
    """
    steps = [(step, logits) for step, logits in proposing if step.drafters == side]
    logits = [
        _concatenated([by_slot[slot][-1:] if slot in by_slot else None for _, by_slot in steps])
        for slot in range(len(group.slots))
    ]
    distributions = group.fuse_members(side.members, logits, [side.weights] * len(steps))
    entries = greedy(distributions)
    sampled = [n for n, (step, _) in enumerate(steps) if step.sampling.temperature > 0]
    probabilities: dict[int, Tensor] = {}
    if sampled:
        sampling = [steps[n][0].sampling for n in sampled]
        q = sampling_probabilities(distributions, sampled, sampling)
        entries[sampled] = draw_column(q, [steps[n][0].uniforms[-1] for n in sampled])
        probabilities = dict(zip(sampled, q, strict=True))
    return steps, entries, probabilities


def _concatenated(parts: Sequence[Tensor | None]) -> Tensor | None:
    """Concatenate logits [n, width]; None stands for one position, whose values do not matter."""
    filler = next((part for part in parts if part is not None), None)
    if filler is None:
        return None
    return torch.cat([filler[:1] if part is None else part for part in parts])


class _Verification:
    """The verification of all proposals of some steps, one row a proposal."""

    def __init__(self, group: Group, verifying: StepLogits) -> None:
        self._verifying = verifying
        counts = [len(step.proposals) for step, _ in verifying]
        self._starts = [sum(counts[:n]) for n in range(len(verifying))]
        self._logits = [_all_logits(verifying, slot) for slot in range(len(group.slots))]
        weights = [step.sequence.weights for step, _ in verifying for _ in step.proposals]
        self._fused = group.fuse(self._logits, weights).to_dense(len(group.space))
        entries = [proposal.entry for step, _ in verifying for proposal in step.proposals]
        self._entries = torch.tensor(entries, device=self._fused.scores.device)
        self._batch = FusedRows(group, self._logits, weights, self._fused)
        self._details: Details | None = None

    def device_values(self) -> list[Tensor]:
        """For each row: whether it is accepted, the replacement, and log-probabilities of both."""
        replacement = greedy(self._fused)
        accepts = replacement == self._entries
        steps = [
            (start, step)
            for start, (step, _) in zip(self._starts, self._verifying, strict=True)
            if step.sampling.temperature > 0
        ]
        if steps:
            rows = [start + n for start, step in steps for n in range(len(step.proposals))]
            sampling = [step.sampling for _, step in steps for _ in step.proposals]
            drawn_by = [proposal.probabilities for _, step in steps for proposal in step.proposals]
            p = sampling_probabilities(self._fused, rows, sampling)
            q = torch.stack(
                [probabilities for probabilities in drawn_by if probabilities is not None]
            )
            uniforms = [u for _, step in steps for u in step.uniforms[: len(step.proposals)]]
            accepts[rows] = accepted(p, q, self._entries[rows], uniforms)
            again = [step.uniforms[-2] for _, step in steps for _ in step.proposals]
            replacement[rows] = replacements(p, q, again)
        twice = torch.arange(len(accepts), device=accepts.device).repeat(2)
        logprobs = self._fused.logprobs_of(twice, torch.cat((self._entries, replacement)))
        wanted = [step.detail for step, _ in self._verifying for _ in step.proposals]
        parts = [accepts.double(), replacement.double(), logprobs.double()]
        if any(wanted):
            chosen, own = self._entries.where(accepts, replacement), logprobs.view(2, -1)
            every, chosen_logprobs = range(len(chosen)), own[0].where(accepts, own[1])
            self._details = Details(self._batch, every, wanted, chosen, chosen_logprobs)
            parts += self._details.parts
        return parts

    def reply(
        self,
        values: Sequence[float],
        results: Mapping[SpeculativeStep, StepResult],
        replies: Replies,
    ) -> None:
        """Complete the results by `values`, the device's values on the host.

        A step fails if a log-probability that it needs is NaN.
        """
        count = len(self._entries)
        accepts, replacement, logprobs, replacement_logprobs = (
            values[n * count : (n + 1) * count] for n in range(4)
        )
        details = iter(values[4 * count :])
        choices = {} if self._details is None else self._details.read(details)
        for start, (step, _) in zip(self._starts, self._verifying, strict=True):
            result, end = results[step], start + len(step.proposals)
            stop = next((row for row in range(start, end) if not accepts[row]), end)
            result.accepted = [
                Drawn(proposal.entry, logprobs[row], choices.get(row))
                for row, proposal in zip(range(start, stop), step.proposals, strict=False)
            ]
            used = [*logprobs[start:stop], *replacement_logprobs[stop : min(stop + 1, end)]]
            if stop < end:
                new = int(replacement[stop]), replacement_logprobs[stop]
                result.replacement = Drawn(*new, choices.get(stop))
                result.proposal = None
            if any(map(math.isnan, used)):
                replies.fail(step, drop_nan_member(step.sequence, self._logits, slice(start, end)))


def _all_logits(verifying: StepLogits, slot: int) -> Tensor | None:
    """One slot's logits [row, width]: those of this step, or those kept with the proposals."""
    parts: list[Tensor | None] = []
    for step, logits in verifying:
        if slot in logits:
            parts.append(logits[slot][: len(step.proposals)])
        else:
            parts.extend(proposal.logits.get(slot) for proposal in step.proposals)
    return _concatenated(parts)
