"""What stood beside the tokens that were chosen: likely tokens, and what each member said.

Nothing of this is computed unless a request wants it. Numbers go to the host together with the
tokens themselves, in the one transfer of a step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from composer.engine.fuse_tree import FuseNode
from composer.engine.requests.member_details import MemberDetails, likely_token
from composer.heavy import torch
from composer.values.details import LikelyToken, TokenChoice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from composer.engine.distribution import Distributions
    from composer.engine.group import Group
    from composer.engine.requests.member_details import FusedRows
    from composer.values.details import MemberChoice, TokenDetail

__all__ = ["Details"]


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
        self._members: MemberDetails | None = None
        if detail.members and isinstance(group.root, FuseNode):
            own_rows = batch.select(rows, [batch.weights[row] for row in rows])
            self._members = MemberDetails(own_rows, group.root, chosen, detail.members)

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
        top = [likely_token(self._group, self._group.root, *each) for each in ranked]
        there = {each.id for each in top}
        others = [
            _of_id(self._group, token, ids.get(token, -math.inf))
            for token in self._detail.ids
            if token not in there
        ]
        chosen = likely_token(self._group, self._group.root, int(entry), logprob)
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


def _of_id(group: Group, token: int, logprob: float) -> LikelyToken:
    """A token of the first model."""
    model = group.slots[0].runner.model
    piece = b"" if token in model.ends else model.vocabulary.piece(token)
    return LikelyToken(piece, logprob, token)
