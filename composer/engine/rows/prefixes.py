"""Beginnings of texts that were read before: a new row takes them over instead of reading them.

Leaves of one search share the prompt and most of the answer, the stages of a cascade the prompt,
the turns of a chat all turns before. When an answer is finished, what its rows hold is copied out
of the cache for a while. So the rows that are in use stay side by side, and none is held back.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.rows.row import CacheRow, RowCache, Saved

__all__ = ["PrefixCache"]

_LEAST = 8  # tokens from which on copying is cheaper than reading
_ROWS = 16
_PART = 8  # of the bytes of a model's weights, one of so many may be kept
_BYTES = 1 << 26  # may be kept in any case


@dataclass(frozen=True, slots=True)
class _Kept:
    """The tokens that a row had read, with which adapter, and what it held then."""

    adapter: int
    ids: list[int]
    saved: Saved


class PrefixCache:
    """What rows of one model held when they were closed, the last used last.

    At most 16 rows and `most_bytes` bytes are kept; the least recently used go first.
    """

    def __init__(self, rows: RowCache, weight_bytes: int = 0) -> None:
        self.most_bytes = max(_BYTES, weight_bytes // _PART)
        self._rows = rows
        self._kept: list[_Kept] = []

    @property
    def bytes(self) -> int:
        """How many bytes are kept."""
        return sum(each.saved.bytes for each in self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def clear(self) -> None:
        """Give up everything."""
        self._kept.clear()

    def keep(self, row: CacheRow, ids: Sequence[int]) -> None:
        """Keep what a row holds, which is about to be freed; `ids` begin with what it has read."""
        read = list(ids[: row.length])
        known = next((each for each in self._of(row) if _covers(each, read)), None)
        if known is not None:
            self._use(known)
            return
        if len(read) < _LEAST:
            return
        try:
            saved = self._rows.save(row)
        except torch.OutOfMemoryError:
            self.clear()
            return
        if saved.states and saved.bytes <= self.most_bytes:
            new = _Kept(row.adapter, read, saved)
            useless = {id(each) for each in self._of(row) if _covers(new, each.ids)}
            self._kept = [each for each in self._kept if id(each) not in useless]
            self._kept.append(new)
            self._evict()

    def fill(self, row: CacheRow, ids: Sequence[int]) -> None:
        """Let an empty row that will read `ids` hold as many of the first ones as are kept.

        Nothing is taken over where most must be read anyway: rows that begin empty share a pass
        more cheaply. Nor from a row that had read all of them: the same question is read as it was
        before, so that its answer is the same to the last bit.
        """
        best, length = None, max(_LEAST, len(ids) // 2) - 1
        for each in self._of(row):
            equal = _common(each.ids, ids)
            common = each.saved.longest(equal)
            if common > length and equal < len(ids):
                best, length = each, common
        if best is not None:
            self._rows.load(row, best.saved, length)
            self._use(best)

    def _of(self, row: CacheRow) -> list[_Kept]:
        """What rows with the same adapter held."""
        return [each for each in self._kept if each.adapter == row.adapter]

    def _use(self, kept: _Kept) -> None:
        self._kept.remove(kept)
        self._kept.append(kept)

    def _evict(self) -> None:
        while len(self._kept) > _ROWS or self.bytes > self.most_bytes:
            del self._kept[0]


def _covers(kept: _Kept, ids: list[int]) -> bool:
    """Whether a row that held `ids` is of no use beside what is kept."""
    crops = kept.saved.crops or len(kept.ids) == len(ids)
    return crops and kept.ids[: len(ids)] == ids


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    """Return with how many equal tokens two lists begin."""
    most = min(len(left), len(right))
    if left[:_LEAST] != right[:_LEAST]:
        return 0  # fewer are of no use
    return bisect_left(range(1, most + 1), 1, key=lambda n: left[:n] != right[:n])
