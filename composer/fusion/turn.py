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

from composer.fusion.cursor import Drawn
from composer.fusion.fault import fault
from composer.fusion.inquiry import Inquiry
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
        self._counts = [len(turn.judged) for turn, _ in judging]
        self._starts = [sum(self._counts[:n]) for n in range(len(judging))]
        self._said = [_both(judging, leaf) for leaf in range(len(group.leaves))]
        weights = [turn.cursor.weights for turn, _ in judging for _ in turn.judged]
        self._fused = group.fuse(self._said, weights).dense(len(group.space))
        device = self._fused.scores.device
        targets = [proposal.entry for turn, _ in judging for proposal in turn.judged]
        self._targets = torch.tensor(targets, device=device)
        self.parts = self._judge(device)

    def _judge(self, device: torch.device) -> list[Tensor]:
        """How many each turn accepts, entries instead of the next, and log-probabilities."""
        best = likeliest(self._fused.scores)
        good = best == self._targets
        warm = _Warm.of(self._judging, self._starts, self._fused) if self._any_warm() else None
        if warm is not None:
            good[warm.places] = warm.accepts(self._targets)
        counts = torch.tensor(self._counts, device=device)
        starts = torch.tensor(self._starts, device=device)
        steps = torch.arange(max(self._counts), device=device)
        grid = (starts[:, None] + steps).clamp(max=len(good) - 1)
        kept = (good[grid] & (steps < counts[:, None])).long().cumprod(1).sum(1)
        at = starts + torch.minimum(kept, counts - 1)
        instead = best[at]
        if warm is not None:
            instead[warm.rows] = warm.instead(at)
        everywhere = torch.arange(len(good), device=device)
        told = [self._fused.at(everywhere, self._targets), self._fused.at(at, instead)]
        return [part.double() for part in (kept, instead, *told)]

    def _any_warm(self) -> bool:
        return any(turn.how.temperature > 0 for turn, _ in self._judging)

    def tell(self, values: Sequence[float], found: dict[Turn, Turned | ModelError]) -> None:
        """Put the judgement, brought to the host, into the turns' answers."""
        rows, places = len(self._judging), len(self._targets)
        kept, instead = values[:rows], values[rows : 2 * rows]
        logprobs, other = values[2 * rows :][:places], values[2 * rows + places :][:rows]
        for n, (turn, _) in enumerate(self._judging):
            answer = found[turn]
            assert isinstance(answer, Turned)
            start, count = self._starts[n], int(kept[n])
            answer.accepted = [
                Drawn(proposal.entry, logprob)
                for proposal, logprob in zip(
                    turn.judged[:count], logprobs[start : start + count], strict=True
                )
            ]
            if count < len(turn.judged):
                answer.instead, answer.proposal = Drawn(int(instead[n]), other[n]), None
            if math.isnan(other[n]) or any(math.isnan(d.logprob) for d in answer.accepted):
                rows_of = slice(start, start + len(turn.judged))
                found[turn] = fault(turn.cursor, self._said, rows_of)


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

    `rows` are the turns among those that judge, `places` their positions, `first` where each of
    the turns begins among these; `p` and `q` are [place, entry].
    """

    rows: list[int]
    places: list[int]
    p: Tensor
    q: Tensor
    luck: list[float]
    again: list[float]
    shift: Tensor

    @classmethod
    def of(cls, judging: Heard, starts: Sequence[int], fused: Said) -> _Warm:
        """Gather the turns that draw."""
        rows = [n for n, (turn, _) in enumerate(judging) if turn.how.temperature > 0]
        turns = [judging[n][0] for n in rows]
        places = [
            starts[n] + k for n, t in zip(rows, turns, strict=True) for k in range(len(t.judged))
        ]
        how = [turn.how for turn in turns for _ in turn.judged]
        drawn = [proposal.chances for turn in turns for proposal in turn.judged]
        q = torch.stack([chances for chances in drawn if chances is not None])
        counts = [len(turn.judged) for turn in turns]
        before = [sum(counts[:n]) - starts[row] for n, row in enumerate(rows)]
        return cls(
            rows,
            places,
            processed(fused, places, how),
            q,
            [u for turn in turns for u in turn.luck[: len(turn.judged)]],
            [turn.luck[-2] for turn in turns],
            torch.tensor(before, device=q.device),
        )

    def accepts(self, targets: Tensor) -> Tensor:
        """Whether `u < p / q` [place]."""
        entries = targets[self.places][:, None]
        p, q = self.p.gather(1, entries)[:, 0], self.q.gather(1, entries)[:, 0]
        return torch.tensor(self.luck, dtype=p.dtype, device=p.device) * q < p

    def instead(self, at: Tensor) -> Tensor:
        """Draw from `max(p - q, 0)` where each turn [row] stops."""
        place = at[self.rows] + self.shift
        p = self.p[place]
        rest = (p - self.q[place]).clamp(min=0.0)
        some = rest.sum(-1, keepdim=True) > 0
        return pick(torch.where(some, rest, p), self.again)
