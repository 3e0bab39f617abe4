"""What the members of a fuse said of the tokens that were chosen, each in its own distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from composer.engine.fuse_tree import FuseNode, ModelNode
from composer.engine.rows.remote import RemoteRunner
from composer.heavy import torch
from composer.values.details import LikelyToken, MemberChoice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from composer.engine.distribution import Distributions
    from composer.engine.fuse_tree import Node
    from composer.engine.group import Group, MemberView

    Logits = Sequence[Tensor | None]
    Weights = Sequence[Sequence[float]]

__all__ = ["FusedRows", "MemberDetails", "likely_token"]


@dataclass(frozen=True, eq=False, slots=True)
class FusedRows:
    """A group's distributions `fused`, one a row, and the logits and weights that made them."""

    group: Group
    logits: Logits
    weights: Weights
    fused: Distributions

    def select(self, rows: Sequence[int], weights: Weights) -> FusedRows:
        """Some of the rows, under these weights."""
        logits = [each if each is None else each[rows] for each in self.logits]
        return FusedRows(self.group, logits, weights, self.fused)


def likely_token(group: Group, node: Node, entry: int, logprob: float) -> LikelyToken:
    """An entry of a node's space as a token of the first model."""
    space = node.space
    piece = b"" if entry in space.ends else space.pieces[entry] or b""
    at: int | None = entry
    if space.key != group.space.key:
        ends = group.space.ends
        at = min(ends, default=None) if entry in space.ends else group.space.ids.get(piece)
    return LikelyToken(piece, logprob, None if at is None else group.id_of_entry(at))


class MemberDetails:
    """What the members of a fuse said in some rows, in each of which an entry was chosen.

    `top` of each one's likeliest entries are wanted. A chosen entry of -1 stands for one that this
    fuse, itself a member of another, cannot write.
    """

    def __init__(self, batch: FusedRows, node: FuseNode, chosen: Tensor, top: int) -> None:
        self.group, self.node, self.top = batch.group, node, top
        self._weights = batch.weights
        self._asked: list[tuple[list[int], _Member]] = []
        for view in self.group.views(node, batch.logits, batch.weights):
            rows = list(view.rows)
            for place in range(len(view.members)):
                member = _Member(self, view, place, chosen[rows])
                if isinstance(member.child, FuseNode):
                    weights = [member.child.weights] * len(rows)
                    inner = batch.select(rows, weights)
                    member.members = MemberDetails(inner, member.child, member.chosen, top)
                self._asked.append((rows, member))

    def parts(self) -> list[Tensor]:
        """Return tensors [n] of the numbers that `read` needs."""
        return [part for _, member in self._asked for part in member.parts()]

    def read(self, values: Iterator[float]) -> list[tuple[MemberChoice, ...]]:
        """Take the numbers of `parts`; return what the members said in each row."""
        choices: dict[tuple[int, int], MemberChoice] = {}
        for rows, member in self._asked:
            for row, choice in zip(rows, member.read(values), strict=True):
                choices[row, member.number] = choice
        return [self._of_row(row, choices) for row in range(len(self._weights))]

    def _of_row(
        self, row: int, choices: Mapping[tuple[int, int], MemberChoice]
    ) -> tuple[MemberChoice, ...]:
        """One for each member; one that was not asked has no weight."""
        asked, weigh = self.node.contributing(self._weights[row]), self.node.weigh
        fixed = weigh is None or weigh.once
        members: list[MemberChoice] = []
        for n, name in enumerate(self.node.names):
            choice = choices.get((row, n)) if n in asked else None
            if choice is not None and fixed:
                choice = replace(choice, weight=self._weights[row][n])
            members.append(choice or MemberChoice(name, 0.0))
        return tuple(members)


class _Member:
    """What one member said in the rows of a view, in its own distribution.

    The `entries` of the fuse that were chosen are compared by the bytes that they write; `chosen`
    are its own ones for them, -1 where it takes several.
    """

    members: MemberDetails | None = None

    def __init__(self, fuse: MemberDetails, view: MemberView, place: int, entries: Tensor) -> None:
        self.number = view.members[place]
        self.child = fuse.node.children[self.number]
        self._fuse = fuse
        self._map = fuse.group.map_of(fuse.node, self.number)
        self.chosen = entries
        if self._map is not None:
            own_entries = self._map.take[entries.clamp(min=0)]
            self.chosen = own_entries.where(entries >= 0, -1)
        own, rows = view.own[place], torch.arange(len(entries), device=entries.device)
        best = own.scores.topk(min(fuse.top, own.scores.shape[1]))
        logs = best.values.log() if own.linear else best.values
        table = (
            _weight(view, place, rows)[:, None],
            self._logprobs(own, rows, entries)[:, None],
            best.indices,
            logs - own.log_normalizer[rows, None],
        )
        self._table = torch.cat([each.double() for each in table], 1)

    def parts(self) -> list[Tensor]:
        return [self._table.flatten(), *(self.members.parts() if self.members else ())]

    def read(self, values: Iterator[float]) -> list[MemberChoice]:
        numbers = [list(islice(values, self._table.shape[1])) for _ in self._table]
        members = self.members.read(values) if self.members else [()] * len(numbers)
        return [self._choice(*pair) for pair in zip(numbers, members, strict=True)]

    def _choice(self, numbers: list[float], members: tuple[MemberChoice, ...]) -> MemberChoice:
        weight, logprob, *rest = numbers
        half = len(rest) // 2
        ranked = zip(map(int, rest[:half]), rest[half:], strict=True)
        top = tuple(
            likely_token(self._fuse.group, self.child, *each)
            for each in ranked
            if each[1] > -math.inf
        )
        silent = math.isnan(logprob) or (logprob == -math.inf and self._is_remote)
        own = None if silent else logprob
        return MemberChoice(self._fuse.node.names[self.number], weight, own, top, members)

    @property
    def _is_remote(self) -> bool:
        """Whether a server tells of it, and perhaps not all."""
        slot = self._fuse.group.slots[self.child.slots.start]
        return isinstance(self.child, ModelNode) and isinstance(slot.runner, RemoteRunner)

    def _logprobs(self, own: Distributions, rows: Tensor, entries: Tensor) -> Tensor:
        """Log-probabilities [row] of the chosen entries, of all that mean the same; else NaN."""
        parts = [own.logprobs_of(rows, self.chosen.clamp(min=0))]
        every = list(range(len(entries)))
        for pairs in self._map.also if self._map is not None else ():
            wide, narrow = pairs.unbind(1)
            logs = own.logprobs(every)[:, narrow]
            parts.append(logs.masked_fill(wide != entries[:, None], -torch.inf).logsumexp(-1))
        total = torch.stack(parts).logsumexp(0) if len(parts) > 1 else parts[0]
        return total.masked_fill(self.chosen < 0, torch.nan)


def _weight(view: MemberView, place: int, rows: Tensor) -> Tensor:
    """A member's weight [row]; where its tokens are weighed, too, what it gives in all."""
    weight, aligned = view.weights[place], view.aligned
    if weight.per_column:
        return weight.multiply_(aligned.probabilities(place)).sum(-1)
    return weight.multiply_(aligned.members[place].scores.new_ones(len(rows), 1))[:, 0]
