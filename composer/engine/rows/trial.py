"""A trial of a cache: whether rows that share passes have the logits of texts that are read alone.

What a model of transformers accepts and how it attends changes from version to version, so no list
of architectures stays right. Each model is tried when it is loaded, with its own weights, and so is
a small copy with windows narrower than the texts.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch

from composer.engine.rows.packed import NotPacked
from composer.engine.rows.row import Feed
from composer.engine.rows.small_copy import narrowed, plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from composer.engine.rows.row import CacheRow, RowCache
    from composer.engine.weights.local import LocalModel

__all__ = ["Trial", "near", "trials"]

_LONG, _SHORT = 12, 7  # tokens of the texts for the model itself
_TOLERANCE = {torch.float32: 1e-4}
_HEAD, _END = 3, 3  # tokens of a text that are read first, and last
_DETOUR = (1, 2, 5, 3)  # of tokens that are read and taken back


def trials(model: LocalModel) -> list[Trial]:
    """Return the trials that a cache must pass, the cheapest first.

    Most is tried with a small copy, so that the model itself needs one short trial only.
    """
    return [Trial(*narrowed(model)), Trial(model, back=False)]


def near(model: LocalModel, logits: Tensor, expected: Tensor) -> bool:
    """Whether logits of a model differ from those expected by rounding alone."""
    gap = (logits - expected).abs().max() / expected.abs().max().clamp(min=1)
    return bool(gap <= _TOLERANCE.get(model.dtype, 0.05))


class Trial:
    """Texts of unlike length; a cache must give the logits at their ends that the model gives.

    With `back`, rows also read other tokens in between, and are cropped back.
    """

    def __init__(
        self, model: LocalModel, lengths: Sequence[int] = (_LONG, _SHORT), *, back: bool = True
    ) -> None:
        self.model = model
        self._back = back
        limit = max(lengths) if model.context is None else model.context - 1
        self.texts = [plain_text(model, min(n, limit), 3 + k) for k, n in enumerate(lengths)]

    @torch.inference_mode()
    def failure(self, way: Callable[[LocalModel], RowCache]) -> str | None:
        """Why a kind of cache does not work for the model; None if it does."""
        try:
            logits, expected = self._in_pieces(way(self.model)), self._alone
        except NotPacked as error:
            return str(error)
        except Exception as error:  # noqa: BLE001  # whatever it is, this is no way to read rows
            return f"its forward pass fails on rows of different lengths ({type(error).__name__})"
        if near(self.model, logits, expected):
            return None
        return "rows of different lengths change each other's logits"

    @cached_property
    def _alone(self) -> Tensor:
        """Logits [2, text, vocabulary] after the last two tokens of texts; the first text twice."""
        ends = [self._ending(text) for text in self.texts]
        return torch.stack([*ends, ends[0]], 1)

    def _ending(self, text: Sequence[int]) -> Tensor:
        ids = torch.tensor([list(text)], device=self.model.device)
        logits: Tensor = self.model.module(ids, use_cache=False).logits[0, -2:]
        return logits

    def _in_pieces(self, table: RowCache) -> Tensor:
        """The same by a cache: texts in uneven pieces, cropped back, and a fork of the first."""
        rows = [table.allocate() for _ in self.texts]
        pairs = list(zip(rows, self.texts, strict=True))
        table.forward([Feed(row, text[: _HEAD - n % 2], ()) for n, (row, text) in enumerate(pairs)])
        self._detour(table, rows)
        table.forward([Feed(row, text[row.length : -_END], ()) for row, text in pairs])
        self._detour(table, rows)
        pairs = [*pairs, (table.fork(rows[0]), self.texts[0])]
        logits = []
        for left in (1, 0):
            feeds = [Feed(row, text[row.length : len(text) - left], ()) for row, text in pairs]
            for feed in feeds:
                feed.keep = [len(feed.ids) - 1]
            logits.append(table.forward(feeds))
        return torch.stack(logits)

    def _detour(self, table: RowCache, rows: Sequence[CacheRow]) -> None:
        """Let rows read other tokens and crop them back, if the trial is to do so."""
        if not self._back:
            return
        lengths = [row.length for row in rows]
        for row in rows:
            table.snapshot(row)
        table.forward([Feed(row, _DETOUR[n % 2 :], ()) for n, row in enumerate(rows)])
        for row, length in zip(rows, lengths, strict=True):
            table.crop(row, length)
