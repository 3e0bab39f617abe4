"""One step of drafting: one side judges what the other side proposed, and proposes what follows.

Speculative Ensemble, arXiv:2502.01662. What a proposal is judged by is the fused distribution, made
of the judging side's logits and of those that the proposing side had when it proposed. Entries are
accepted, and the first that is not is drawn anew, by rejection sampling (arXiv:2211.17192), so that
what is written is distributed as the fuse, whatever was proposed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from composer.engine.requests.base import Replies, StepRequest, drop_nan_member
from composer.engine.requests.draw import Drawn
from composer.engine.sample import draw_column, likeliest, sampling_probabilities

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.engine.distribution import Distributions
    from composer.engine.group import Group
    from composer.engine.requests.base import Phase
    from composer.engine.requests.reading import MemberLogits
    from composer.engine.sequence import MemberState, SequenceState
    from composer.values.processing import Processing
    from composer.values.requests import Sampling

    Heard = Sequence[tuple["SpeculativeStep", Mapping[int, Tensor]]]

__all__ = ["DraftingMembers", "Proposal", "SpeculativeStep", "StepResult"]


@dataclass(frozen=True)
class DraftingMembers:
    """The members of a fuse that take a step together, by their place, and all their leaves.

    `weights` has one for each member of the fuse: what they weigh in what the side proposes.
    """

    members: tuple[int, ...]
    slots: frozenset[int]
    weights: tuple[float, ...]


@dataclass(eq=False)
class Proposal:
    """An entry that a side proposes, its leaves' logits [1, width], and how it was drawn.

    `chances` [entry] are the probabilities it was drawn by; None if it was the likeliest.
    """

    entry: int
    logits: Mapping[int, Tensor]
    probabilities: Tensor | None


@dataclass(eq=False)
class StepResult:
    """What a step came to: proposals accepted, the entry instead of the first that was not."""

    accepted: list[Drawn] = field(default_factory=list)
    replacement: Drawn | None = None
    proposal: Proposal | None = None


@dataclass(eq=False)
class SpeculativeStep(StepRequest[StepResult]):
    """Ask one side to judge proposals that follow the first `start` entries, and to propose.

    Each proposal that is judged costs one of `luck`, then the entry instead of one and the new
    proposal one each.
    """

    sequence: SequenceState
    sampling: Sampling
    drafters: DraftingMembers
    start: int
    proposals: Sequence[Proposal]
    propose: bool
    uniforms: Sequence[float]
    phase: Phase

    @property
    def processing(self) -> Processing | None:
        """As who writes asks."""
        return self.sampling.processing

    def reads(self, slot: int) -> bool:
        """Only the side's own leaves read."""
        return slot in self.drafters.slots

    def logit_positions(self, slot: int, state: MemberState) -> tuple[Sequence[int], int]:
        """Logits are wanted before every proposal that is judged, and after the last entry."""
        del slot
        whole = len(state.ids)
        before = state.entry_starts[self.start : self.start + len(self.proposals)]
        before += [whole] * (len(self.proposals) - len(before))  # the end is proposed, never read
        wanted = [*before, whole] if self.propose else before
        return wanted, wanted[-1]

    @classmethod
    def answer(cls, group: Group, asked: Sequence[tuple[SpeculativeStep, MemberLogits]]) -> Replies:
        """Answer steps of any sides; one transfer to the host."""
        heard = [(step, logits.by_slot()) for step, logits in asked]
        judging = [(step, own) for step, own in heard if step.proposals]
        asking = [(step, own) for step, own in heard if step.propose]
        verdict = _Verdict(group, judging) if judging else None
        offers = [_offers(group, side, asking) for side in _sides(asking)]
        parts = [*(verdict.parts if verdict else ()), *(entry.double() for _, entry, _ in offers)]
        values: list[float] = torch.cat(parts).tolist()
        results = {step: StepResult() for step, _ in heard}
        entries = iter(values[len(values) - sum(len(steps) for steps, _, _ in offers) :])
        for steps, _, chances in offers:
            for n, (step, own) in enumerate(steps):
                last = {slot: logits[-1:] for slot, logits in own.items()}
                results[step].proposal = Proposal(int(next(entries)), last, chances.get(n))
        replies = Replies()
        for step, result in results.items():
            replies.give(step, result)
        if verdict is not None:
            verdict.tell(values, results, replies)
        return replies


def _sides(heard: Heard) -> list[DraftingMembers]:
    return list(dict.fromkeys(step.drafters for step, _ in heard))


def _offers(
    group: Group, side: DraftingMembers, asking: Heard
) -> tuple[Heard, Tensor, dict[int, Tensor]]:
    """What one side proposes for some steps: entries [step], and the chances of those drawn."""
    steps = [(step, own) for step, own in asking if step.drafters == side]
    logits = [
        _stacked([own[slot][-1:] if slot in own else None for _, own in steps])
        for slot in range(len(group.slots))
    ]
    said = group.fuse_members(side.members, logits, [side.weights] * len(steps))
    entries = likeliest(said.scores)
    warm = [n for n, (step, _) in enumerate(steps) if step.sampling.temperature > 0]
    chances: dict[int, Tensor] = {}
    if warm:
        p = sampling_probabilities(said, warm, [steps[n][0].sampling for n in warm])
        entries[warm] = draw_column(p, [steps[n][0].uniforms[-1] for n in warm])
        chances = dict(zip(warm, p, strict=True))
    return steps, entries, chances


def _stacked(parts: Sequence[Tensor | None]) -> Tensor | None:
    """Logits [position, width] of parts [some, width]; None stands for one position of no say."""
    known = next((part for part in parts if part is not None), None)
    if known is None:
        return None
    return torch.cat([known[:1] if part is None else part for part in parts])


class _Verdict:
    """The judgement of all proposals of some steps; `parts` are to be brought to the host."""

    def __init__(self, group: Group, judging: Heard) -> None:
        self._judging = judging
        counts = [len(step.proposals) for step, _ in judging]
        self._starts = [sum(counts[:n]) for n in range(len(judging))]
        self._said = [_both(judging, slot) for slot in range(len(group.slots))]
        weights = [step.sequence.weights for step, _ in judging for _ in step.proposals]
        self._fused = group.fuse(self._said, weights).to_dense(len(group.space))
        device = self._fused.scores.device
        targets = [proposal.entry for step, _ in judging for proposal in step.proposals]
        self._targets = torch.tensor(targets, device=device)
        self.parts = self._judge()

    def _judge(self) -> list[Tensor]:
        """For each position whether it is accepted, what stands there if not, and logarithms."""
        instead = likeliest(self._fused.scores)
        good = instead == self._targets
        if any(step.sampling.temperature > 0 for step, _ in self._judging):
            warm = _Warm.of(self._judging, self._starts, self._fused)
            good[warm.places] = warm.accepts(self._targets)
            instead[warm.places] = warm.instead()
        twice = torch.arange(len(good), device=good.device).repeat(2)
        logprobs = self._fused.logprobs_of(twice, torch.cat((self._targets, instead)))
        return [good.double(), instead.double(), logprobs.double()]

    def tell(
        self,
        values: Sequence[float],
        results: Mapping[SpeculativeStep, StepResult],
        replies: Replies,
    ) -> None:
        """Put the judgement, brought to the host, into the steps' results."""
        places = len(self._targets)
        good, instead, own, other = (values[n * places : (n + 1) * places] for n in range(4))
        for start, (step, _) in zip(self._starts, self._judging, strict=True):
            result, end = results[step], start + len(step.proposals)
            stop = next((at for at in range(start, end) if not good[at]), end)
            result.accepted = [
                Drawn(proposal.entry, logprob)
                for proposal, logprob in zip(step.proposals, own[start:stop], strict=False)
            ]
            if stop < end:
                result.replacement, result.proposal = Drawn(int(instead[stop]), other[stop]), None
            if any(map(math.isnan, (*own[start:stop], *other[stop : min(stop + 1, end)]))):
                replies.fail(step, drop_nan_member(step.sequence, self._said, slice(start, end)))


def _both(judging: Heard, slot: int) -> Tensor | None:
    """One leaf's logits [position, width]: heard now, or kept since it proposed."""
    parts: list[Tensor | None] = []
    for step, own in judging:
        if slot in own:
            parts.append(own[slot][: len(step.proposals)])
        else:
            parts.extend(proposal.logits.get(slot) for proposal in step.proposals)
    return _stacked(parts)


@dataclass(eq=False)
class _Warm:
    """The positions of steps that draw: what the fuse says and what was proposed by.

    `places` are theirs among all positions; `p` and `q` are [place, entry]; `luck` is for whether
    each is accepted, `again` for what is drawn instead.
    """

    places: list[int]
    p: Tensor
    q: Tensor
    luck: list[float]
    again: list[float]

    @classmethod
    def of(cls, judging: Heard, starts: Sequence[int], fused: Distributions) -> _Warm:
        """Gather the steps that draw."""
        steps = [
            (start, step)
            for start, (step, _) in zip(starts, judging, strict=True)
            if step.sampling.temperature > 0
        ]
        places = [start + n for start, step in steps for n in range(len(step.proposals))]
        how = [step.sampling for _, step in steps for _ in step.proposals]
        drawn = [proposal.probabilities for _, step in steps for proposal in step.proposals]
        return cls(
            places,
            sampling_probabilities(fused, places, how),
            torch.stack([chances for chances in drawn if chances is not None]),
            [u for _, step in steps for u in step.uniforms[: len(step.proposals)]],
            [step.uniforms[-2] for _, step in steps for _ in step.proposals],
        )

    def accepts(self, targets: Tensor) -> Tensor:
        """Whether `u < p / q` [place]."""
        entries = targets[self.places][:, None]
        p, q = self.p.gather(1, entries)[:, 0], self.q.gather(1, entries)[:, 0]
        return torch.tensor(self.luck, dtype=p.dtype, device=p.device) * q < p

    def instead(self) -> Tensor:
        """Draw from `max(p - q, 0)` at each place; from `p` where rounding leaves nothing."""
        rest = (self.p - self.q).clamp(min=0.0)
        some = rest.sum(-1, keepdim=True) > 0
        return draw_column(torch.where(some, rest, self.p), self.again)
