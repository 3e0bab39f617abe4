"""The keys and values of many rows, each with a length of its own, for attention models.

An unmodified model of transformers takes it as its cache: the model calls little more than
`update`, as long as it is given positions and a four-dimensional float mask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from composer.engine.memory import ran_out
from composer.engine.rows.row import CacheRow, Saved

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["WHOLE", "KeyValueCache", "View"]

View = tuple[slice, slice, slice] | None

_AT_FIRST, _ON_GPU = (4, 64), (8, 512)  # rows and cells; growing costs a GPU its captured graphs
_CELLS = 64  # rows hold a multiple of this: GPUs read aligned masks faster

WHOLE = slice(None), slice(None), slice(None)
"""A view of all cells."""


class KeyValueCache:
    """For each layer one tensor of keys and one of values, [row, head, position, dim].

    Rows in use come first. The tensors grow when there is no room; `version` counts how often they
    did, since whoever has taken their addresses must then take new ones.
    """

    is_compileable = False  # transformers' word for a cache of one size; some models ask

    def __init__(
        self, device: torch.device, rows: int | None = None, room: int | None = None
    ) -> None:
        self.device = device
        self.live: list[CacheRow] = []
        self.version = 0
        usual = _ON_GPU if device.type == "cuda" else _AT_FIRST
        self._rows, self._room = rows or usual[0], room or usual[1]
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        self._at: dict[torch.device, tuple[Tensor, slice, Tensor]] = {}
        self._view: View = None
        self._before = 0

    def allocate(self) -> CacheRow:
        """Open an empty row after the last."""
        row = CacheRow(len(self.live))
        if row.index == self._rows:
            self._grow((2 * self._rows, self._room), (self._rows + 1, self._room))
        self.live.append(row)
        return row

    def free(self, row: CacheRow, *, wipe: bool = False) -> None:
        """Close a row; the last one moves into its place, so that rows in use come first."""
        last = self.live.pop()
        tables = self._tables
        if last is not row:
            for table in tables:
                table[row.index, :, : last.length] = table[last.index, :, : last.length]
            self.live[row.index] = last
            last.index, row.index = row.index, last.index
        if wipe:  # 0 * NaN is NaN: masked cells that hold NaN would spoil the next row's attention
            for table in tables:
                table[row.index].zero_()
                if last is not row:
                    table[last.index, :, last.length :].zero_()

    def fork(self, row: CacheRow) -> CacheRow:
        """Open a row with a copy of another one's cells."""
        twin = self.allocate()
        twin.adapter = row.adapter
        self.copy(row, twin, row.length)
        return twin

    def rejoin(self, row: CacheRow, source: CacheRow, same: int) -> None:
        """Copy the cells of a source beyond the first `same`, which the row has too."""
        self.copy(source, row, source.length, min(same, row.length))

    def copy(self, source: CacheRow, row: CacheRow, length: int, start: int = 0) -> bool:
        """Copy the first cells of a row, but for those before `start`, into another one."""
        for table in self._tables if start < length else ():
            table[row.index, :, start:length] = table[source.index, :, start:length]
        row.length = length
        return True

    def snapshot(self, row: CacheRow) -> None:
        """Nothing: any row can be cut back to any length."""

    def crop(self, row: CacheRow, length: int) -> int:
        """Crop a row; cells beyond its length are overwritten before they are read again."""
        row.length = min(row.length, length)
        return row.length

    def save(self, row: CacheRow) -> Saved:
        """Copy the cells of a row."""
        cells = [table[row.index, :, : row.length].clone() for table in self._tables]
        size = sum(each.nbytes for each in cells)
        return Saved([(row.length, cells)], size, crops=True)

    def load(self, row: CacheRow, saved: Saved, length: int) -> int:
        """Fill the first cells of a row."""
        row.length = saved.longest(length)
        cells = cast("list[Tensor]", saved.states[-1][1])
        for table, old in zip(self._tables, cells, strict=True):
            table[row.index, :, : row.length] = old[:, : row.length]
        return row.length

    @property
    def _tables(self) -> list[Tensor]:
        return [*self._keys, *self._values]

    @property
    def room(self) -> int:
        """How many tokens a row can hold before the tensors grow."""
        return self._room

    @property
    def most_rows(self) -> int:
        """How many rows there can be before the tensors grow."""
        return self._rows

    def reserve(self, room: int) -> None:
        """Make room for so many tokens in each row."""
        if room > self._room:
            wide = max(-(-room // _CELLS) * _CELLS, 2 * self._room)
            self._grow((self._rows, wide), (self._rows, room))

    def aim(self, index: Tensor, positions: Tensor, reach: int, view: View) -> None:
        """Prepare for a pass whose tokens are written to cells `positions` of rows `index`.

        Both have the tokens' shape [line, token], or one that broadcasts to it. Layers attend to
        `reach` cells of `view`; without a view, to the new keys only, which is enough for rows
        that were empty.
        """
        self.reserve(reach)
        self._at = {positions.device: (index, slice(None), positions)}
        self._view = view
        self._before = reach - positions.shape[1]

    def update(
        self,
        key: Tensor,
        value: Tensor,
        layer: int,
        *_: object,
        **__: object,
    ) -> tuple[Tensor, Tensor]:
        """Write keys and values [line, head, token, dim]; return those to attend to."""
        if layer == len(self._keys):
            self._keys.append(self._empty(key))
            self._values.append(self._empty(value))
        keys, values, at = self._keys[layer], self._values[layer], self._cells(key.device)
        keys[at] = key.transpose(1, 2)
        values[at] = value.transpose(1, 2)
        return (key, value) if self._view is None else (keys[self._view], values[self._view])

    def _cells(self, device: torch.device) -> tuple[Tensor, slice, Tensor]:
        """The cells that the pass writes, as a layer's device knows them; copied once a pass."""
        if device not in self._at:
            index, every, positions = next(iter(self._at.values()))
            self._at[device] = index.to(device), every, positions.to(device)
        return self._at[device]

    def get_seq_length(self, layer: int = 0) -> int:
        """How many cells the pass attends to besides the new ones; some models make masks by it."""
        del layer
        return self._before

    def _empty(self, like: Tensor) -> Tensor:
        _, heads, _, dim = like.shape
        return like.new_zeros(self._rows, heads, self._room, dim)

    def _grow(self, wide: tuple[int, int], least: tuple[int, int]) -> None:
        """Make room for so many rows of so many cells; for the least where memory runs out."""
        try:
            self._widen(*wide)
        except (RuntimeError, MemoryError) as error:
            if wide == least or not ran_out(error):
                raise
            self._widen(*least)

    def _widen(self, rows: int, room: int) -> None:
        # all or nothing: if memory runs out half-way, the old tables must still be there
        keys = [_widened(table, rows, room) for table in self._keys]
        values = [_widened(table, rows, room) for table in self._values]
        self._keys, self._values = keys, values
        self._rows, self._room = rows, room
        self.version += 1


def _widened(table: Tensor, rows: int, room: int) -> Tensor:
    """Copy a table [rows, heads, room, dim] into a larger one."""
    wide = table.new_zeros(rows, table.shape[1], room, table.shape[3])
    wide[: table.shape[0], :, : table.shape[2]] = table
    return wide
