"""The plan of a packed pass: the order of its tokens, and which rows share an attention call."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Self

from composer.engine.rows.row import GAP, group_adjacent

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import Tensor

    from composer.engine.rows.row import Feed

__all__ = ["Packing", "PassGroup"]

_SHORT = 8  # tokens a row up to which neighbours share an attention call


@dataclass(eq=False)
class PassGroup:
    """Adjacent rows of the cache that share an attention call; each reads `width` tokens, or none.

    `picks` says for each row where its tokens begin in the line, -1 if it is idle. `lengths` are
    the tokens that each row holds, `held` the same on the device. If there are idle rows, `index`
    has two lists of places on the device: of each row's queries in the line, and of the queries of
    rows that are not idle among the group's.
    """

    first: int
    width: int
    start: int
    picks: list[int]
    lengths: list[int]
    masks: dict[int | None, Tensor | None] = field(default_factory=dict)
    held: Tensor | None = None
    index: tuple[Tensor, Tensor] | None = None

    def on(self, device: torch.device) -> PassGroup:
        """The same group with its numbers on another device, and masks of its own there."""
        held = None if self.held is None else self.held.to(device)
        index = None if self.index is None else (self.index[0].to(device), self.index[1].to(device))
        return replace(self, masks={}, held=held, index=index)

    @property
    def rows(self) -> slice:
        """Its rows in the cache."""
        return slice(self.first, self.first + len(self.picks))

    @property
    def reach(self) -> int:
        """How many cells its rows attend to."""
        return max(self.lengths) + self.width

    @property
    def idle(self) -> bool:
        """Whether some of its rows are idle."""
        return -1 in self.picks

    def places(self) -> tuple[list[int], list[int]]:
        """The two lists of `index`; for an idle row's queries it takes those of another row."""
        steps = range(self.width)
        picks = [max(at, self.start) + n for at in self.picks for n in steps]
        busy = [row for row, at in enumerate(self.picks) if at >= 0]
        return picks, [row * self.width + n for row in busy for n in steps]


class Packing:
    """The order of the feeds' tokens in a line, and the groups whose attention is one call."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self.groups: list[PassGroup] = []
        self._elsewhere: dict[torch.device, list[PassGroup]] = {}
        self.order: list[Feed] = []
        self.starts: dict[int, int] = {}
        self.total = 0
        ranked = sorted(feeds, key=lambda feed: (len(feed.ids), feed.row.index))
        for width, alike in groupby(ranked, key=lambda feed: len(feed.ids)):
            for batch in group_adjacent(list(alike), 0 if width > _SHORT else GAP):
                self._add(batch, width)

    def _add(self, batch: Sequence[Feed], width: int) -> None:
        first, last = batch[0].row.index, batch[-1].row.index
        group = PassGroup(
            first, width, self.total, [-1] * (last - first + 1), [0] * (last - first + 1)
        )
        for feed in batch:
            place = feed.row.index - first
            group.picks[place], group.lengths[place] = self.total, feed.row.length
            self.starts[id(feed)] = self.total
            self.total += width
        self.order += batch
        self.groups.append(group)

    @classmethod
    def fixed(cls, reach: int, positions: Tensor) -> Self:
        """Plan one token for each of the first rows; its place is known on the device alone.

        `positions` [row] are these places, each below `reach`, which is how many cells all read.
        """
        plan = cls(())
        plan.total = len(positions)
        lengths = [0, reach - 1]  # of any row, from the shortest to the longest
        plan.groups = [PassGroup(0, 1, 0, list(range(plan.total)), lengths, held=positions)]
        return plan

    @property
    def windows(self) -> set[int | None]:
        """The attention windows that layers used; None for attention to all tokens."""
        alike = (groups[0] for groups in (self.groups, *self._elsewhere.values()))
        return {window for group in alike for window in group.masks}

    def on(self, device: torch.device) -> list[PassGroup]:
        """The groups for a layer on this device; their numbers are copied there once."""
        held = self.groups[0].held
        if held is None or held.device == device:
            return self.groups
        if device not in self._elsewhere:
            self._elsewhere[device] = [group.on(device) for group in self.groups]
        return self._elsewhere[device]

    def values(self) -> list[int]:
        """All numbers for the device in one list: ids, positions, rows, and those of the groups."""
        ids: list[int] = []
        positions: list[int] = []
        rows: list[int] = []
        for feed in self.order:
            ids += feed.ids
            positions += range(feed.row.length, feed.row.length + len(feed.ids))
            rows += [feed.row.index] * len(feed.ids)
        return [*ids, *positions, *rows, *(n for part in self._parts() for n in part)]

    def bind(self, values: Tensor) -> Tensor:
        """Take the numbers on the device; return ids, positions and rows [3, token]."""
        start = 3 * self.total
        parts = iter(values[start:].split_with_sizes([len(part) for part in self._parts()]))
        for group in self.groups:
            group.held = next(parts)
            group.index = (next(parts), next(parts)) if group.idle else None
        return values[:start].view(3, -1)

    def _parts(self) -> list[list[int]]:
        """The lists of numbers that the groups need, one after another."""
        return [
            part
            for group in self.groups
            for part in (group.lengths, *(group.places() if group.idle else ()))
        ]

    def kept(self, feeds: Sequence[Feed]) -> list[int]:
        """The places in the line after which logits are wanted, in the feeds' order."""
        return [self.starts[id(feed)] + k for feed in feeds for k in feed.keep]
