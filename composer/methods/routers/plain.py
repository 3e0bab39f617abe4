"""Gates that know nothing of the experts: to train further, or to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import torch
from composer.specs.parts import Router
from composer.specs.problems import SpecProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from composer.specs.parts import RouterBase

__all__ = ["Random", "Uniform"]


class Random(Router):
    """Rows of random directions and of length 1, other ones in each layer."""

    name: ClassVar[str] = "random"

    seed: int = Field(default=0, ge=0)

    def rows(self, base: RouterBase, experts: int) -> Tensor:
        """Draw them."""
        generator = torch.Generator().manual_seed(self.seed)
        drawn = torch.randn(base.layers, experts, base.size, generator=generator)
        return torch.nn.functional.normalize(drawn, dim=-1)


class Uniform(Router):
    """All experts with equal weights, at every token; `top` must be their number."""

    name: ClassVar[str] = "uniform"

    def problems(self, experts: Sequence[str], top: int) -> Iterator[SpecProblem]:
        """Yield that it cannot choose some of the experts."""
        if top < len(experts):
            text = f"`uniform` weights all experts alike, so it cannot choose {top} of them"
            help_ = f"write `top = {len(experts)}`, or another gate"
            yield SpecProblem("E403", text, help_, "chooses none", field="gate")

    def rows(self, base: RouterBase, experts: int) -> Tensor:
        """Return zeros."""
        return torch.zeros(base.layers, experts, base.size)
