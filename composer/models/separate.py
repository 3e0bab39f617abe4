"""Rows of a model that cannot share a forward pass: each is read alone, with a cache of its own.

Some recurrent models of transformers go wrong, without a word, when a cache that holds something
is fed more than one token at a time, or one that holds nothing is fed a single one; some keep one
state for all texts. So a model is tried out first, and fed as it reads rightly; one that never does
reads the whole text again at each step.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from composer.models.forward import cache_name
from composer.models.rows import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from transformers import Cache

    from composer.models.local import LocalModel
    from composer.models.rows import Feed

__all__ = ["Separate"]

_SNAPSHOTS = 2
_TRIED = 11  # tokens read to find out how a cache is fed
_TOLERANCE = {torch.float32: 1e-4}


class Separate:
    """A cache of transformers a row; the whole text again where no cache works.

    `pace` is how many tokens a cache that holds something is fed at once: None for any number,
    0 if there is no use in a cache.
    """

    def __init__(self, model: LocalModel) -> None:
        self.model = model
        self.live: list[Row] = []
        self._name = cache_name(model.module)
        self.pace = self._find_pace()
        self._read: dict[Row, list[int]] = {}
        self._caches: dict[Row, Cache | None] = {}
        self._snapshots: dict[Row, list[tuple[int, Cache | None]]] = {}

    def join(self) -> Row:
        """Open an empty row."""
        row = Row(len(self.live))
        self.live.append(row)
        self._read[row], self._caches[row], self._snapshots[row] = [], None, []
        return row

    def leave(self, row: Row, *, wipe: bool = False) -> None:
        """Close a row."""
        del wipe
        last = self.live.pop()
        if last is not row:
            self.live[row.index] = last
            last.index = row.index
        del self._read[row], self._caches[row], self._snapshots[row]

    def fork(self, row: Row) -> Row:
        """Open a row that holds what another one does."""
        cache = copy.deepcopy(self._caches[row])  # first: without room for it no row is opened
        other = self.join()
        self._read[other], self._caches[other] = list(self._read[row]), cache
        other.length = row.length
        return other

    def mark(self, row: Row) -> None:
        """Keep the cache to come back to; older ones are forgotten."""
        if self._caches[row] is not None:
            kept = self._snapshots[row][1 - _SNAPSHOTS :]
            self._snapshots[row] = [*kept, (row.length, copy.deepcopy(self._caches[row]))]

    def crop(self, row: Row, length: int) -> int:
        """Come back to the last mark that is not beyond: not every cache can be cut back."""
        if length >= row.length:
            return row.length
        kept = self._snapshots[row] = [s for s in self._snapshots[row] if s[0] <= length]
        back, cache = kept[-1] if kept else (length if self.pace == 0 else 0, None)
        self._caches[row] = copy.deepcopy(cache)
        del self._read[row][back:]
        row.length = back
        return back

    def step(self, feeds: Sequence[Feed]) -> Tensor:
        """Feed rows one after another; logits [all kept, vocabulary]."""
        before = [(feed.row, feed.row.length) for feed in feeds]
        try:
            return torch.cat([self._feed(feed) for feed in feeds])
        except BaseException:
            for row, length in before:
                self._forget(row, length)
            raise

    def _forget(self, row: Row, length: int) -> None:
        """Hold the first tokens only; the cache is gone, and they are read again with the next."""
        if row.length > length:
            self._caches[row] = None
            del self._read[row][length:]
            row.length = length

    def _feed(self, feed: Feed) -> Tensor:
        row, ids = feed.row, list(feed.ids)
        if not ids:
            return torch.empty(0, self.model.width, dtype=self.model.dtype)
        whole = [*self._read[row], *ids]
        cache, self._caches[row] = self._caches[row], None  # a failed step gives it up
        if self.pace == 0 or len(whole) == 1:
            logits = self._again(whole)
        else:
            cache, logits = self._go_on(cache, whole if cache is None else ids, self.pace)
            self._caches[row] = cache
        self._read[row] = whole
        row.length = len(whole)
        return logits[len(logits) - len(ids) :][list(feed.keep)]

    def _go_on(
        self,
        cache: Cache | None,
        ids: Sequence[int],
        pace: int | None,
    ) -> tuple[Cache | None, Tensor]:
        """Feed a cache, a new one if there is none; its logits [new tokens, vocabulary]."""
        pieces = [ids]
        if cache is not None and pace is not None:
            pieces = [ids[n : n + pace] for n in range(0, len(ids), pace)]
        logits: list[Tensor] = []
        for piece in pieces:
            assert self._name is not None
            out = self.model.module(self._tensor(piece), use_cache=True, **{self._name: cache})
            cache = out[self._name]  # the model makes its own, of the kind that it needs
            logits.append(out.logits[0])
        return cache, torch.cat(logits)

    def _again(self, ids: Sequence[int]) -> Tensor:
        logits: Tensor = self.model.module(self._tensor(ids), use_cache=False).logits[0]
        return logits

    @torch.inference_mode()
    def _find_pace(self) -> int | None:
        """Feed caches in the ways that there are, the fastest first."""
        if self._name is None:
            return 0
        text = [(7 * n + 3) % self.model.config.vocab_size for n in range(_TRIED)]
        texts = text, text[::-1]
        wanted = torch.cat([self._again(each) for each in texts])
        return next((pace for pace in (None, 1) if self._agrees(texts, wanted, pace)), 0)

    def _agrees(self, texts: Sequence[list[int]], wanted: Tensor, pace: int | None) -> bool:
        """Whether texts that take turns give in pieces the logits that they give as a whole."""
        found: list[list[Tensor]] = [[] for _ in texts]
        caches: list[Cache | None] = [None for _ in texts]
        try:
            for start, end in ((0, 2), (2, 6), (6, 7), (7, _TRIED)):
                for n, text in enumerate(texts):
                    caches[n], logits = self._go_on(caches[n], text[start:end], pace)
                    found[n].append(logits)
        except Exception:  # noqa: BLE001  # whatever it is, this is no way to feed the model
            return False
        gap = (
            torch.cat([logits for each in found for logits in each]) - wanted
        ).abs().max() / wanted.abs().max()
        return bool(gap <= _TOLERANCE.get(self.model.dtype, 0.05))

    def _tensor(self, ids: Sequence[int]) -> Tensor:
        return torch.tensor([list(ids)], device=self.model.device)
