"""Decode passes of fixed shapes: one token in each of the first rows, at places on the device.

All numbers that change from step to step are tensors, so a pass does the same work each time and
waits for nothing: a CUDA graph can hold it. Rows that have no token to read take part with any
token behind their last one, in a cell that their next token overwrites before it is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from composer.engine.rows.kv_cache import WHOLE
from composer.engine.rows.packed import packed
from composer.engine.rows.packing import Packing

if TYPE_CHECKING:
    from torch import Tensor

    from composer.engine.rows.attention import BatchedAttention

__all__ = ["fixed_pass"]


def fixed_pass(rows: BatchedAttention, ids: Tensor, positions: Tensor, reach: int) -> Tensor:
    """Read `ids` [row] at `positions` [row] of the first rows; return logits [row, vocabulary].

    All positions of rows that count are below `reach`, the number of cells that each row attends
    to; the cache must have room for them (`KeyValueCache.reserve`). No row's length changes.
    """
    limit = rows.model.context
    shown = positions if limit is None else positions.clamp(max=limit - 1)
    index = torch.arange(len(ids), device=ids.device)
    if rows.packs:
        plan = Packing.fixed(reach, positions)
        rows.aim(index[None], positions[None], reach, WHOLE)
        with packed(rows.model.config, plan):
            return rows.call(ids[None], shown[None], None, None)[0]
    view = slice(len(ids)), slice(None), slice(reach)
    rows.aim(index[:, None], positions[:, None], reach, view)
    masks = rows.masks(positions[:, None], reach)
    return rows.call(ids[:, None], shown[:, None], masks, None)[:, 0]
