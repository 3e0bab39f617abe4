"""Rows of a model that cannot share a forward pass: each is read alone, with a cache of its own.

Some recurrent models of transformers give wrong logits without an error if a cache that is not
empty reads several tokens at once, or an empty one a single token; some keep one state for all
texts. So each model is tried first. One whose caches never work reads the whole text in each step.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from composer.engine.rows.forward_arguments import cache_name
from composer.engine.rows.row import OpenRows, Saved
from composer.engine.rows.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from transformers import Cache

    from composer.engine.rows.row import CacheRow, Feed
    from composer.engine.weights.local import LocalModel

__all__ = ["SeparateCaches"]

_SNAPSHOTS = 2
_CUTS = 2, 6, 7, -4, -2, -1  # where texts are cut to find out how a cache is fed
_TOLERANCE = {torch.float32: 1e-4}


class SeparateCaches(OpenRows):
    """One cache of transformers for each row, or the whole text in each step where none works.

    `pace` is how many tokens a cache that is not empty reads at once: None for any number, 0 if
    caches do not work.
    """

    def __init__(self, model: LocalModel, tried: Sequence[Trial] = ()) -> None:
        super().__init__()
        self.model = model
        self._name = cache_name(model.module)
        self.pace = self._find_pace(tried or [Trial(model)])
        self._read: dict[CacheRow, list[int]] = {}
        self._caches: dict[CacheRow, Cache | None] = {}
        self._snapshots: dict[CacheRow, list[tuple[int, Cache | None]]] = {}

    def allocate(self) -> CacheRow:
        """Open an empty row."""
        row = super().allocate()
        self._read[row], self._caches[row], self._snapshots[row] = [], None, []
        return row

    def free(self, row: CacheRow, *, wipe: bool = False) -> None:
        """Close a row."""
        super().free(row, wipe=wipe)
        del self._read[row], self._caches[row], self._snapshots[row]

    def fork(self, row: CacheRow) -> CacheRow:
        """Open a copy of a row."""
        cache = copy.deepcopy(self._caches[row])  # first, so that no row is open if memory runs out
        twin = self.twin(row)
        self._read[twin], self._caches[twin] = list(self._read[row]), cache
        twin.length = row.length
        return twin

    def rejoin(self, row: CacheRow, source: CacheRow, same: int) -> None:
        """Copy the cache of a source."""
        del same
        self.copy(source, row, source.length)
        self._snapshots[row] = []

    def copy(self, source: CacheRow, row: CacheRow, length: int) -> bool:
        """Copy the cache of a row, which is that after all of its tokens."""
        if length != source.length:
            return False
        self._caches[row] = copy.deepcopy(self._caches[source])
        self._read[row], row.length = list(self._read[source]), length
        return True

    def snapshot(self, row: CacheRow) -> None:
        """Keep a copy of the present cache; the oldest copies are removed."""
        if self._caches[row] is not None:
            kept = self._snapshots[row][1 - _SNAPSHOTS :]
            self._snapshots[row] = [*kept, (row.length, copy.deepcopy(self._caches[row]))]

    def crop(self, row: CacheRow, length: int) -> int:
        """Go back to the last snapshot of at most this length; return its length.

        Not every cache of transformers can be cropped.
        """
        if length >= row.length:
            return row.length
        kept = self._snapshots[row] = [s for s in self._snapshots[row] if s[0] <= length]
        back, cache = kept[-1] if kept else (length if self.pace == 0 else 0, None)
        self._caches[row] = copy.deepcopy(cache)
        del self._read[row][back:]
        row.length = back
        return back

    def save(self, row: CacheRow) -> Saved:
        """Save nothing: how much memory a cache of transformers takes is not known."""
        del row
        return Saved((), 0)

    def load(self, row: CacheRow, saved: Saved, length: int) -> int:
        """Load nothing."""
        del saved, length
        return row.length

    def forward(self, feeds: Sequence[Feed]) -> Tensor:
        """Read the feeds one after another; return logits [all kept, vocabulary]."""
        before = [(feed.row, feed.row.length) for feed in feeds]
        try:
            return torch.cat([self._feed(feed) for feed in feeds])
        except BaseException:
            for row, length in before:
                self._discard_cache(row, length)
            raise

    def _discard_cache(self, row: CacheRow, length: int) -> None:
        """Drop a cache that has read too much; the first `length` tokens are read again later."""
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
            cache, logits = self._extend(self.model, cache, fresh, self.pace)
            self._caches[row] = cache
        self._read[row] = whole
        row.length = len(whole)
        return logits[len(logits) - len(ids) :][list(feed.keep)]

    def _extend(
        self,
        model: LocalModel,
        cache: Cache | None,
        ids: Sequence[int],
        pace: int | None,
    ) -> tuple[Cache | None, Tensor]:
        """Let a cache, or a new one, read tokens; return it and logits [new token, vocabulary]."""
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
        """Return the fastest pace with which caches give the logits of whole texts."""
        if self._name is None:
            return 0
        expected = [torch.cat([_whole(t.model, text) for text in t.texts]) for t in tried]
        paces: tuple[int | None, ...] = (None, 1)
        return next((pace for pace in paces if self._agree(tried, expected, pace)), 0)

    def _agree(self, tried: Sequence[Trial], expected: Sequence[Tensor], pace: int | None) -> bool:
        """Whether texts that are read in pieces, in turns, give the logits of whole texts."""
        try:
            return all(
                _near(trial.model, torch.cat(self._in_turns(trial, pace)), logits)
                for trial, logits in zip(tried, expected, strict=True)
            )
        except Exception:  # noqa: BLE001  # whatever it is, this is no way to feed the model
            return False

    def _in_turns(self, trial: Trial, pace: int | None) -> list[Tensor]:
        logits_of: list[list[Tensor]] = [[] for _ in trial.texts]
        caches: list[Cache | None] = [None for _ in trial.texts]
        for turn in range(len(_CUTS) + 1):
            for n, text in enumerate(trial.texts):
                cuts = sorted({0, len(text), *(cut % len(text) for cut in _CUTS)})
                if turn + 1 < len(cuts):
                    piece = text[cuts[turn] : cuts[turn + 1]]
                    caches[n], logits = self._extend(trial.model, caches[n], piece, pace)
                    logits_of[n].append(logits)
        return [logits for pieces in logits_of for logits in pieces]


def _whole(model: LocalModel, ids: Sequence[int]) -> Tensor:
    logits: Tensor = model.module(_tensor(model, ids), use_cache=False).logits[0]
    return logits


def _near(model: LocalModel, logits: Tensor, expected: Tensor) -> bool:
    gap = (logits - expected).abs().max() / expected.abs().max()
    return bool(gap <= _TOLERANCE.get(model.dtype, 0.05))


def _tensor(model: LocalModel, ids: Sequence[int]) -> Tensor:
    return torch.tensor([list(ids)], device=model.device)
