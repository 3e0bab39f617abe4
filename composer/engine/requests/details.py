"""What stood beside the tokens that were chosen: likely tokens, and what each member said.

Nothing of this is computed unless a request wants it. Numbers go to the host together with the
tokens themselves, in the one transfer of a step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from composer.engine.fuse_tree import FuseNode, ModelNode
from composer.engine.rows.remote import RemoteRunner
from composer.heavy import torch
from composer.values.details import LikelyToken, MemberChoice, TokenChoice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from composer.engine.distribution import Distributions
    from composer.engine.fuse_tree import Node
    from composer.engine.group import Group, MemberView
    from composer.values.details import TokenDetail

    Logits = Sequence[Tensor | None]
    Weights = Sequence[Sequence[float]]

__all__ = ["Details", "FusedRows"]


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


class Details:
    """The details of some rows in which an entry was chosen; several may be wanted for each.

    `chosen` and `logprobs` [n] belong to the n `rows`; `wanted` has what is wanted of each, or
    None. `parts` are tensors for the host, and `read` makes choices of their numbers.
    """

    def __init__(
        self,
        batch: FusedRows,
        rows: Sequence[int],
        wanted: Sequence[TokenDetail | None],
        chosen: Tensor,
        logprobs: Tensor,
    ) -> None:
        self._places: list[tuple[list[int], _Places]] = []
        for detail in dict.fromkeys(wanted):
            if detail is not None:
                at = [n for n, each in enumerate(wanted) if each == detail]
                own = [rows[n] for n in at]
                places = _Places(batch, detail, own, chosen[at], logprobs[at])
                self._places.append((at, places))

    @property
    def parts(self) -> list[Tensor]:
        """Tensors [n] of the numbers that `read` needs."""
        return [part for _, places in self._places for part in places.parts()]

    def read(self, values: Iterator[float]) -> dict[int, TokenChoice]:
        """Take the numbers of `parts`; return the choice of each of the n rows that wants one."""
        choices: dict[int, TokenChoice] = {}
        for at, places in self._places:
            choices.update(zip(at, places.read(values), strict=True))
        return choices


class _Places:
    """Some rows of which the same is wanted."""

    def __init__(
        self,
        batch: FusedRows,
        detail: TokenDetail,
        rows: Sequence[int],
        chosen: Tensor,
        logprobs: Tensor,
    ) -> None:
        group, fused = batch.group, batch.fused
        self._group, self._detail = group, detail
        at = torch.tensor(rows, device=chosen.device)
        own = _Chosen(fused, at, chosen, logprobs)
        entries, values = own.top(min(detail.top, fused.scores.shape[1]))
        self._width = entries.shape[1]
        self._numbers = [chosen[:, None], logprobs[:, None], entries, values]
        self._ids = {i: e for i in detail.ids if (e := group.entry_of_id(i)) is not None}
        if self._ids:
            wanted = torch.tensor(list(self._ids.values()), device=chosen.device)
            self._numbers.append(own.logprobs_of(wanted.expand(len(rows), -1)))
        self._members: _Members | None = None
        if detail.members and isinstance(group.root, FuseNode):
            own_rows = batch.select(rows, [batch.weights[row] for row in rows])
            self._members = _Members(own_rows, group.root, chosen, detail.members)

    def parts(self) -> list[Tensor]:
        own = torch.cat([each.double() for each in self._numbers], 1).flatten()
        return [own, *(self._members.parts() if self._members else ())]

    def read(self, values: Iterator[float]) -> list[TokenChoice]:
        columns = sum(each.shape[1] for each in self._numbers)
        numbers = [list(islice(values, columns)) for _ in self._numbers[0]]
        members = self._members.read(values) if self._members else [()] * len(numbers)
        return [self._choice(*pair) for pair in zip(numbers, members, strict=True)]

    def _choice(self, numbers: list[float], members: tuple[MemberChoice, ...]) -> TokenChoice:
        entry, logprob, *rest = numbers
        entries, logprobs, ids = (
            list(map(int, rest[: self._width])),
            rest[self._width : 2 * self._width],
            dict(zip(self._ids, rest[2 * self._width :], strict=True)),
        )
        ranked = _ranked(list(zip(entries, logprobs, strict=True)), int(entry), logprob)
        top = [_likely(self._group, self._group.root, *each) for each in ranked]
        there = {each.id for each in top}
        others = [
            _of_id(self._group, token, ids.get(token, -math.inf))
            for token in self._detail.ids
            if token not in there
        ]
        chosen = _likely(self._group, self._group.root, int(entry), logprob)
        return TokenChoice(chosen, (*top, *others), members)


@dataclass(eq=False, slots=True)
class _Chosen:
    """Rows [n] of some distributions, the entry chosen in each, and its log-probability.

    Entries that are exactly as likely as the chosen one get its own number, and no other one passes
    it: arithmetic on vectors of other lengths may differ in the last bit.
    """

    fused: Distributions
    rows: Tensor
    chosen: Tensor
    logprobs: Tensor

    def top(self, count: int) -> tuple[Tensor, Tensor]:
        """The likeliest entries [n, count] and their log-probabilities."""
        best = self.fused.scores[self.rows].topk(count)
        entries = self.fused.entries_at(self.rows[:, None], best.indices)
        return entries, self._in_order(best.values)

    def logprobs_of(self, entries: Tensor) -> Tensor:
        """Log-probabilities [n, k] of entries."""
        columns = [self.fused.scores_of(self.rows, entries[:, k]) for k in range(entries.shape[1])]
        return self._in_order(torch.stack(columns, 1))

    def _in_order(self, scores: Tensor) -> Tensor:
        own, at = self.logprobs[:, None], self.fused.scores_of(self.rows, self.chosen)[:, None]
        logs = scores.log() if self.fused.linear else scores
        logs = logs - self.fused.log_normalizer[self.rows, None]
        unequal = torch.where(scores > at, logs.maximum(own), logs.minimum(own))
        return torch.where(scores == at, own, unequal)


def _ranked(top: list[tuple[int, float]], chosen: int, logprob: float) -> list[tuple[int, float]]:
    """Put the chosen entry first among those that are as likely; leave out what is impossible."""
    if top and all(entry != chosen for entry, _ in top) and logprob >= top[-1][1]:
        top[-1] = chosen, logprob
    possible = [each for each in top if each[0] >= 0 and each[1] > -math.inf]
    return sorted(possible, key=lambda each: (-each[1], each[0] != chosen))


def _likely(group: Group, node: Node, entry: int, logprob: float) -> LikelyToken:
    """An entry of a node's space as a token of the first model."""
    space = node.space
    piece = b"" if entry in space.ends else space.pieces[entry] or b""
    at: int | None = entry
    if space.key != group.space.key:
        ends = group.space.ends
        at = min(ends, default=None) if entry in space.ends else group.space.ids.get(piece)
    return LikelyToken(piece, logprob, None if at is None else group.id_of_entry(at))


def _of_id(group: Group, token: int, logprob: float) -> LikelyToken:
    """A token of the first model."""
    model = group.slots[0].runner.model
    piece = b"" if token in model.ends else model.vocabulary.piece(token)
    return LikelyToken(piece, logprob, token)


class _Members:
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
                    member.members = _Members(inner, member.child, member.chosen, top)
                self._asked.append((rows, member))

    def parts(self) -> list[Tensor]:
        return [part for _, member in self._asked for part in member.parts()]

    def read(self, values: Iterator[float]) -> list[tuple[MemberChoice, ...]]:
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

    members: _Members | None = None

    def __init__(self, fuse: _Members, view: MemberView, place: int, entries: Tensor) -> None:
        self.number = view.members[place]
        self.child = fuse.node.children[self.number]
        self._fuse = fuse
        self._map = None if fuse.node.maps is None else fuse.node.maps[self.number]
        self.chosen = entries
        if self._map is not None:
            own_entries = self._map.take.to(entries.device)[entries.clamp(min=0)]
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
            _likely(self._fuse.group, self.child, *each) for each in ranked if each[1] > -math.inf
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
        for pairs in self._map.also if self._map is not None else ():
            wide, narrow = pairs.to(entries.device).unbind(1)
            logs = own.logprobs(rows.tolist())[:, narrow]
            parts.append(logs.masked_fill(wide != entries[:, None], -torch.inf).logsumexp(-1))
        total = torch.stack(parts).logsumexp(0) if len(parts) > 1 else parts[0]
        return total.masked_fill(self.chosen < 0, torch.nan)


def _weight(view: MemberView, place: int, rows: Tensor) -> Tensor:
    """A member's weight [row]; where its tokens are weighed, too, what it gives in all."""
    weight, aligned = view.weights[place], view.aligned
    if weight.per_column:
        return weight.multiply_(aligned.probabilities(place)).sum(-1)
    return weight.multiply_(aligned.members[place].scores.new_ones(len(rows), 1))[:, 0]
