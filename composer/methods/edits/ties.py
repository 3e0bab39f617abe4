"""TIES: trim small changes, elect a sign, and average the changes that have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.heavy import torch
from composer.methods.edits.differences import Differences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from composer.specs.parts import TensorPlace

__all__ = ["Elected", "Ties", "Trimmed"]


class Elected(Differences):
    """Differences of which only those with the elected sign are added."""

    combine: Literal["mean", "sum"] = "mean"

    def combined(self, scaled: Iterator[Tensor]) -> Tensor:
        """Elect for each number the sign of the sum; combine the differences that have it.

        A sum of exactly zero elects the positive sign. Differences of zero are not counted.
        """
        differences = list(scaled)
        total = torch.zeros_like(differences[0])
        count = torch.zeros_like(total)
        sign = torch.where(sum(differences, total) >= 0, 1.0, -1.0)
        for difference in differences:
            agrees = difference * sign > 0
            total.add_(difference * agrees)
            count.add_(agrees)
        return total if self.combine == "sum" else total.div_(count.clamp_(min=1))


class Trimmed(Differences):
    """Differences of which the largest numbers are kept."""

    density: float = Field(default=0.2, gt=0, le=1)

    def kept(self, difference: Tensor, member: int, place: TensorPlace) -> Tensor:
        """Keep the largest numbers in magnitude; at least one, and equals of the smallest too."""
        del member, place
        size = difference.numel()
        count = max(1, int(self.density * size))
        if count >= size:
            return difference
        least = difference.abs().flatten().kthvalue(size - count + 1).values
        return difference.mul_(difference.abs() >= least)


class Ties(Elected, Trimmed):
    """Trim small differences, elect signs, average those that agree: TIES.

    In each tensor the `density` of a difference's numbers that are largest in magnitude are kept;
    equals of the smallest of them too. For each number the sign of the weighted sum is elected, and
    the differences with this sign are combined: `mean` divides their weighted sum by how many they
    are, as in the paper; `sum` does not. The paper's code trims over all tensors at once, this over
    each tensor, as mergekit and peft do.
    """

    name: ClassVar[str] = "ties"
    paper: ClassVar[str] = "arXiv:2306.01708"
