"""One turn of drafting: one side judges what the other side proposed, and proposes what follows.

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

from composer.fusion.fault import fault
from composer.fusion.requests.inquiry import Inquiry
from composer.fusion.requests.plain import Drawn
from composer.fusion.sample import likeliest, pick, processed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.fusion.beat import Beat
    from composer.fusion.cursor import Cursor, Track
    from composer.fusion.group import Group
    from composer.fusion.said import Said
    from composer.fusion.spec import Sampling
    from composer.models.checkpoint import ModelError

    Heard = Sequence[tuple["Turn", Mapping[int, Tensor]]]

__all__ = ["Proposal", "Side", "Turn", "Turned"]


@dataclass(frozen=True)
class Side:
    """The members of a fuse that take a turn together, by their place, and all their leaves.

    `weights` has one for each member of the fuse: what they weigh in what the side proposes.
    """

    members: tuple[int, ...]
    leaves: frozenset[int]
    weights: tuple[float, ...]


@dataclass(eq=False)
class Proposal:
    """An entry that a side proposes, its leaves' logits [1, width], and how it was drawn.

    `chances` [entry] are the probabilities it was drawn by; None if it was the likeliest.
    """

    entry: int
    logits: Mapping[int, Tensor]
    chances: Tensor | None


@dataclass(eq=False)
class Turned:
    """What a turn came to: proposals accepted, the entry instead of the first that was not."""

    accepted: list[Drawn] = field(default_factory=list)
    instead: Drawn | None = None
    proposal: Proposal | None = None


@dataclass(eq=False)
class Turn(Inquiry):
    """Ask one side to judge proposals that follow the first `start` entries, and to propose.

    Each proposal that is judged costs one of `luck`, then the entry instead of one and the new
    proposal one each.
    """

    cursor: Cursor
    how: Sampling
    side: Side
    start: int
    judged: Sequence[Proposal]
    more: bool
    luck: Sequence[float]
    beat: Beat

    def reads(self, leaf: int) -> bool:
        """Only the side's own leaves read."""
        return leaf in self.side.leaves

    def marks(self, leaf: int, track: Track) -> tuple[list[int], int]:
        """Logits are wanted before every proposal that is judged, and after the last entry."""
        del leaf
        whole = len(track.ids)
        before = track.marks[self.start : self.start + len(self.judged)]
        before += [whole] * (len(self.judged) - len(before))  # the end is proposed, never read
        wanted = [*before, whole] if self.more else before
        return wanted, wanted[-1]

    @classmethod
    def answer(cls, group: Group, heard: Heard) -> dict[Turn, Turned | ModelError]:
        """Answer turns of any sides; one transfer to the host."""
        judging = [(turn, own) for turn, own in heard if turn.judged]
        asking = [(turn, own) for turn, own in heard if turn.more]
        verdict = _Verdict(group, judging) if judging else None
        offers = [offer for side in _sides(asking) for offer in _offers(group, side, asking)]
        parts = [*(verdict.parts if verdict else ()), *(entry.double() for _, entry, _ in offers)]
        values: list[float] = torch.cat(parts).tolist()
        found: dict[Turn, Turned | ModelError] = {turn: Turned() for turn, _ in heard}
        entries = values[len(values) - sum(len(turns) for turns, _, _ in offers) :]
        done = iter(entries)
        for turns, _, chances in offers:
            for n, (turn, own) in enumerate(turns):
                last = {leaf: logits[-1:] for leaf, logits in own.items()}
                made = Proposal(int(next(done)), last, chances.get(n))
                found[turn] = Turned(proposal=made)
        if verdict is not None:
            verdict.tell(values, found)
        return found


def _sides(heard: Heard) -> list[Side]:
    return list(dict.fromkeys(turn.side for turn, _ in heard))


def _offers(
    group: Group, side: Side, asking: Heard
) -> list[tuple[Heard, Tensor, dict[int, Tensor]]]:
    """What one side proposes for some turns: entries [turn], and the chances of those drawn."""
    turns = [(turn, own) for turn, own in asking if turn.side == side]
    logits = [
        _stacked([own[leaf][-1:] if leaf in own else None for _, own in turns])
        for leaf in range(len(group.leaves))
    ]
    said = group.aside(side.members, logits, [side.weights] * len(turns))
    entries = likeliest(said.scores)
    warm = [n for n, (turn, _) in enumerate(turns) if turn.how.temperature > 0]
    chances: dict[int, Tensor] = {}
    if warm:
        p = processed(said, warm, [turns[n][0].how for n in warm])
        entries[warm] = pick(p, [turns[n][0].luck[-1] for n in warm])
        chances = dict(zip(warm, p, strict=True))
    return [(turns, entries, chances)]


def _stacked(parts: Sequence[Tensor | None]) -> Tensor | None:
    """Logits [position, width] of parts [some, width]; None stands for one position of no say."""
    known = next((part for part in parts if part is not None), None)
    if known is None:
        return None
    return torch.cat([known[:1] if part is None else part for part in parts])


class _Verdict:
    """The judgement of all proposals of some turns; `parts` are to be brought to the host."""

    def __init__(self, group: Group, judging: Heard) -> None:
        self._judging = judging
        counts = [len(turn.judged) for turn, _ in judging]
        self._starts = [sum(counts[:n]) for n in range(len(judging))]
        self._said = [_both(judging, leaf) for leaf in range(len(group.leaves))]
        weights = [turn.cursor.weights for turn, _ in judging for _ in turn.judged]
        self._fused = group.fuse(self._said, weights).dense(len(group.space))
        device = self._fused.scores.device
        targets = [proposal.entry for turn, _ in judging for proposal in turn.judged]
        self._targets = torch.tensor(targets, device=device)
        self.parts = self._judge()

    def _judge(self) -> list[Tensor]:
        """For each position whether it is accepted, what stands there if not, and logarithms."""
        instead = likeliest(self._fused.scores)
        good = instead == self._targets
        if any(turn.how.temperature > 0 for turn, _ in self._judging):
            warm = _Warm.of(self._judging, self._starts, self._fused)
            good[warm.places] = warm.accepts(self._targets)
            instead[warm.places] = warm.instead()
        twice = torch.arange(len(good), device=good.device).repeat(2)
        logprobs = self._fused.at(twice, torch.cat((self._targets, instead)))
        return [good.double(), instead.double(), logprobs.double()]

    def tell(self, values: Sequence[float], found: dict[Turn, Turned | ModelError]) -> None:
        """Put the judgement, brought to the host, into the turns' answers."""
        places = len(self._targets)
        good, instead, own, other = (values[n * places : (n + 1) * places] for n in range(4))
        for start, (turn, _) in zip(self._starts, self._judging, strict=True):
            answer, end = found[turn], start + len(turn.judged)
            assert isinstance(answer, Turned)
            stop = next((at for at in range(start, end) if not good[at]), end)
            answer.accepted = [
                Drawn(proposal.entry, logprob)
                for proposal, logprob in zip(turn.judged, own[start:stop], strict=False)
            ]
            if stop < end:
                answer.instead, answer.proposal = Drawn(int(instead[stop]), other[stop]), None
            if any(map(math.isnan, (*own[start:stop], *other[stop : min(stop + 1, end)]))):
                found[turn] = fault(turn.cursor, self._said, slice(start, end))


def _both(judging: Heard, leaf: int) -> Tensor | None:
    """One leaf's logits [position, width]: heard now, or kept since it proposed."""
    parts: list[Tensor | None] = []
    for turn, own in judging:
        if leaf in own:
            parts.append(own[leaf][: len(turn.judged)])
        else:
            parts.extend(proposal.logits.get(leaf) for proposal in turn.judged)
    return _stacked(parts)


@dataclass(eq=False)
class _Warm:
    """The positions of turns that draw: what the fuse says and what was proposed by.

    `places` are theirs among all positions; `p` and `q` are [place, entry]; `luck` is for whether
    each is accepted, `again` for what is drawn instead.
    """

    places: list[int]
    p: Tensor
    q: Tensor
    luck: list[float]
    again: list[float]

    @classmethod
    def of(cls, judging: Heard, starts: Sequence[int], fused: Said) -> _Warm:
        """Gather the turns that draw."""
        turns = [
            (start, turn)
            for start, (turn, _) in zip(starts, judging, strict=True)
            if turn.how.temperature > 0
        ]
        places = [start + n for start, turn in turns for n in range(len(turn.judged))]
        how = [turn.how for _, turn in turns for _ in turn.judged]
        drawn = [proposal.chances for _, turn in turns for proposal in turn.judged]
        return cls(
            places,
            processed(fused, places, how),
            torch.stack([chances for chances in drawn if chances is not None]),
            [u for _, turn in turns for u in turn.luck[: len(turn.judged)]],
            [turn.luck[-2] for _, turn in turns for _ in turn.judged],
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
        return pick(torch.where(some, rest, self.p), self.again)
