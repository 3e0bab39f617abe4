"""A trial of a way to read rows: whether logits are those of whole texts that are read alone.

What a model of transformers takes and how it attends changes from version to version, so that no
list of architectures stays right. Each model is tried when it is loaded, with its own weights.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch

from composer.models.rows import Feed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from composer.models.local import LocalModel
    from composer.models.rows import Rows

__all__ = ["Trial"]

_LONG, _SHORT = 12, 7  # tokens of the two texts
_NEAR = 64  # tokens of a window of our own masks up to which the longer text goes beyond it
_WIDE = 512  # the same of a window that a model masks by itself; wider ones cannot be tried
_TOLERANCE = {torch.float32: 1e-4}


class Trial:
    """Two texts of unlike length, and what a model says at their ends."""

    def __init__(self, model: LocalModel) -> None:
        self._model = model
        self._own = max(_own_windows(model), default=0)
        masked = getattr(model.config, "sliding_window", None) or 0
        long = max(_LONG, self._own + 5, masked + 5 if masked <= _NEAR else 0)
        lengths = min(long, model.context or long), _SHORT
        words = len(model.vocabulary)
        self._texts = [[(7 * n + 3) % words for n in range(length)] for length in lengths]

    @torch.inference_mode()
    def failure(self, way: Callable[[], Rows]) -> str | None:
        """Why rows are not to be read in a way; None if they may be."""
        if self._own > _WIDE:
            return f"its windows of {self._own} tokens are too wide to try out"
        try:
            found, wanted = self._in_pieces(way()), self._alone
        except Exception as error:  # noqa: BLE001  # whatever it is, this is no way to read rows
            return f"its forward pass refuses rows of unlike length ({type(error).__name__})"
        gap = (found - wanted).abs().max().item() / max(1.0, wanted.abs().max().item())
        bound = _TOLERANCE.get(self._model.dtype, 0.05)
        return None if gap <= bound else "rows of unlike length change each other's logits"

    @cached_property
    def _alone(self) -> Tensor:
        """Logits after the last token but one and the last [2 tokens, 2 texts, vocabulary]."""
        return torch.stack([self._ending(text) for text in self._texts], 1)

    def _ending(self, text: Sequence[int]) -> Tensor:
        ids = torch.tensor([list(text)], device=self._model.device)
        logits: Tensor = self._model.module(ids, use_cache=False).logits[0, -2:]
        return logits

    def _in_pieces(self, table: Rows) -> Tensor:
        """The same of texts fed in uneven pieces, with one detour that is cut back."""
        long, short = table.join(), table.join()
        text, other = self._texts
        table.step([Feed(long, text[:3], ()), Feed(short, other[:2], ())])
        for row in (long, short):
            table.mark(row)
        table.step([Feed(long, [1, 2, 5], ()), Feed(short, [4], ())])
        table.crop(long, 3)
        table.crop(short, 2)
        table.step([Feed(long, text[3:-3], ()), Feed(short, other[2:-2], ())])
        first = table.step([Feed(long, text[-3:-1], [1]), Feed(short, other[-2:-1], [0])])
        return torch.stack(
            [first, table.step([Feed(long, text[-1:], [0]), Feed(short, other[-1:], [0])])]
        )


def _own_windows(model: LocalModel) -> Iterator[int]:
    """Windows that a configuration names beside `sliding_window`, for which we make no masks."""
    for name, value in model.config.to_dict().items():
        if name != "sliding_window" and name.endswith(("window", "window_size", "window_len")):
            yield from [value] if type(value) is int else []
