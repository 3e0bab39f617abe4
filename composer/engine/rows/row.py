"""A row: one text that one model is reading, and what it is fed next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

__all__ = [
    "GAP",
    "CacheRow",
    "Feed",
    "RowCache",
    "group_adjacent",
    "group_by_length",
    "split_by_tokens",
]

GAP = 4
"""Idle rows that are cheaper to carry along than to go around."""


@dataclass(eq=False, slots=True)
class CacheRow:
    """A stable handle: `index` is where the table keeps the row now, `length` what it holds."""

    index: int
    length: int = 0


@dataclass(slots=True)
class Feed:
    """Tokens for a row, and after which of them the next token's logits are wanted."""

    row: CacheRow
    ids: Sequence[int]
    keep: Sequence[int]


class RowCache(Protocol):
    """What a kind of cache offers: rows that come, go, are copied, cut back and fed."""

    live: list[CacheRow]

    def allocate(self) -> CacheRow:
        """Open an empty row."""

    def free(self, row: CacheRow, *, wipe: bool = False) -> None:
        """Close a row; `wipe` it if what it holds may be no numbers."""

    def fork(self, row: CacheRow) -> CacheRow:
        """Open a row that holds what another one does."""

    def snapshot(self, row: CacheRow) -> None:
        """Make it cheap to cut back to here."""

    def crop(self, row: CacheRow, length: int) -> int:
        """Cut back to a length, or to one before it where that is impossible; says which."""

    def forward(self, feeds: Sequence[Feed]) -> Tensor:
        """Feed rows, each at most once; logits [all kept, vocabulary] in the feeds' order."""


def group_adjacent(feeds: Sequence[Feed], gap: int) -> Iterator[list[Feed]]:
    """Cut feeds, sorted by place, where two rows lie more than `gap` places apart."""
    batch: list[Feed] = []
    for feed in feeds:
        if batch and feed.row.index - batch[-1].row.index > gap:
            yield batch
            batch = []
        batch.append(feed)
    if batch:
        yield batch


def split_by_tokens(feeds: Sequence[Feed], most: int) -> Iterator[list[Feed]]:
    """Cut feeds where there would be more than `most` tokens in a pass."""
    batch: list[Feed] = []
    count = 0
    for feed in feeds:
        if batch and count + len(feed.ids) > most:
            yield batch
            batch, count = [], 0
        batch.append(feed)
        count += len(feed.ids)
    if batch:
        yield batch


def group_by_length(feeds: Sequence[Feed], waste: float, most: int) -> Iterator[list[Feed]]:
    """Cut feeds, shortest first, where a longer one would pad too much.

    `waste` is how many padded tokens there may be for each real one, `most` how many in a pass.
    """
    batch: list[Feed] = []
    for feed in feeds:
        width, real = len(feed.ids), sum(len(f.ids) for f in batch) + len(feed.ids)
        padded = width * (len(batch) + 1)
        if batch and (padded > waste * real or padded > most):
            yield batch
            batch = []
        batch.append(feed)
    if batch:
        yield batch
