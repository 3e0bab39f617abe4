"""Weights that follow from what the members say at a token: each a formula and where it is from.

A way to weigh is made once for a fuse, `entropy(sides, ...)`, and called at every step with the
members lined up and their weights, which it multiplies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.fusion.align.base import Side
    from composer.fusion.said import Lined, Said, Share

__all__ = ["Weigh", "entropy"]


class Weigh(Protocol):
    """New weights for the members that are heard."""

    def __call__(self, lined: Lined, shares: Sequence[Share]) -> list[Share]:
        """Multiply weights by what the distributions themselves say."""


def entropy(sides: Sequence[Side], *, power: float = 1.0) -> Weigh:
    """`w_i / H(p_i)^power`, H in nats: who is surer weighs more (as in CoRE, EACL 2026)."""
    del sides

    def weigh(lined: Lined, shares: Sequence[Share]) -> list[Share]:
        raw = [_entropy(said).clamp(min=1e-6).pow(-power) for said in lined.members]
        return _normalized(raw, shares)

    return weigh


def _entropy(said: Said) -> Tensor:
    """Shannon entropy [row, 1] in nats."""
    p = said.probabilities()
    return -(p * p.clamp(min=1e-30).log()).sum(-1, keepdim=True)


def _normalized(raw: Sequence[Tensor], shares: Sequence[Share]) -> list[Share]:
    """Shares times factors [row, 1], the factors divided by their sum over who has a say."""
    heard = [share.of(each.clone()) for each, share in zip(raw, shares, strict=True)]
    total: Tensor = sum(heard[1:], heard[0])
    return [share.times(each / total) for each, share in zip(raw, shares, strict=True)]
