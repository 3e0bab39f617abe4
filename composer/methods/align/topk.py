"""The union of the members' likeliest tokens only: UniTE, arXiv:2410.03777.

Each member is asked what it thinks of every candidate that any of them has among its `k`
likeliest. For a candidate that it has no single token for, its first token of it stands in.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.engine.distribution import Aligned, Distributions
from composer.heavy import torch
from composer.methods.align import Align
from composer.methods.align.likeliest import Top, distinct
from composer.methods.align.table_cache import cached_table
from composer.methods.align.tables import Gather
from composer.methods.align.union import united
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.engine.parts import Member
    from composer.engine.space import Map, Space

__all__ = ["TopK", "TopKAlignment"]


class TopK(Align):
    """The `k` likeliest tokens of each member, with every member's probability of each of them.

    With `renormalize` the probabilities of a member over the candidates have the sum 1. If a member
    has no single token for a candidate, it reads its first token of the candidate. If that token
    already stands for another candidate, `duplicates` decides: the candidate is removed (`drop`),
    gets the logit 0 (`zero`, as in the paper's code for byte-level vocabularies) or the same logit
    (`keep`, as in its code for others).
    """

    name: ClassVar[str] = "topk"
    paper: ClassVar[str] = "arXiv:2410.03777"
    static: ClassVar[bool] = True

    k: int = Field(default=10, ge=1, le=1000)
    renormalize: bool = True
    duplicates: Literal["drop", "zero", "keep"] = "drop"

    def prepare(self, members: Sequence[Member], device: torch.device) -> TopKAlignment:
        """Make the tables of the union, of which each step takes other candidates.

        A member that is itself a fuse has no first tokens: it rules out what it has no entry for.
        """
        space, maps = united([member.space for member in members])
        if all((lies.give == len(space)).all() for lies in maps):
            names = ", ".join(member.name for member in members)
            raise ModelError("E305", f"{names} have no token that all of them can write")
        readers = [
            _Reader(member, space, lies, self.k, device)
            for member, lies in zip(members, maps, strict=True)
        ]
        return TopKAlignment(self, space, tuple(maps), readers)


class TopKAlignment:
    """An alignment whose columns are candidates, chosen at every step for each row."""

    leads = False
    apart = True

    def __init__(
        self, options: TopK, space: Space, maps: tuple[Map, ...], readers: Sequence[_Reader]
    ) -> None:
        self.space, self.maps = space, maps
        self._options, self._readers = options, readers

    def align(self, distributions: Mapping[int, Distributions]) -> Aligned:
        """Ask each member what it thinks of everybody's candidates; one alone says all it says."""
        if len(distributions) == 1:
            ((n, own),) = distributions.items()
            return Aligned([own], len(self.space), [self._readers[n].table])
        asked = [self._readers[n].proposes(own) for n, own in distributions.items()]
        index = distinct(torch.cat(asked, 1), len(self.space))
        members = [self._read(self._readers[n], own, index) for n, own in distributions.items()]
        count = index.shape[1]

        def finish(fused: Distributions) -> Distributions:
            return Distributions(fused.scores[:, :count], fused.linear, index)

        return Aligned(members, members[0].scores.shape[1], to_entries=finish)

    def _read(self, reader: _Reader, own: Distributions, index: Tensor) -> Distributions:
        """Logarithms of one member; all it gives to other tokens is in a last column."""
        logs = reader.logs(own, index, self._options.duplicates)
        if self._options.renormalize:
            return Distributions(logs)
        logs = logs - own.log_normalizer[:, None]
        rest = (1 - logs.exp().sum(-1, keepdim=True)).clamp(min=0)
        return Distributions(torch.cat([logs, rest.log()], 1))


class _Reader:
    """How one member proposes candidates, and reads those of others."""

    def __init__(
        self, member: Member, space: Space, lies: Map, k: int, device: torch.device
    ) -> None:
        self._lies, self._device = lies, device
        self._give = lies.give.to(device)
        self._top = Top(self._give < len(space), k)
        nothing = torch.tensor([-1])
        single = torch.cat([lies.take, nothing])  # the last: what an unused column, -1, reads
        first = torch.cat([_firsts(member, space, lies), nothing])
        self._own = single.where(single >= 0, first).to(device)
        self._split = ((single < 0) & (first >= 0)).to(device)
        self._also = [_whole(pairs, len(space)).to(device) for pairs in lies.also]

    @cached_property
    def table(self) -> Gather:
        """How all its tokens lie in the space."""
        return Gather(self._lies, self._device)

    @cached_property
    def _splits(self) -> bool:
        return bool(self._split.any())

    def proposes(self, own: Distributions) -> Tensor:
        """The entries [row, k] that its likeliest tokens mean."""
        return self._give[self._top(own.scores)]

    def logs(self, member: Distributions, index: Tensor, duplicates: str) -> Tensor:
        """Its logarithms [row, column] of entries, up to a constant."""
        own = self._own[index]
        logs = _at(member, own)
        for table in self._also:
            logs = torch.logaddexp(logs, _at(member, table[index]))
        if self._splits and duplicates != "keep":
            again = _again(own, self._split[index])
            logs = logs.masked_fill_(again, -torch.inf if duplicates == "drop" else 0.0)
        return logs


def _firsts(member: Member, space: Space, lies: Map) -> Tensor:
    """The first token [entry] of what a member needs several tokens for; -1 for all others."""
    if member.model is None:
        return torch.full((len(space),), -1)
    words = member.model.vocabulary

    def make() -> Tensor:
        firsts = torch.full((len(space),), -1)
        for entry in torch.nonzero(lies.take < 0).flatten().tolist():
            piece = space.pieces[entry]
            if piece:
                firsts[entry] = words.extend(piece)[0]
        return firsts

    return cached_table("firsts", (member.space.content, space.key), make)


def _whole(pairs: Tensor, width: int) -> Tensor:
    """Pairs of entries and tokens as a table [entry + 1]."""
    table = torch.full((width + 1,), -1)
    table[pairs[:, 0]] = pairs[:, 1]
    return table


def _at(member: Distributions, own: Tensor) -> Tensor:
    """Logarithms [row, column] of tokens; -1 is none."""
    scores = member.scores.gather(1, own.clamp(min=0))
    logs = scores.log() if member.linear else scores
    return logs.masked_fill(own < 0, -torch.inf)


def _again(own: Tensor, split: Tensor) -> Tensor:
    """Where [row, column] a first token stands for another column too, itself or an earlier one."""
    same = own[:, :, None] == own[:, None, :]
    before = torch.ones(own.shape[1], own.shape[1], device=own.device).tril(-1).bool()
    return split & (same & (before | ~split[:, None, :])).any(-1)
