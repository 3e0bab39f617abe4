"""Alignments by tables: where each entry of a member lies in the space of the fuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.engine.distribution import Aligned
from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.engine.distribution import Distributions, EntryTable
    from composer.engine.space import Map, Space

__all__ = ["Gather", "TableAlignment"]


class TableAlignment:
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

    def align(self, distributions: Mapping[int, Distributions]) -> Aligned:
        """Give each member its table."""
        members = list(distributions.values())
        if self.maps is None:
            return Aligned(members, len(self.space))
        return Aligned(members, len(self.space), [self.table(n) for n in distributions])

    def table(self, member: int) -> EntryTable:
        """One member's table, made when it is first distributions."""
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
