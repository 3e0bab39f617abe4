"""A runner owns one set of weights and the rows that it reads, and feeds them together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from composer.models.attention import Attention
from composer.models.beside import beside
from composer.models.forward import keeps_state
from composer.models.separate import Separate
from composer.models.states import States
from composer.models.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from composer.models.local import LocalModel
    from composer.models.rows import Feed, Rows

__all__ = ["Runner"]

_LAYERS = {"full_attention", "sliding_attention"}


class Runner:
    """One model's rows; `alone` says why they do not share forward passes, if they do not."""

    def __init__(self, model: LocalModel) -> None:
        self.model = model
        self.alone: str | None = None
        self.rows: Rows = self._choose()

    @property
    def idle(self) -> bool:
        """Whether no row is open."""
        return not self.rows.live

    def step(self, feeds: Sequence[Feed], *, hidden: bool = False) -> Tensor:
        """Feed each row its tokens; float logits [all kept, model.width].

        With `hidden` the last hidden states stand behind them [all kept, model.width + size].
        If it raises, no row holds more than before; one that cannot be cut back holds less.
        """
        before = [(feed.row, feed.row.length) for feed in feeds]
        try:
            return self._step(feeds, hidden=hidden)
        except BaseException:
            for row, length in before:
                self.rows.crop(row, length)
            raise

    def _step(self, feeds: Sequence[Feed], *, hidden: bool) -> Tensor:
        if hidden:
            logits, states = beside(self.model, self.rows, feeds)
            return torch.cat((logits[:, : self.model.width], states), 1).float()
        return self.rows.step(feeds)[:, : self.model.width].float()

    def _choose(self) -> Rows:
        """The first way of sharing passes by which the model reads rightly, else row by row."""
        strange = set(getattr(self.model.config, "layer_types", None) or ()) - _LAYERS
        if strange:
            self.alone = f"it has layers of another kind ({', '.join(sorted(strange))})"
            return Separate(self.model)
        trial = Trial(self.model)
        for way in self._ways():
            self.alone = trial.failure(way)
            if self.alone is None:
                return way()
        return Separate(self.model)

    def _ways(self) -> Sequence[Callable[[], Rows]]:
        """Ways of sharing passes, the fastest first."""
        if keeps_state(self.model.module):
            return (partial(States, self.model),)
        return tuple(partial(Attention, self.model, packs=packs) for packs in (True, False))
