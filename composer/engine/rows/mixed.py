"""Rows of unlike adapters: whether they can share a forward pass, and how they are read apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from composer.engine.rows.row import Feed
from composer.engine.rows.small_copy import plain_text
from composer.engine.rows.trial import near
from composer.engine.weights.adapters import NONE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from composer.engine.rows.row import RowCache
    from composer.engine.weights.adapters import Adapters
    from composer.engine.weights.local import LocalModel

__all__ = ["mixes", "one_by_one"]

_LENGTHS = 9, 5


@torch.inference_mode()
def mixes(model: LocalModel, rows: RowCache, number: int) -> bool:
    """Say whether rows with an adapter and without one, read together, are as if read alone.

    Layers that are not given all tokens in the order of the rows, such as experts, do not allow it.
    """
    texts = [plain_text(model, length) for length in _LENGTHS]
    pairs = list(zip((number, NONE), texts, strict=True))
    alone = torch.stack([_alone(model, *pair) for pair in pairs])
    try:
        together = _together(rows, pairs)
    except Exception:  # noqa: BLE001  # whatever it is, the rows are read apart
        return False
    return near(model, together, alone)


def _alone(model: LocalModel, number: int, text: Sequence[int]) -> Tensor:
    ids = torch.tensor([list(text)], device=model.device)
    with model.adapters.use([number]):
        logits: Tensor = model.module(ids, use_cache=False).logits[0, -1]
    return logits


def _together(rows: RowCache, pairs: Sequence[tuple[int, Sequence[int]]]) -> Tensor:
    """Logits [row, vocabulary] after texts, of which the last token is read in another pass."""
    opened = [rows.allocate() for _ in pairs]
    try:
        for row, (number, _) in zip(opened, pairs, strict=True):
            row.adapter = number
        texts = [text for _, text in pairs]
        rows.forward([Feed(row, text[:-1], ()) for row, text in zip(opened, texts, strict=True)])
        return rows.forward(
            [Feed(row, text[-1:], (0,)) for row, text in zip(opened, texts, strict=True)]
        )
    finally:
        for row in reversed(opened):
            rows.free(row)


def one_by_one(
    adapters: Adapters, feeds: Sequence[Feed], read: Callable[[Sequence[Feed]], Tensor]
) -> Tensor:
    """Read the feeds of each adapter in passes of their own; return outputs in the feeds' order."""
    outputs: dict[int, Tensor] = {}
    for number in sorted({feed.row.adapter for feed in feeds}):
        some = [feed for feed in feeds if feed.row.adapter == number]
        with adapters.use([number]):
            parts = torch.split(read(some), [len(feed.keep) for feed in some])
        outputs |= {id(feed): part for feed, part in zip(some, parts, strict=True)}
    return torch.cat([outputs[id(feed)] for feed in feeds])
