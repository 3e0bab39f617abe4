"""The plan of a packed pass: the order of its tokens, and whose attention is one call."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from composer.engine.rows.row import GAP, group_adjacent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.rows.row import Feed

__all__ = ["Packing", "PassGroup"]

_SHORT = 8  # tokens a row up to which neighbours share an attention call


@dataclass(eq=False)
class PassGroup:
    """Rows first..last of the table, of which some feed `width` tokens each, from `start` on.

    `picks` has for every row of the span where its tokens begin in the line, -1 if it is idle;
    `lengths` is what each row holds, and `held` the same on the device. `index` are places on the
    device where there are idle rows: of every row's queries in the line, and of those that count
    in the span.
    """

    first: int
    width: int
    start: int
    picks: list[int]
    lengths: list[int]
    masks: dict[int | None, Tensor | None] = field(default_factory=dict)
    held: Tensor | None = None
    index: tuple[Tensor, Tensor] | None = None

    @property
    def rows(self) -> slice:
        """Its rows in the table."""
        return slice(self.first, self.first + len(self.picks))

    @property
    def reach(self) -> int:
        """How many cells its rows look at."""
        return max(self.lengths) + self.width

    @property
    def idle(self) -> bool:
        """Whether rows lie in between that feed nothing."""
        return -1 in self.picks

    def places(self) -> tuple[list[int], list[int]]:
        """What `index` holds; an idle row's queries are some other row's."""
        steps = range(self.width)
        picks = [max(at, self.start) + n for at in self.picks for n in steps]
        busy = [row for row, at in enumerate(self.picks) if at >= 0]
        return picks, [row * self.width + n for row in busy for n in steps]


class Packing:
    """The order of some feeds' tokens in a line, and the groups whose attention is one call."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self.groups: list[PassGroup] = []
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

    @property
    def windows(self) -> set[int | None]:
        """How far back the layers looked; None is all the way."""
        return set(self.groups[0].masks)

    def values(self) -> list[int]:
        """All that the device is to know, in one piece: ids, positions, rows; groups' places."""
        ids: list[int] = []
        positions: list[int] = []
        rows: list[int] = []
        for feed in self.order:
            ids += feed.ids
            positions += range(feed.row.length, feed.row.length + len(feed.ids))
            rows += [feed.row.index] * len(feed.ids)
        return [*ids, *positions, *rows, *(n for part in self._parts() for n in part)]

    def bind(self, values: Tensor) -> Tensor:
        """Take what was uploaded; returns ids, positions and rows [3, token]."""
        start = 3 * self.total
        parts = iter(values[start:].split_with_sizes([len(part) for part in self._parts()]))
        for group in self.groups:
            group.held = next(parts)
            group.index = (next(parts), next(parts)) if group.idle else None
        return values[:start].view(3, -1)

    def _parts(self) -> list[list[int]]:
        """What each group needs to know, one after another."""
        return [
            part
            for group in self.groups
            for part in (group.lengths, *(group.places() if group.idle else ()))
        ]

    def kept(self, feeds: Sequence[Feed]) -> list[int]:
        """Where in the line the tokens lie after which logits are wanted, in the feeds' order."""
        return [self.starts[id(feed)] + k for feed in feeds for k in feed.keep]
