"""Leaving out members whose likeliest token nobody else has near the top."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.distribution import Aligned, MemberWeight
    from composer.engine.parts import Member, Weigh

__all__ = ["agreeing"]


def agreeing(sides: Sequence[Member], *, top: int = 5) -> Weigh:
    """Keep a member only where its likeliest token is among the `top` of another (EVA).

    Where that leaves nobody, all stay. Weights of those kept are divided by their sum.
    """
    del sides

    def weigh(lined: Aligned, shares: Sequence[MemberWeight]) -> list[MemberWeight]:
        ranked = [_best(lined.probabilities(n), top) for n in range(len(shares))]
        says = torch.stack([s.nonzero_rows(each) for s, each in zip(shares, ranked, strict=True)])
        kept = torch.stack([_backed(n, ranked, says) for n in range(len(shares))]) & says
        kept = torch.where(kept.any(0), kept, says)
        voices = [s.masked(~k) for s, k in zip(shares, kept, strict=True)]
        total = torch.stack(
            [s.multiply_(k.float()) for s, k in zip(voices, kept, strict=True)]
        ).sum(0)
        return [s.scaled(1 / total) for s in voices]

    return weigh


def _best(probabilities: Tensor, top: int) -> Tensor:
    """The likeliest columns [row, top], best first; -1 for those of no probability."""
    found = probabilities.topk(min(top, probabilities.shape[-1]), -1)
    return found.indices.where(found.values > 0, -1)


def _backed(member: int, ranked: Sequence[Tensor], says: Tensor) -> Tensor:
    """Whether [row, 1] another member that has a say ranks this one's first among its own."""
    first = ranked[member][:, :1]
    found = torch.zeros_like(first, dtype=torch.bool)
    for n, others in enumerate(ranked):
        if n != member:
            found |= (others == first).any(-1, keepdim=True) & says[n]
    return found
