"""Gradient descent: the steps of optimizers whose learning rates rise, then fall linearly to 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch.optim import Optimizer

__all__ = ["Descent"]


class Descent:
    """So many steps of some optimizers, the first `warm` of which go with rising rates."""

    def __init__(self, optimizers: Sequence[Optimizer], steps: int, warm: int = 0) -> None:
        self.steps = steps
        self._optimizers, self._warm = optimizers, warm
        self._rates = [[group["lr"] for group in each.param_groups] for each in optimizers]

    def step(self, number: int, gradients: Callable[[], float]) -> float:
        """Take step `number`, from 0 on; `gradients` makes the gradients, and returns the loss."""
        part = min(1.0, (number + 1) / self._warm) if self._warm else 1.0
        for optimizer, rates in zip(self._optimizers, self._rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * part * (1 - number / self.steps)
        loss = gradients()
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return loss
