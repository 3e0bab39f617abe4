"""The inverse of `r = p R`: what to say for a given distribution over anchors to come out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.heavy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from composer.methods.align.anchor_rows import Described

__all__ = ["InverseSearch"]

_BETAS, _EPSILON, _DECAY = (0.9, 0.999), 1e-8, 0.01  # AdamW's, as torch has them
_PERIOD = 10  # the cosine falls to a quarter of the rate in so many steps


@dataclass(frozen=True)
class InverseSearch:
    """A few steps of AdamW on logits z for the least `KL(target || softmax(z) R)`.

    As the code of DeePEn (arXiv:2404.12715) does: the mean over anchors of the pointwise
    divergence, a rate that falls along a cosine. The gradient is written out.
    """

    steps: int
    rate: float

    def __call__(self, logits: Tensor, rows: Described, target: Tensor) -> Tensor:
        """Logits [row, token]; those that are minus infinity stay so."""
        out = logits.isneginf()
        z = logits.masked_fill(out, 0.0)
        first, second = torch.zeros_like(z), torch.zeros_like(z)
        for step in range(self.steps):
            slope = _slope(z.masked_fill(out, -torch.inf), rows, target)
            first.lerp_(slope, 1 - _BETAS[0])
            second.mul_(_BETAS[1]).addcmul_(slope, slope, value=1 - _BETAS[1])
            rate = self._rate(step)
            root = (second / (1 - _BETAS[1] ** (step + 1))).sqrt_().add_(_EPSILON)
            z.mul_(1 - rate * _DECAY)
            z.addcdiv_(first, root, value=-rate / (1 - _BETAS[0] ** (step + 1)))
        return z.masked_fill_(out, -torch.inf)

    def _rate(self, step: int) -> float:
        least = self.rate / 4
        return least + (self.rate - least) * (1 + math.cos(math.pi * step / _PERIOD)) / 2


def _slope(z: Tensor, rows: Described, target: Tensor) -> Tensor:
    """The gradient [row, token] of the mean over anchors of `target (log target - log p R)`."""
    p = z.softmax(-1)
    ratio = target / rows.mix(p).clamp(min=1e-30)
    pull = rows.project(ratio)
    return p * ((p * pull).sum(-1, keepdim=True) - pull) / rows.width
