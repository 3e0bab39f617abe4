"""Ticks of an attention model: which rows share a forward pass, their positions and mask."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import torch

from composer.models.rows import Feed
from composer.models.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from composer.models.local import LocalModel

__all__ = ["Attention"]

_SHORT = 4  # tokens a row up to which padding beats a pass of its own
_GAP = 4  # idle rows that are cheaper to carry along than to go around
_WASTE = 1.3  # padded tokens for each real one, among new rows
_AT_ONCE = 4096  # tokens in one pass


class Attention(Slots):
    """Slots of one model, and the forward passes that fill them."""

    def __init__(self, model: LocalModel) -> None:
        super().__init__(model.device)
        self.model = model
        self._limit = model.context
        self._shown = torch.zeros((), dtype=model.dtype, device=model.device)
        self._hidden = torch.full_like(self._shown, torch.finfo(model.dtype).min)
        types = set(getattr(model.config, "layer_types", None) or ())
        self._window: int | None = getattr(model.config, "sliding_window", None)
        self._layered = "sliding_attention" in types
        if types and not self._layered:
            self._window = None
        takes = inspect.signature(model.module.forward).parameters
        self._takes_keep = "logits_to_keep" in takes and _keeps_by_row()

    def step(self, feeds: Sequence[Feed]) -> Tensor:
        """Feed rows, in as few passes as their lengths allow; logits [all kept, vocabulary]."""
        batches = list(self._batches(feeds))
        before = [(feed.row, feed.row.length) for feed in feeds]
        try:
            done = [self._forward(batch) for batch in batches]
        except BaseException:
            for row, length in before:
                row.length = length
            raise
        if len(batches) == 1 and len(batches[0]) == len(feeds):
            order = {id(feed): n for n, feed in enumerate(batches[0])}
            if all(order[id(feed)] == n for n, feed in enumerate(feeds)):
                return done[0]
        return torch.cat(done)[self._order(feeds, batches)]

    def _order(self, feeds: Sequence[Feed], batches: Sequence[Sequence[Feed]]) -> Tensor:
        """Where in the batches' logits each of the feeds' lies."""
        starts: dict[int, int] = {}
        total = 0
        for feed in (feed for batch in batches for feed in batch):
            starts[id(feed)] = total
            total += len(feed.keep)
        order = [starts[id(feed)] + k for feed in feeds for k in range(len(feed.keep))]
        return torch.tensor(order, dtype=torch.long, device=self.device)

    def _batches(self, feeds: Sequence[Feed]) -> Iterator[list[Feed]]:
        """Share passes among new rows of like length, and among neighbours that feed little."""
        new = [feed for feed in feeds if not feed.row.length and len(feed.ids) > _SHORT]
        yield from _alike(sorted(new, key=lambda feed: len(feed.ids)))
        old = [feed for feed in feeds if feed.row.length or len(feed.ids) <= _SHORT]
        short = sorted((f for f in old if len(f.ids) <= _SHORT), key=lambda f: f.row.index)
        yield from _neighbours(short)
        yield from ([feed] for feed in old if len(feed.ids) > _SHORT)

    def _forward(self, batch: Sequence[Feed]) -> Tensor:
        """One pass; logits [all kept, vocabulary] in the batch's order."""
        lines = self._lines(batch)
        width = max(len(feed.ids) for feed in lines)
        rows = [feed.row for feed in lines]
        ids = [[*feed.ids, *[0] * (width - len(feed.ids))] for feed in lines]
        positions = self.aim(rows, width)
        reach = max(row.length for row in rows) + width
        keep = [list(feed.keep) for feed in lines]
        logits = self._call(torch.tensor(ids, device=self.device), positions, reach, keep)
        for feed in batch:  # at once: the next pass may carry this row along as an idle one
            feed.row.length += len(feed.ids)
        if all(len(k) == 1 for k in keep):
            return logits[:, 0]
        at = [(n, c) for n, k in enumerate(keep) for c in range(len(k))]
        index = torch.tensor(at, dtype=torch.long, device=self.device).view(-1, 2)
        return logits[index[:, 0], index[:, 1]]

    def _lines(self, batch: Sequence[Feed]) -> list[Feed]:
        """The batch with the idle rows that lie between its rows."""
        if not any(feed.row.length for feed in batch):
            return list(batch)
        fed = {feed.row.index: feed for feed in batch}
        return [
            fed.get(index) or Feed(self.live[index], (), ())
            for index in range(min(fed), max(fed) + 1)
        ]

    def _call(self, ids: Tensor, positions: Tensor, reach: int, keep: list[list[int]]) -> Tensor:
        """Logits [row, kept, vocabulary] of tokens [row, width] that may look at `reach` cells."""
        shown = positions if self._limit is None else positions.clamp(max=self._limit - 1)
        index = self._index(keep) if ids.shape[1] > 1 else None
        inside = index is not None and self._takes_keep
        out = self.model.module(
            input_ids=ids,
            position_ids=shown,
            attention_mask=self._masks(positions, reach),
            past_key_values=self,
            use_cache=True,
            **({"logits_to_keep": index} if inside else {}),
        )
        logits: Tensor = out.logits
        return logits if inside or index is None else logits.take_along_dim(index[..., None], 1)

    def _index(self, keep: list[list[int]]) -> Tensor:
        """Positions wanted of each row [row, n], padded with 0."""
        most = max(1, *(len(k) for k in keep))
        return torch.tensor([[*k, *[0] * (most - len(k))] for k in keep], device=self.device)

    def _masks(self, positions: Tensor, reach: int) -> Tensor | dict[str, Tensor]:
        """What each token may look at: [row, 1, width, reach] floats, per kind of layer."""
        cells = torch.arange(reach, device=self.device)
        here = positions[:, None, :, None]
        seen = cells <= here
        near = seen & (cells > here - self._window) if self._window else seen
        # never a boolean: eager attention adds it to the scores
        if self._layered:
            full, sliding = (torch.where(part, self._shown, self._hidden) for part in (seen, near))
            return {"full_attention": full, "sliding_attention": sliding}
        return torch.where(near, self._shown, self._hidden)


def _alike(feeds: Sequence[Feed]) -> Iterator[list[Feed]]:
    """Cut feeds, shortest first, where a longer one would waste too much padding."""
    batch: list[Feed] = []
    for feed in feeds:
        width, real = len(feed.ids), sum(len(f.ids) for f in batch) + len(feed.ids)
        padded = width * (len(batch) + 1)
        if batch and (padded > _WASTE * real or padded > _AT_ONCE):
            yield batch
            batch = []
        batch.append(feed)
    if batch:
        yield batch


def _neighbours(feeds: Sequence[Feed]) -> Iterator[list[Feed]]:
    """Cut feeds, by place in the table, where many idle rows lie between two of them."""
    batch: list[Feed] = []
    for feed in feeds:
        if batch and feed.row.index - batch[-1].row.index > _GAP:
            yield batch
            batch = []
        batch.append(feed)
    if batch:
        yield batch


def _keeps_by_row() -> bool:
    """Whether this transformers takes positions [row, n] in `logits_to_keep`."""
    from transformers import modeling_utils

    return hasattr(modeling_utils, "slice_logits_to_keep")
