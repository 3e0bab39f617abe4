"""Forward passes of an attention model: which rows share one, their positions and masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from composer.engine.rows.decode_pass import DecodePass
from composer.engine.rows.forward_arguments import cache_name, takes_rows_to_keep
from composer.engine.rows.kv_cache import WHOLE, KeyValueCache
from composer.engine.rows.output_layer import head_of, projecting
from composer.engine.rows.packed import NotPacked, packed
from composer.engine.rows.packing import Packing
from composer.engine.rows.row import GAP, Feed, group_adjacent, group_by_length, split_by_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from composer.engine.rows.kv_cache import View
    from composer.engine.rows.row import CacheRow
    from composer.engine.weights.local import LocalModel

__all__ = ["BatchedAttention"]

_SHORT = 4  # tokens a row up to which padding beats a pass of its own
_WASTE = 1.3  # padded tokens for each real one, among new rows
_AT_ONCE = 4096  # tokens in one pass


class BatchedAttention(KeyValueCache):
    """The cache of an attention model, and the forward passes that fill it.

    With `packs`, passes have no padding, which needs layers that take our attention function; else
    they are padded. With `direct`, passes of single tokens are computed by `DecodePass`.
    """

    def __init__(self, model: LocalModel, *, packs: bool, direct: bool = False) -> None:
        super().__init__(model.device)
        self.model = model
        self.packs = packs
        self._limit = model.context
        self._shown = torch.zeros((), dtype=model.dtype, device=model.device)
        self._hidden = torch.full_like(self._shown, torch.finfo(model.dtype).min)
        types = set(getattr(model.config, "layer_types", None) or ())
        self._window: int | None = getattr(model.config, "sliding_window", None)
        self._layered = "sliding_attention" in types
        if types and not self._layered:
            self._window = None
        self._windows = {self._window, None} if "full_attention" in types else {self._window}
        self._name = cache_name(model.module)
        self._takes_keep = takes_rows_to_keep(model.module)
        self._head = head_of(model.module)
        self._wants_direct = direct and not self._layered
        self.take_weights()

    def take_weights(self) -> None:
        """Take the model's weights where they lie now: at first, and when they were moved."""
        self._direct = DecodePass.of(self.model.module) if self._wants_direct else None

    def forward(self, feeds: Sequence[Feed]) -> Tensor:
        """Read the feeds in as few passes as possible; return logits [all kept, vocabulary].

        If it raises, all rows have their length of before.
        """
        batches = list(self._batches(feeds))
        # single tokens need no packing, unless idle rows lie between theirs
        packs = self.packs and (
            len(batches) > 1
            or any(len(feed.ids) > 1 for feed in feeds)
            or any(map(_idle_rows, batches))
        )
        if packs:
            batches = list(split_by_tokens(feeds, _AT_ONCE))
        before = [(feed.row, feed.row.length) for feed in feeds]
        try:
            outputs = [self._forward(batch, packs=packs) for batch in batches]
        except BaseException:
            for row, length in before:
                row.length = length
            raise
        fed = [feed for batch in batches for feed in batch]
        if all(a is b for a, b in zip(fed, feeds, strict=True)):
            return outputs[0] if len(outputs) == 1 else torch.cat(outputs)
        return torch.cat(outputs)[self._order(feeds, fed)]

    def _order(self, feeds: Sequence[Feed], fed: Sequence[Feed]) -> Tensor:
        """The place of each feed's logits among those of all passes."""
        starts: dict[int, int] = {}
        total = 0
        for feed in fed:
            starts[id(feed)] = total
            total += len(feed.keep)
        return self.upload([starts[id(feed)] + k for feed in feeds for k in range(len(feed.keep))])

    def _batches(self, feeds: Sequence[Feed]) -> Iterator[list[Feed]]:
        """Batches for padded passes: new rows of like length, and adjacent rows with few tokens."""
        new = [feed for feed in feeds if not feed.row.length and len(feed.ids) > _SHORT]
        yield from group_by_length(sorted(new, key=lambda feed: len(feed.ids)), _WASTE, _AT_ONCE)
        old = [feed for feed in feeds if feed.row.length or len(feed.ids) <= _SHORT]
        short = sorted((f for f in old if len(f.ids) <= _SHORT), key=lambda f: f.row.index)
        yield from group_adjacent(short, GAP)
        yield from ([feed] for feed in old if len(feed.ids) > _SHORT)

    def _forward(self, batch: Sequence[Feed], *, packs: bool) -> Tensor:
        """One pass; logits [all kept, vocabulary] in the batch's order."""
        logits = self._packed(batch) if packs else self._padded(batch)
        for feed in batch:  # now, since the next pass may include this row as an idle one
            feed.row.length += len(feed.ids)
        return logits

    def _packed(self, batch: Sequence[Feed]) -> Tensor:
        """Run a pass without padding: all tokens in one line [1, tokens]."""
        plan = Packing(batch)
        values, kept = plan.values(), plan.kept(batch)
        every = kept == list(range(plan.total))
        flat = self.upload(values if every else [*values, *kept])
        ids, positions, rows = plan.bind(flat[: len(values)])[:, None]
        self.aim(rows, positions, max(group.reach for group in plan.groups), WHOLE)
        lines = [feed.row.adapter for feed in plan.order for _ in feed.ids]
        with self.model.adapters.use(lines), packed(self.model.config, plan):
            logits = self.call(ids, positions, None, None if every else flat[len(values) :])
        if plan.windows != self._windows:
            raise NotPacked(_missed(plan.windows))
        return logits[0]

    def _padded(self, batch: Sequence[Feed]) -> Tensor:
        """Run a padded pass over the rows of a batch and the idle rows between them."""
        lines = self._lines(batch)
        width = max(len(feed.ids) for feed in lines)
        most = max(1, *(len(feed.keep) for feed in lines))
        rows = [feed.row for feed in lines]
        flat = self.upload(
            [
                *(token for f in lines for token in (*f.ids, *[0] * (width - len(f.ids)))),
                *(row.length + n for row in rows for n in range(width)),
                *(row.index for row in rows),
                *(k for f in lines for k in (*f.keep, *[0] * (most - len(f.keep)))),
            ]
        )
        count = len(lines) * width
        ids, positions = flat[: 2 * count].view(2, len(lines), width)
        index, keep = flat[2 * count : 2 * count + len(lines)], flat[2 * count + len(lines) :]
        longest = max(row.length for row in rows)
        view: View = (slice(rows[0].index, rows[-1].index + 1), slice(None), slice(longest + width))
        self.aim(index[:, None], positions, longest + width, view if longest else None)
        if self._limit is not None and longest + width > self._limit:
            positions = positions.clamp(max=self._limit - 1)
        if width == 1 and self._decodes:
            logits = self._decode(ids, positions, rows)
        else:
            masks = self.masks(positions, longest + width)
            with self.model.adapters.use(_adapters(lines)):
                logits = self.call(
                    ids, positions, masks, keep.view(len(lines), most) if width > 1 else None
                )
        if all(len(feed.keep) == 1 for feed in lines):
            return logits[:, 0]
        at = [n * most + c for n, feed in enumerate(lines) for c in range(len(feed.keep))]
        return logits.flatten(0, 1)[self.upload(at)]

    @property
    def _decodes(self) -> bool:
        """Whether single tokens are read by `DecodePass`: nothing changes what layers compute."""
        return self._direct is not None and not self._direct.changed

    def _decode(self, ids: Tensor, positions: Tensor, rows: Sequence[CacheRow]) -> Tensor:
        """Logits [row, 1, vocabulary] after one more token in each of some rows."""
        assert self._direct is not None
        lengths = {row.length for row in rows}
        reach = max(lengths) + 1
        near = not self._window or reach <= self._window
        mask = None if near and len(lengths) == 1 else self.masks(positions, reach)
        assert not isinstance(mask, dict)
        return self._direct(ids, positions, mask, self)[:, None]

    def _lines(self, batch: Sequence[Feed]) -> list[Feed]:
        """The batch, with an empty feed for each idle row between its rows."""
        if not any(feed.row.length for feed in batch):
            return list(batch)
        fed = {feed.row.index: feed for feed in batch}
        return [
            fed.get(index) or Feed(self.live[index], (), ())
            for index in range(min(fed), max(fed) + 1)
        ]

    def call(
        self,
        ids: Tensor,
        positions: Tensor,
        mask: Tensor | dict[str, Tensor] | None,
        keep: Tensor | None,
    ) -> Tensor:
        """Call the model; return logits [line, kept, vocabulary] of tokens [line, token].

        `keep` [n] or [line, n] are the places after which logits are wanted; None for all.
        """
        assert self._name is not None
        # an adapter of the head needs all tokens of a packed line, to know whose each one is
        whole = self.model.adapters.heads and keep is not None and keep.ndim == 1
        inside = keep is not None and self._takes_keep and not whole
        with projecting(self._head):
            out = self.model.module(
                input_ids=ids,
                position_ids=positions,
                attention_mask=mask,
                use_cache=True,
                **{self._name: self},
                **({"logits_to_keep": keep} if inside else {}),
            )
        logits: Tensor = out.logits
        if inside or keep is None:
            return logits
        return logits[:, keep] if keep.ndim == 1 else logits.take_along_dim(keep[..., None], 1)

    def masks(self, positions: Tensor, reach: int) -> Tensor | dict[str, Tensor]:
        """Attention masks [row, 1, width, reach], floats; one for each kind of layer."""
        cells = torch.arange(reach, device=self.device)
        here = positions[:, None, :, None]
        seen = cells <= here
        near = seen & (cells > here - self._window) if self._window else seen
        # never a boolean: eager attention adds it to the scores
        if self._layered:
            full, sliding = (torch.where(part, self._shown, self._hidden) for part in (seen, near))
            return {"full_attention": full, "sliding_attention": sliding}
        return torch.where(near, self._shown, self._hidden)

    def upload(self, values: Sequence[int]) -> Tensor:
        """Copy integers to the model's device without waiting for it."""
        if self.device.type != "cuda":
            return torch.tensor(values, dtype=torch.long, device=self.device)
        pinned = torch.tensor(values, dtype=torch.long, pin_memory=True)
        return pinned.to(self.device, non_blocking=True)


def _adapters(lines: Sequence[Feed]) -> list[int]:
    """The adapter of each line; an idle row has one of those that read, which costs nothing."""
    some = next(feed.row.adapter for feed in lines if feed.ids)
    return [feed.row.adapter if feed.ids else some for feed in lines]


def _idle_rows(batch: Sequence[Feed]) -> int:
    """How many rows lie between those of a batch that is sorted by their places."""
    return batch[-1].row.index - batch[0].row.index + 1 - len(batch)


def _missed(windows: set[int | None]) -> str:
    """Why a pass was not packed, by the attention windows that layers used."""
    if windows:
        return "its layers do not use the windows of its configuration"
    return "its layers do not accept another attention function"
