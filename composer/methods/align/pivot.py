"""The first member's vocabulary as the space of a fuse: the others are brought into it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.engine.distribution import Aligned, Distributions
from composer.engine.space import Map, lay
from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.engine.parts import Member
    from composer.engine.space import Space

__all__ = ["Pivot", "onto", "unwritable"]


class Pivot:
    """An alignment into the first member's space; `read` says how a member gets there."""

    leads = True
    apart = False

    def __init__(self, members: Sequence[Member], device: torch.device) -> None:
        self.space, self.maps = onto([member.space for member in members])
        self._silent = unwritable(self.space).to(device)

    def align(self, distributions: Mapping[int, Distributions]) -> Aligned:
        """Bring each member over the first one's entries."""
        members = [self.read(n, distribution) for n, distribution in distributions.items()]
        return Aligned(members, len(self.space), to_entries=self._writable)

    def read(self, member: int, distribution: Distributions) -> Distributions:
        """What a member, by its place, says over the first one's entries."""
        raise NotImplementedError

    def _writable(self, distribution: Distributions) -> Distributions:
        """Rule out what not all members can write."""
        if len(self._silent):
            missing = 0.0 if distribution.linear else -torch.inf
            distribution.scores.index_fill_(1, self._silent, missing)
        return distribution


def onto(spaces: Sequence[Space]) -> tuple[Space, tuple[Map, ...]]:
    """The first space for all, and how each lies in it."""
    first = spaces[0]
    lacking = frozenset[int]().union(*(space.lacking for space in spaces))
    key = ">".join(space.content for space in spaces)
    whole = replace(first, key=key, lacking=lacking)
    end = min(first.ends, default=len(first))
    itself = torch.arange(len(first))
    others = [lay(space, first.ids, end, len(first)) for space in spaces[1:]]
    return whole, (Map(itself, itself), *others)


def unwritable(space: Space) -> Tensor:
    """The entries with bytes that some member lacks."""
    pieces = enumerate(space.pieces) if space.lacking else ()
    unwritable = [e for e, piece in pieces if piece and not space.lacking.isdisjoint(piece)]
    return torch.tensor(unwritable, dtype=torch.int64)
