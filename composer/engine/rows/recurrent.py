"""The states of many rows for RWKV, a recurrent model: each token changes a state of fixed size."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch

from composer.engine.rows.row import CacheRow, Saved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.rows.row import Feed
    from composer.engine.weights.local import LocalModel

__all__ = ["RecurrentStates"]

_SNAPSHOTS = 4
_MAX_STATE = 4  # the running maximum, which begins at minus infinity
_SHIFTED = 2  # states that hold the last token's hidden vector


class RecurrentStates:
    """Five state tensors [layer, row, hidden], gathered for a forward pass and put back after it.

    A state cannot be cropped: a row goes back to a snapshot, and later tokens are read again.
    """

    def __init__(self, model: LocalModel, rows: int = 4) -> None:
        self.model = model
        self.live: list[CacheRow] = []
        self._snapshots: dict[CacheRow, list[tuple[int, list[Tensor]]]] = {}
        self._prompts: dict[CacheRow, tuple[int, list[Tensor]]] = {}
        config = model.config
        widths = [config.hidden_size] * _SHIFTED + [config.attention_hidden_size] * 3
        self._state = [self._fresh(rows, width, kind) for kind, width in enumerate(widths)]

    def allocate(self) -> CacheRow:
        """Open a row that has read nothing."""
        row = CacheRow(len(self.live))
        if row.index == self._state[0].shape[1]:
            self._state = [
                torch.cat((s, self._fresh(row.index, s.shape[2], kind)), 1)
                for kind, s in enumerate(self._state)
            ]
        self.live.append(row)
        self._snapshots[row] = []
        self._reset(row)
        return row

    def free(self, row: CacheRow, *, wipe: bool = False) -> None:
        """Close a row; the last one moves into its place."""
        del wipe  # join resets
        last = self.live.pop()
        if last is not row:
            for state in self._state:
                state[:, row.index] = state[:, last.index]
            self.live[row.index] = last
            last.index, row.index = row.index, last.index
        del self._snapshots[row]
        self._prompts.pop(row, None)

    def fork(self, row: CacheRow) -> CacheRow:
        """Open a copy of a row, with its snapshots."""
        twin = self.allocate()
        twin.adapter = row.adapter
        self.rejoin(twin, row, 0)
        return twin

    def rejoin(self, row: CacheRow, source: CacheRow, same: int) -> None:
        """Copy the state of a source, with its snapshots."""
        del same
        self.copy(source, row, source.length)
        self._snapshots[row] = list(self._snapshots[source])

    def copy(self, source: CacheRow, row: CacheRow, length: int) -> bool:
        """Copy the state of a row, which is that after all of its tokens."""
        if length != source.length:
            return False
        for state in self._state:
            state[:, row.index] = state[:, source.index]
        row.length = length
        self._prompts.pop(row, None)
        return True

    def snapshot(self, row: CacheRow) -> None:
        """Keep a copy of the present state; the oldest copies are removed."""
        taken = row.length, self._copied(row)
        self._snapshots[row] = [*self._snapshots[row][1 - _SNAPSHOTS :], taken]

    def _copied(self, row: CacheRow) -> list[Tensor]:
        return [state[:, row.index].clone() for state in self._state]

    def crop(self, row: CacheRow, length: int) -> int:
        """Go back to the last snapshot of at most this length; return its length."""
        if length >= row.length:
            return row.length
        if row in self._prompts and self._prompts[row][0] > length:
            del self._prompts[row]
        kept = self._snapshots[row] = [s for s in self._snapshots[row] if s[0] <= length]
        self._reset(row)
        if kept:
            row.length, taken = kept[-1]
            for state, old in zip(self._state, taken, strict=True):
                state[:, row.index] = old
        return row.length

    def save(self, row: CacheRow) -> Saved:
        """Copy the present state of a row, with that after its prompt."""
        taken = [(row.length, self._copied(row))]
        if row in self._prompts:
            taken.insert(0, self._prompts[row])
        return Saved(taken, sum(each.nbytes for _, states in taken for each in states))

    def load(self, row: CacheRow, saved: Saved, length: int) -> int:
        """Put the longest state into a row that has read no more than these tokens."""
        best = saved.longest(length)
        for held, states in saved.states:
            if best and held == best:
                for state, old in zip(self._state, cast("list[Tensor]", states), strict=True):
                    state[:, row.index] = old
        row.length = best
        return best

    def forward(self, feeds: Sequence[Feed]) -> Tensor:
        """Read the feeds: in rounds, each up to the next end of a feed, by the rows that go on.

        Returns logits [all kept, vocabulary] in the order of feeds.
        """
        order = sorted(range(len(feeds)), key=lambda n: -len(feeds[n].ids))
        rows = [feeds[n].row for n in order]
        state, start = self._take(rows), 0
        kept: dict[tuple[int, int], Tensor] = {}
        for end in sorted({len(feed.ids) for feed in feeds}):
            going = [n for n in order if len(feeds[n].ids) >= end]
            lines = [(n, feeds[n]) for n in going]
            kept |= self._read(lines, [s[:, : len(going)] for s in state], start, end)
            start = end
        self._put(rows, state)
        for feed in feeds:
            feed.row.length += len(feed.ids)
            if len(feed.ids) > 1:  # a prompt, which other rows may begin with
                self._prompts[feed.row] = feed.row.length, self._copied(feed.row)
        wanted = [kept[n, k] for n, feed in enumerate(feeds) for k in feed.keep]
        return torch.stack(wanted) if wanted else self._state[0].new_empty(0, 0)

    def _read(
        self, lines: Sequence[tuple[int, Feed]], state: list[Tensor], start: int, end: int
    ) -> dict[tuple[int, int], Tensor]:
        """Read tokens start..end of some feeds; return logits by feed and place, where wanted."""
        ids = torch.tensor([feed.ids[start:end] for _, feed in lines], device=self.model.device)
        views = [_Layers(s, one=end - start == 1 and i < _SHIFTED) for i, s in enumerate(state)]
        hidden = self.model.module.rwkv(input_ids=ids, state=views, use_cache=True)[0]
        names = [
            (n, k, line) for line, (n, f) in enumerate(lines) for k in f.keep if start <= k < end
        ]
        if not names:
            return {}
        at = torch.tensor([(line, k - start) for _, k, line in names], device=self.model.device)
        logits = self.model.module.head(hidden[at[:, 0], at[:, 1]])
        return {(n, k): row for (n, k, _), row in zip(names, logits, strict=True)}

    def _take(self, rows: Sequence[CacheRow]) -> list[Tensor]:
        index = torch.tensor([row.index for row in rows], device=self.model.device)
        return [state[:, index] for state in self._state]

    def _put(self, rows: Sequence[CacheRow], taken: list[Tensor]) -> None:
        index = torch.tensor([row.index for row in rows], device=self.model.device)
        for state, new in zip(self._state, taken, strict=True):
            state[:, index] = new

    def _reset(self, row: CacheRow) -> None:
        for kind, state in enumerate(self._state):
            state[:, row.index] = -1e30 if kind == _MAX_STATE else 0.0
        row.length = 0

    def _fresh(self, rows: int, width: int, kind: int) -> Tensor:
        layers = self.model.config.num_hidden_layers
        fill = -1e30 if kind == _MAX_STATE else 0.0
        # float32 for any type of weights: the recurrence is computed in float32
        dtype = self.model.dtype if kind < _SHIFTED else torch.float32
        return torch.full((layers, rows, width), fill, dtype=dtype, device=self.model.device)


class _Layers:
    """Rows' states as RWKV indexes them, `[:, :, layer]`.

    transformers adds a one-token hidden [row, 1, hidden] to a state [row, hidden], which
    broadcasts over rows: `one` hands the state over with the missing dimension.
    """

    def __init__(self, state: Tensor, *, one: bool) -> None:
        self.state, self.one = state, one

    def __getitem__(self, at: tuple[slice, slice, int]) -> Tensor:
        layer = self.state[at[2]]
        return layer[:, None] if self.one else layer

    def __setitem__(self, at: tuple[slice, slice, int], new: Tensor) -> None:
        self.state[at[2]] = new
