"""What an alignment is: a space for the fuse, and how each member's distribution gets there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import torch

from composer.engine.distribution import Aligned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.engine.align.space import Map, Space
    from composer.engine.distribution import Distributions, EntryTable
    from composer.engine.weights.local import LocalModel
    from composer.specs.parts import Align

__all__ = ["Alignment", "Gather", "Member", "Tabled", "opened"]


@dataclass(frozen=True, eq=False)
class Member:
    """A member as parts see it; `model` is None where the member is itself a fuse."""

    name: str
    space: Space
    model: LocalModel | None


class Alignment(Protocol):
    """A space for a fuse, made once for its members.

    `maps` says how members are fed: which of a member's entries writes an entry of the space, and
    what its own entries mean there; None where ids mean the same in all members. The maps go by
    bytes, whatever the distributions do. `leads` says that the first member is asked even where
    its weight is 0, because the others are brought into its space. `apart` says that what one
    member says changes how others are lined up, or that it has a way of its own when alone: then
    only rows that ask the same members are lined up together.
    """

    space: Space
    maps: tuple[Map, ...] | None
    leads: bool
    apart: bool

    def align(self, heard: Mapping[int, Distributions]) -> Aligned:
        """Bring what some members said, by their place, over the same columns."""


def opened(align: Align, sides: Sequence[Member], device: torch.device) -> Alignment:
    """Make the tables of a way to align; raises ModelError if these members cannot be aligned."""
    return cast("Alignment", align.load()(sides, device))


class Tabled:
    """An alignment in which every member's entries lie in the space by a table of its own.

    Tables that are not given follow the maps by bytes.
    """

    leads = False
    apart = False

    def __init__(
        self,
        space: Space,
        maps: Sequence[Map] | None,
        device: torch.device,
        tables: Sequence[EntryTable] | None = None,
    ) -> None:
        self.space = space
        self.maps = None if maps is None else tuple(maps)
        self._tables: dict[int, EntryTable] = dict(enumerate(tables or ()))
        self._device = device

    def align(self, heard: Mapping[int, Distributions]) -> Aligned:
        """Give each member its table."""
        members = list(heard.values())
        if self.maps is None:
            return Aligned(members, len(self.space))
        return Aligned(members, len(self.space), [self.table(n) for n in heard])

    def table(self, member: int) -> EntryTable:
        """One member's table, made when it is first heard."""
        if member not in self._tables:
            assert self.maps is not None
            self._tables[member] = Gather(self.maps[member], self._device)
        return self._tables[member]


class Gather:
    """A map on a device, made once: a table of a space in a wider one."""

    def __init__(self, lies: Map, device: torch.device) -> None:
        take = lies.take.to(device)
        self.take, self.absent = take.clamp(min=0), take < 0
        self.give = lies.give.to(device)
        rounds = [pairs.to(device) for pairs in lies.also]
        self.also = [(pairs[:, 0], pairs[:, 1]) for pairs in rounds]

    def add(self, total: Tensor, probabilities: Tensor) -> None:
        """Add probabilities [row, own entry] to those of what they mean [row, entry + 1]."""
        total.index_add_(1, self.give, probabilities)

    def log_scores(self, logs: Tensor) -> Tensor:
        """Logarithms [row, own entry] as [row, entry]; equal meanings add up as probabilities."""
        wide = logs.index_select(1, self.take).masked_fill_(self.absent, -torch.inf)
        for wider, own in self.also:
            wide[:, wider] = torch.logaddexp(wide[:, wider], logs[:, own])
        return wide
