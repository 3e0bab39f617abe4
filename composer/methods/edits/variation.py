"""FuseChat's merges: members weigh by how much fine-tuning changed each tensor of theirs."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import torch
from composer.specs.parts import Edit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.specs.parts import TensorPlace

__all__ = ["Sce", "Varm"]


class Varm(Edit):
    """Weigh members by the squares of their changes in each tensor: VaRM.

    base + sum_i c_i w_i d_i, with w_i = |d_i|^2 / sum_j |d_j|^2 and the difference d_i of a member
    from the base. In the formula the coefficients c_i of the differences are usually 1.
    """

    name: ClassVar[str] = "varm"
    paper: ClassVar[str] = "arXiv:2402.16107"
    differences: ClassVar[bool] = True
    affine: ClassVar[bool] = True

    def merged(
        self, tensors: Sequence[Tensor], coefficients: Sequence[float], place: TensorPlace
    ) -> Tensor:
        """Return the base plus the weighted mean of the differences."""
        del place
        base, *others = tensors
        differences = [other - base for other in others]
        total = torch.zeros_like(base)
        shares = _shares(differences)
        for difference, share, by in zip(differences, shares, coefficients[1:], strict=True):
            total.add_(difference, alpha=share * by)
        return total.add_(base)


class Sce(Edit):
    """Select where members vary, calculate weights, erase minority signs: SCE.

    In each tensor the numbers are selected at which the differences from the base vary most between
    the members: the share `density` of those that vary at all, and equals of the least of them; all
    numbers, where none varies. A member
    weighs by the squares of its selected differences. For each number, the differences whose sign
    is not that of their sum are erased, and the weights of the others are divided by their sum. In
    the formula the coefficients of the differences are usually 1.
    """

    name: ClassVar[str] = "sce"
    paper: ClassVar[str] = "arXiv:2402.16107"
    differences: ClassVar[bool] = True
    affine: ClassVar[bool] = True

    density: float = Field(default=0.1, gt=0, le=1)

    def merged(
        self, tensors: Sequence[Tensor], coefficients: Sequence[float], place: TensorPlace
    ) -> Tensor:
        """Return the base plus what is selected, weighed and not erased."""
        del place
        base, *others = tensors
        selected = self._selected(others)
        differences = [(other - base) * selected for other in others]
        scaled = [d * by for d, by in zip(differences, coefficients[1:], strict=True)]
        total, weights = torch.zeros_like(base), torch.zeros_like(base)
        sign = torch.where(sum(scaled, total) >= 0, 1.0, -1.0)
        for difference, share in zip(scaled, _shares(differences), strict=True):
            agrees = difference * sign > 0
            total.add_(difference * agrees, alpha=share)
            weights.add_(agrees, alpha=share)
        return total.div_(weights.where(weights > 0, 1.0)).add_(base)

    def _selected(self, members: Sequence[Tensor]) -> Tensor:
        """Say at which numbers the members vary most; at equal variances all are selected."""
        variance = _variance(members)
        count = int(self.density * int(variance.count_nonzero()))
        if not count:
            return torch.ones_like(variance, dtype=torch.bool)
        least = variance.flatten().kthvalue(variance.numel() - count + 1).values
        return variance >= least


def _variance(members: Sequence[Tensor]) -> Tensor:
    """Return the variance of each number between members, times the square of their number.

    It is the sum over pairs of their squared distances, in float64. For members in half precision
    that sum is exact, in whatever order they stand: so equal variances are equal here too.
    """
    total = torch.zeros_like(members[0], dtype=torch.float64)
    for one, other in combinations(members, 2):
        total.add_((one.double() - other.double()).square_())
    return total


def _shares(differences: Sequence[Tensor]) -> list[float]:
    """Return each difference's share of the sum of squares; equal ones where nothing differs."""
    squares = [float(each.square().sum(dtype=torch.float64)) for each in differences]
    total = sum(squares)
    return [each / total if total else 1 / len(squares) for each in squares]
