"""Gates: at which tokens the other members are asked at all.

The first member leads: it reads every token at once. Where its gate stays shut its own
distribution is drawn from; where it opens, the others catch up in one pass and the fuse speaks.
A gate is made once for a fuse, `unsure(sides, ...)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.fusion.align.base import Side
    from composer.fusion.said import Said

__all__ = ["Gate", "Unsure", "unsure"]


class Gate(Protocol):
    """`hidden`: whether the gate looks at the lead's last hidden states.

    `greedy`: whether the likeliest entry is taken where the gate opens, however draws are made.
    """

    hidden: bool
    greedy: bool

    def __call__(self, lead: Said, hidden: Tensor | None) -> Tensor:
        """Whether to open [row], by what the lead said and its hidden states [row, size]."""


class Unsure:
    """Open where the lead's likeliest token has less than a probability (GaC, arXiv:2406.12585)."""

    hidden = False
    greedy = False

    def __init__(self, below: float) -> None:
        self.below = below

    def __call__(self, lead: Said, hidden: Tensor | None) -> Tensor:
        """Compare the largest probability [row] with the threshold."""
        del hidden
        return lead.probabilities().amax(-1) < self.below


def unsure(sides: Sequence[Side], *, below: float = 0.5) -> Gate:
    """Open where the lead is unsure."""
    del sides
    return Unsure(below)
