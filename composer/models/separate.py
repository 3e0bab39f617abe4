"""Rows of a model that cannot share a forward pass: each is read alone, with a stock cache."""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING, Any

import torch

from composer.models.rows import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.models.local import LocalModel
    from composer.models.rows import Feed

__all__ = ["Separate"]


class Separate:
    """A cache of transformers a row; the whole text again where the model takes no such cache."""

    def __init__(self, model: LocalModel) -> None:
        self.model = model
        self.live: list[Row] = []
        takes = inspect.signature(model.module.forward).parameters
        self._cached = "past_key_values" in takes
        self._read: dict[Row, list[int]] = {}
        self._caches: dict[Row, Any] = {}

    def join(self) -> Row:
        """Open an empty row."""
        row = Row(len(self.live))
        self.live.append(row)
        self._read[row], self._caches[row] = [], None
        return row

    def leave(self, row: Row, *, wipe: bool = False) -> None:  # noqa: ARG002
        """Close a row."""
        last = self.live.pop()
        if last is not row:
            self.live[row.index] = last
            last.index = row.index
        del self._read[row], self._caches[row]

    def fork(self, row: Row) -> Row:
        """Open a row that holds what another one does."""
        other = self.join()
        self._read[other] = list(self._read[row])
        self._caches[other] = copy.deepcopy(self._caches[row])
        other.length = row.length
        return other

    def mark(self, row: Row) -> None:
        """Nothing."""

    def crop(self, row: Row, length: int) -> int:
        """Begin again: not every stock cache can be cut back."""
        if length < row.length:
            self._read[row], self._caches[row], row.length = [], None, 0
        return row.length

    def step(self, feeds: Sequence[Feed]) -> Tensor:
        """Feed rows one after another; logits [all kept, vocabulary]."""
        kept = [self._feed(feed) for feed in feeds]
        return torch.cat(kept)

    def _feed(self, feed: Feed) -> Tensor:
        row = feed.row
        logits = self._with_cache(row, feed.ids) if self._cached else self._again(row, feed.ids)
        self._read[row].extend(feed.ids)
        row.length += len(feed.ids)
        return logits[list(feed.keep)]

    def _with_cache(self, row: Row, ids: Sequence[int]) -> Tensor:
        """Logits [new tokens, vocabulary] by the row's cache, which a failed step gives up."""
        from transformers import DynamicCache

        new = len(ids)
        cache, self._caches[row] = self._caches[row], None
        if cache is None:
            cache, ids = DynamicCache(config=self.model.config), [*self._read[row], *ids]
        out = self.model.module(self._tensor(ids), past_key_values=cache, use_cache=True)
        self._caches[row] = cache
        logits: Tensor = out.logits[0, -new:]
        return logits

    def _again(self, row: Row, ids: Sequence[int]) -> Tensor:
        out = self.model.module(self._tensor([*self._read[row], *ids]), use_cache=False)
        logits: Tensor = out.logits[0, -len(ids) :]
        return logits

    def _tensor(self, ids: Sequence[int]) -> Tensor:
        return torch.tensor([list(ids)], device=self.model.device)
