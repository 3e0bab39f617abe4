"""The union of the members' likeliest tokens only: UniTE, arXiv:2410.03777.

Each member is asked what it thinks of every candidate that any of them has among its `k`
likeliest. For a candidate that it has no single token for, its first token of it stands in.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal

import torch

from composer.engine.distribution import Aligned, Distributions
from composer.methods.align.kept import kept
from composer.methods.align.tables import Gather
from composer.methods.align.top import Top, distinct
from composer.methods.align.union import united
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.engine.parts import Member
    from composer.engine.space import Map, Space

__all__ = ["Duplicates", "topk"]

Duplicates = Literal["drop", "zero", "keep"]


def topk(
    sides: Sequence[Member],
    device: torch.device,
    *,
    k: int = 10,
    renormalize: bool = True,
    duplicates: Duplicates = "drop",
) -> TopK:
    """Align members over the union of their `k` likeliest tokens, which is another at each step.

    With `renormalize` a member's probabilities of the candidates add up to 1, as in the paper;
    else they are those that it gives them among all its tokens. `duplicates` says what becomes of
    a first token that stands for another candidate already: its candidate is ruled out (`drop`),
    or gets the logit 0 as in the paper's code for byte-level vocabularies (`zero`), or the token's
    logit as in its code for the others (`keep`). A member that is itself a fuse has no first
    tokens: it rules out what it has no entry for.
    """
    space, maps = united([side.space for side in sides])
    if all((lies.give == len(space)).all() for lies in maps):
        names = ", ".join(side.name for side in sides)
        raise ModelError("E305", f"{names} have no token that all of them can write")
    columns = [
        _Reader(side, space, lies, k, device) for side, lies in zip(sides, maps, strict=True)
    ]
    return TopK(space, tuple(maps), columns, renormalize=renormalize, duplicates=duplicates)


class TopK:
    """An alignment whose columns are candidates, chosen at every step for each row."""

    leads = False
    apart = True

    def __init__(
        self,
        space: Space,
        maps: tuple[Map, ...],
        readers: Sequence[_Reader],
        *,
        renormalize: bool,
        duplicates: Duplicates,
    ) -> None:
        self.space, self.maps = space, maps
        self._readers = readers
        self._renormalize = renormalize
        self._duplicates = duplicates

    def align(self, heard: Mapping[int, Distributions]) -> Aligned:
        """Ask each member what it thinks of everybody's candidates; one alone says all it says."""
        if len(heard) == 1:
            ((n, said),) = heard.items()
            return Aligned([said], len(self.space), [self._readers[n].table])
        asked = [self._readers[n].proposes(said) for n, said in heard.items()]
        index = distinct(torch.cat(asked, 1), len(self.space))
        members = [self._read(self._readers[n], said, index) for n, said in heard.items()]
        count = index.shape[1]

        def finish(said: Distributions) -> Distributions:
            return Distributions(said.scores[:, :count], said.linear, index)

        return Aligned(members, members[0].scores.shape[1], to_entries=finish)

    def _read(self, reader: _Reader, said: Distributions, index: Tensor) -> Distributions:
        """Logarithms of one member; all it gives to other tokens is in a last column."""
        logs = reader.logs(said, index, self._duplicates)
        if self._renormalize:
            return Distributions(logs)
        logs = logs - said.log_normalizer[:, None]
        rest = (1 - logs.exp().sum(-1, keepdim=True)).clamp(min=0)
        return Distributions(torch.cat([logs, rest.log()], 1))


class _Reader:
    """How one member proposes candidates, and reads those of others."""

    def __init__(self, side: Member, space: Space, lies: Map, k: int, device: torch.device) -> None:
        self._lies, self._device = lies, device
        self._give = lies.give.to(device)
        self._top = Top(self._give < len(space), k)
        nothing = torch.tensor([-1])
        single = torch.cat([lies.take, nothing])  # the last: what an unused column, -1, reads
        first = torch.cat([_firsts(side, space, lies), nothing])
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

    def proposes(self, said: Distributions) -> Tensor:
        """The entries [row, k] that its likeliest tokens mean."""
        return self._give[self._top(said.scores)]

    def logs(self, said: Distributions, index: Tensor, duplicates: Duplicates) -> Tensor:
        """Its logarithms [row, column] of entries, up to a constant."""
        own = self._own[index]
        found = _at(said, own)
        for table in self._also:
            found = torch.logaddexp(found, _at(said, table[index]))
        if self._splits and duplicates != "keep":
            again = _again(own, self._split[index])
            found = found.masked_fill_(again, -torch.inf if duplicates == "drop" else 0.0)
        return found


def _firsts(side: Member, space: Space, lies: Map) -> Tensor:
    """The first token [entry] of what a member needs several tokens for; -1 for all others."""
    if side.model is None:
        return torch.full((len(space),), -1)
    words = side.model.vocabulary

    def make() -> Tensor:
        firsts = torch.full((len(space),), -1)
        for entry in torch.nonzero(lies.take < 0).flatten().tolist():
            piece = space.pieces[entry]
            if piece:
                firsts[entry] = words.extend(piece)[0]
        return firsts

    return kept("firsts", (side.space.content, space.key), make)


def _whole(pairs: Tensor, width: int) -> Tensor:
    """Pairs of entries and tokens as a table [entry + 1]."""
    table = torch.full((width + 1,), -1)
    table[pairs[:, 0]] = pairs[:, 1]
    return table


def _at(said: Distributions, own: Tensor) -> Tensor:
    """Logarithms [row, column] of tokens; -1 is none."""
    found = said.scores.gather(1, own.clamp(min=0))
    logs = found.log() if said.linear else found
    return logs.masked_fill(own < 0, -torch.inf)


def _again(own: Tensor, split: Tensor) -> Tensor:
    """Where [row, column] a first token stands for another column too, itself or an earlier one."""
    same = own[:, :, None] == own[:, None, :]
    before = torch.ones(own.shape[1], own.shape[1], device=own.device).tril(-1).bool()
    return split & (same & (before | ~split[:, None, :])).any(-1)
