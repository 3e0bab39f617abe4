"""What a distribution looks like, in three numbers that cost nothing beside a forward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.heavy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from composer.engine.distribution import Distributions

__all__ = ["FEATURES", "entropy_of", "features"]

FEATURES = ("entropy", "top", "margin")
"""Nats; the largest probability; its distance to the second."""


def entropy_of(probabilities: Tensor) -> Tensor:
    """Shannon entropy [..., 1] in nats of probabilities [..., column]."""
    logs = probabilities.clamp(min=1e-30).log()
    return -(probabilities * logs).sum(-1, keepdim=True)


def features(said: Distributions) -> Tensor:
    """Return the features [row, 3] of a distribution a row."""
    p = said.probabilities()
    first, second = p.topk(2, -1).values.unbind(-1)
    return torch.stack([entropy_of(p)[:, 0], first, first - second], -1)
