"""Tokens described by their likeness to anchors: rows of a matrix that is never whole in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.heavy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["AnchorRows", "Described"]

_FIRST = 1024  # rows for which there is room at first


@dataclass(frozen=True, eq=False)
class Described:
    """Rows of R [row, token, near]: at some anchors what they have above `level`.

    `level` [row, token] is what all other anchors of a row have; `width` is how many there are.
    """

    index: Tensor
    above: Tensor
    level: Tensor
    width: int

    def mix(self, p: Tensor) -> Tensor:
        """The rows' mean [row, anchor] by weights p [row, token] that add up to 1."""
        total = (p * self.level).sum(-1, keepdim=True).expand(-1, self.width).contiguous()
        weighed = (p[:, :, None] * self.above).flatten(1)
        return total.scatter_add_(1, self.index.flatten(1), weighed)

    def project(self, over: Tensor) -> Tensor:
        """The products [row, token] of the rows with something over anchors [row, anchor]."""
        values = over.gather(1, self.index.flatten(1)).view_as(self.above)
        return (values * self.above).sum(-1) + self.level * over.sum(-1, keepdim=True)


class AnchorRows:
    """One model's rows of R, made when a token is first looked at, and kept.

    `softmax(c / |c| / temperature)`, c the cosines of the token's embedding and the anchors'
    (DeePEn, arXiv:2404.12715). The `near` largest are kept, and what the others have is spread
    evenly over them.
    """

    def __init__(self, vectors: Tensor, anchors: Tensor, near: int, temperature: float) -> None:
        self._vectors = vectors
        self._anchors = _units(vectors[anchors.to(vectors.device)]).T.contiguous()
        self._temperature = temperature
        self.width = len(anchors)
        self._near = min(near, self.width)
        device = vectors.device
        self._slot = torch.full((len(vectors),), -1, device=device)
        self._count = 0
        self._index = torch.zeros((_FIRST, self._near), dtype=torch.int64, device=device)
        self._above = torch.zeros((_FIRST, self._near), device=device)
        self._level = torch.zeros(_FIRST, device=device)

    def of(self, tokens: Tensor) -> Described:
        """The rows of tokens [row, token], where the tokens are."""
        asked = tokens.to(self._slot.device)
        slots = self._slot[asked]
        if bool((slots < 0).any()):
            self._make(torch.unique(asked[slots < 0]))
            slots = self._slot[asked]
        near, above, level = (
            table[slots].to(tokens.device) for table in (self._index, self._above, self._level)
        )
        return Described(near, above, level, self.width)

    def _make(self, tokens: Tensor) -> None:
        self._grow(self._count + len(tokens))
        to = slice(self._count, self._count + len(tokens))
        likeness = (_units(self._vectors[tokens]) @ self._anchors).float()
        rows = (torch.nn.functional.normalize(likeness, dim=-1) / self._temperature).softmax(-1)
        values, self._index[to] = rows.topk(self._near, -1)
        others = max(self.width - self._near, 1)
        level = (1 - values.sum(-1)).clamp(min=0) / others * (self._near < self.width)
        self._level[to] = level
        self._above[to] = values - level[:, None]
        self._slot[tokens] = torch.arange(to.start, to.stop, device=tokens.device)
        self._count = to.stop

    def _grow(self, count: int) -> None:
        """Make room for so many rows, by doubling."""
        while len(self._level) < count:
            self._index, self._above, self._level = (
                torch.cat([table, torch.zeros_like(table)])
                for table in (self._index, self._above, self._level)
            )


def _units(vectors: Tensor) -> Tensor:
    """Vectors [n, dimension] of length 1, in their own number type."""
    return torch.nn.functional.normalize(vectors.float(), dim=-1).to(vectors.dtype)
