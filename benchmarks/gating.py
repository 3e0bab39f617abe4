"""A gate that opens at a share of tokens, so that its cost can be measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import PrivateAttr

from composer.engine.parts import Gate

if TYPE_CHECKING:
    from torch import Tensor

    from composer.engine.distribution import Distributions

__all__ = ["Regular"]


class Regular(Gate):
    """Open at every n-th of the tokens that one answer after another asks about."""

    name: ClassVar[str] = "regular"

    every: int

    _count: int = PrivateAttr(default=0)

    def opens(self, first: Distributions, hidden: Tensor | None) -> Tensor:
        """Count the rows, and open at every n-th."""
        del hidden
        rows = torch.arange(self._count, self._count + len(first.scores))
        self._count += len(rows)
        return rows % self.every == self.every - 1
