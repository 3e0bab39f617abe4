"""Weights that leave out members whose likeliest token no other member has near the top."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import torch
from composer.methods.weigh import Weigh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.distribution import Aligned, MemberWeight

__all__ = ["Agreeing"]


class Agreeing(Weigh):
    """A member counts only where its likeliest token is among the `top` of another (EVA).

    Where that leaves no member, all stay. The weights that stay are divided by their sum.
    """

    name: ClassVar[str] = "agreeing"
    paper: ClassVar[str] = "arXiv:2404.09492"

    top: int = Field(default=5, ge=1)

    def weights(self, aligned: Aligned, weights: Sequence[MemberWeight]) -> list[MemberWeight]:
        """Return the weights of the members that another one confirms, 0 for the others."""
        ranked = [_best(aligned.probabilities(n), self.top) for n in range(len(weights))]
        votes = torch.stack([w.nonzero_rows(top) for w, top in zip(weights, ranked, strict=True)])
        confirmed = torch.stack([_confirmed(n, ranked, votes) for n in range(len(weights))])
        counted = confirmed & votes
        counted = torch.where(counted.any(0), counted, votes)
        reduced = [w.masked(~rows) for w, rows in zip(weights, counted, strict=True)]
        parts = [w.multiply_(rows.float()) for w, rows in zip(reduced, counted, strict=True)]
        total = torch.stack(parts).sum(0)
        return [w.scaled(1 / total) for w in reduced]


def _best(probabilities: Tensor, top: int) -> Tensor:
    """Return the likeliest columns [row, top], best first; -1 for those of no probability."""
    best = probabilities.topk(min(top, probabilities.shape[-1]), -1)
    return best.indices.where(best.values > 0, -1)


def _confirmed(member: int, ranked: Sequence[Tensor], votes: Tensor) -> Tensor:
    """Say whether [row, 1] another member with a vote ranks this one's first among its own."""
    first = ranked[member][:, :1]
    confirmed = torch.zeros_like(first, dtype=torch.bool)
    for n, columns in enumerate(ranked):
        if n != member:
            confirmed |= (columns == first).any(-1, keepdim=True) & votes[n]
    return confirmed
