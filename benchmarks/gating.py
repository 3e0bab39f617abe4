"""A gate that opens at a share of tokens whatever is said, so that its cost can be measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch

from composer.specs.parts import Gate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.distribution import Distributions
    from composer.engine.parts import Member

__all__ = ["Regular", "regular"]


class Regular(Gate):
    """Open at every n-th token; see below for how they are counted."""

    name: ClassVar[str] = "regular"
    where: ClassVar[str] = "gating:regular"

    every: int


class Counting:
    """Open at every n-th of the tokens that one answer after another asks about."""

    hidden = False
    greedy = False

    def __init__(self, every: int) -> None:
        self._every = every
        self._asked = 0

    def __call__(self, lead: Distributions, hidden: Tensor | None) -> Tensor:
        """Count the rows, and open at those whose turn it is."""
        del hidden
        turns = torch.arange(self._asked, self._asked + len(lead.scores))
        self._asked += len(turns)
        return turns % self._every == self._every - 1


def regular(sides: Sequence[Member], *, every: int) -> Counting:
    """Make such a gate for a fuse."""
    del sides
    return Counting(every)
