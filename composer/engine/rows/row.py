"""A row: one sequence in a model's cache; a feed: the tokens that it reads next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from composer.values.ledger import Ledger, ledger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

__all__ = [
    "GAP",
    "CacheRow",
    "Feed",
    "OpenRows",
    "RowCache",
    "Rows",
    "Saved",
    "TokenCount",
    "group_adjacent",
    "group_by_length",
    "split_by_tokens",
]

GAP = 4
"""The number of idle rows between two others up to which one pass over all of them is cheaper."""


@dataclass(eq=False, slots=True)
class CacheRow:
    """A row of a cache: `index` is its present place there, `length` how many tokens it holds.

    `adapter` is the number of the adapter with which it is read; 0 for the base alone.
    """

    index: int
    length: int = 0
    adapter: int = 0


class OpenRows:
    """The rows of a model that have nothing in common: the last takes the place of a closed one."""

    def __init__(self) -> None:
        self.live: list[CacheRow] = []

    def allocate(self) -> CacheRow:
        """Open an empty row."""
        row = CacheRow(len(self.live))
        self.live.append(row)
        return row

    def free(self, row: CacheRow, *, wipe: bool = False) -> None:
        """Close a row."""
        del wipe
        last = self.live.pop()
        if last is not row:
            self.live[row.index] = last
            last.index = row.index

    def twin(self, row: CacheRow) -> CacheRow:
        """Open an empty row that is read with the same adapter as another one."""
        twin = self.allocate()
        twin.adapter = row.adapter
        return twin


@dataclass(eq=False, slots=True)
class TokenCount:
    """What a member state shares with its forks: prompt tokens, and forward passes of all of them.

    `may_hold_nan` says that the caches may hold NaN, so that freed rows must be wiped. `read` and
    `written` are the tokens of all prompts that a server was sent, and of its replies; what they
    cost is told to the `ledger`.
    """

    prompt: int = 0
    calls: int = 0
    may_hold_nan: bool = False
    read: int = 0
    written: int = 0
    ledger: Ledger = field(default_factory=ledger)


@dataclass(slots=True)
class Feed:
    """The tokens `ids` for a row; `keep` are places among them after which logits are wanted."""

    row: CacheRow
    ids: Sequence[int]
    keep: Sequence[int]


@dataclass(frozen=True, slots=True)
class Saved:
    """What a row held: states after so many tokens each, the longest last, and their bytes.

    What a state is, only the cache knows that it came from. `crops` says that the longest one can
    be cropped to any length.
    """

    states: Sequence[tuple[int, object]]
    bytes: int
    crops: bool = False

    def longest(self, length: int) -> int:
        """Return how many of the first `length` tokens can be taken from it."""
        if self.crops:
            return min(self.states[-1][0], length)
        return max((held for held, _ in self.states if held <= length), default=0)


class Rows(Protocol):
    """The rows of a model: they are allocated, freed, forked and cropped. `live` are in use."""

    live: list[CacheRow]

    def allocate(self) -> CacheRow:
        """Open an empty row."""

    def free(self, row: CacheRow, *, wipe: bool = False) -> None:
        """Close a row; with `wipe`, overwrite what it holds, which may be NaN."""

    def fork(self, row: CacheRow) -> CacheRow:
        """Open a copy of a row."""

    def rejoin(self, row: CacheRow, source: CacheRow, same: int) -> None:
        """Let a fork be a copy again; it shares the first `same` tokens with its source."""

    def snapshot(self, row: CacheRow) -> None:
        """Make it cheap to crop the row to its present length later."""

    def crop(self, row: CacheRow, length: int) -> int:
        """Crop a row to a length, or to a shorter one if the cache cannot; return which."""


class RowCache(Rows, Protocol):
    """Rows in a cache of this process, which forward passes fill."""

    def copy(self, source: CacheRow, row: CacheRow, length: int) -> bool:
        """Let a row hold the first tokens of another one; False if the cache cannot do that."""

    def save(self, row: CacheRow) -> Saved:
        """Return a copy of what a row holds, which stays when the row is freed."""

    def load(self, row: CacheRow, saved: Saved, length: int) -> int:
        """Let an empty row hold what was saved, at most so many tokens; return how many."""

    def forward(self, feeds: Sequence[Feed]) -> Tensor:
        """Read the feeds, of one row each; return logits [all kept, vocabulary] in their order."""


def group_adjacent(feeds: Sequence[Feed], gap: int) -> Iterator[list[Feed]]:
    """Group feeds, sorted by their rows' place: rows of one group are at most `gap` apart."""
    batch: list[Feed] = []
    for feed in feeds:
        if batch and feed.row.index - batch[-1].row.index > gap:
            yield batch
            batch = []
        batch.append(feed)
    if batch:
        yield batch


def split_by_tokens(feeds: Sequence[Feed], most: int) -> Iterator[list[Feed]]:
    """Split feeds into batches of at most `most` tokens, where single feeds allow it."""
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
    """Group feeds, sorted by length, so that padding stays small.

    A batch has at most `most` tokens with padding, and `waste` times as many as without.
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
