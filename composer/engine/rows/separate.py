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

from composer.engine.rows.forward_arguments import cache_name
from composer.engine.rows.row import CacheRow
from composer.engine.rows.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from transformers import Cache

    from composer.engine.rows.row import Feed
    from composer.engine.weights.local import LocalModel

__all__ = ["SeparateCaches"]

_SNAPSHOTS = 2
_CUTS = 2, 6, 7, -4, -2, -1  # where texts are cut to find out how a cache is fed
_TOLERANCE = {torch.float32: 1e-4}


class SeparateCaches:
    """A cache of transformers a row; the whole text again where no cache works.

    `pace` is how many tokens a cache that holds something is fed at once: None for any number,
    0 if there is no use in a cache.
    """

    def __init__(self, model: LocalModel, tried: Sequence[Trial] = ()) -> None:
        self.model = model
        self.live: list[CacheRow] = []
        self._name = cache_name(model.module)
        self.pace = self._find_pace(tried or [Trial(model)])
        self._read: dict[CacheRow, list[int]] = {}
        self._caches: dict[CacheRow, Cache | None] = {}
        self._snapshots: dict[CacheRow, list[tuple[int, Cache | None]]] = {}

    def allocate(self) -> CacheRow:
        """Open an empty row."""
        row = CacheRow(len(self.live))
        self.live.append(row)
        self._read[row], self._caches[row], self._snapshots[row] = [], None, []
        return row

    def free(self, row: CacheRow, *, wipe: bool = False) -> None:
        """Close a row."""
        del wipe
        last = self.live.pop()
        if last is not row:
            self.live[row.index] = last
            last.index = row.index
        del self._read[row], self._caches[row], self._snapshots[row]

    def fork(self, row: CacheRow) -> CacheRow:
        """Open a row that holds what another one does."""
        cache = copy.deepcopy(self._caches[row])  # first: without room for it no row is opened
        other = self.allocate()
        self._read[other], self._caches[other] = list(self._read[row]), cache
        other.length = row.length
        return other

    def snapshot(self, row: CacheRow) -> None:
        """Keep the cache to come back to; older ones are forgotten."""
        if self._caches[row] is not None:
            kept = self._snapshots[row][1 - _SNAPSHOTS :]
            self._snapshots[row] = [*kept, (row.length, copy.deepcopy(self._caches[row]))]

    def crop(self, row: CacheRow, length: int) -> int:
        """Come back to the last mark that is not beyond: not every cache can be cut back."""
        if length >= row.length:
            return row.length
        kept = self._snapshots[row] = [s for s in self._snapshots[row] if s[0] <= length]
        back, cache = kept[-1] if kept else (length if self.pace == 0 else 0, None)
        self._caches[row] = copy.deepcopy(cache)
        del self._read[row][back:]
        row.length = back
        return back

    def forward(self, feeds: Sequence[Feed]) -> Tensor:
        """Feed rows one after another; logits [all kept, vocabulary]."""
        before = [(feed.row, feed.row.length) for feed in feeds]
        try:
            return torch.cat([self._feed(feed) for feed in feeds])
        except BaseException:
            for row, length in before:
                self._forget(row, length)
            raise

    def _forget(self, row: CacheRow, length: int) -> None:
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
        if row.length <= (self.model.switch or 0) < len(whole):
            cache = None  # what it holds was read by other positions
        if self.pace == 0 or len(whole) == 1:
            logits = self._again(whole)
        else:
            fresh = whole if cache is None else ids
            cache, logits = self._go_on(self.model, cache, fresh, self.pace)
            self._caches[row] = cache
        self._read[row] = whole
        row.length = len(whole)
        return logits[len(logits) - len(ids) :][list(feed.keep)]

    def _go_on(
        self,
        model: LocalModel,
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
            out = model.module(_tensor(model, piece), use_cache=True, **{self._name: cache})
            cache = out[self._name]  # the model makes its own, of the kind that it needs
            logits.append(out.logits[0])
        return cache, torch.cat(logits)

    def _again(self, ids: Sequence[int]) -> Tensor:
        return _whole(self.model, ids)

    @torch.inference_mode()
    def _find_pace(self, tried: Sequence[Trial]) -> int | None:
        """Feed caches in the ways that there are, the fastest first."""
        if self._name is None:
            return 0
        wanted = [torch.cat([_whole(t.model, text) for text in t.texts]) for t in tried]
        paces: tuple[int | None, ...] = (None, 1)
        return next((pace for pace in paces if self._agree(tried, wanted, pace)), 0)

    def _agree(self, tried: Sequence[Trial], wanted: Sequence[Tensor], pace: int | None) -> bool:
        """Whether texts that take turns give in pieces the logits that they give as a whole."""
        try:
            return all(
                _near(trial.model, torch.cat(self._in_turns(trial, pace)), logits)
                for trial, logits in zip(tried, wanted, strict=True)
            )
        except Exception:  # noqa: BLE001  # whatever it is, this is no way to feed the model
            return False

    def _in_turns(self, trial: Trial, pace: int | None) -> list[Tensor]:
        found: list[list[Tensor]] = [[] for _ in trial.texts]
        caches: list[Cache | None] = [None for _ in trial.texts]
        for turn in range(len(_CUTS) + 1):
            for n, text in enumerate(trial.texts):
                cuts = sorted({0, len(text), *(cut % len(text) for cut in _CUTS)})
                if turn + 1 < len(cuts):
                    piece = text[cuts[turn] : cuts[turn + 1]]
                    caches[n], logits = self._go_on(trial.model, caches[n], piece, pace)
                    found[n].append(logits)
        return [logits for each in found for logits in each]


def _whole(model: LocalModel, ids: Sequence[int]) -> Tensor:
    logits: Tensor = model.module(_tensor(model, ids), use_cache=False).logits[0]
    return logits


def _near(model: LocalModel, found: Tensor, wanted: Tensor) -> bool:
    gap = (found - wanted).abs().max() / wanted.abs().max()
    return bool(gap <= _TOLERANCE.get(model.dtype, 0.05))


def _tensor(model: LocalModel, ids: Sequence[int]) -> Tensor:
    return torch.tensor([list(ids)], device=model.device)
