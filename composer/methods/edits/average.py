"""The weighted sum of tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from composer.specs.parts import Edit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.specs.parts import TensorPlace

__all__ = ["Average"]


class Average(Edit):
    """The weighted sum: a model soup, or with a formula task arithmetic (arXiv:2212.04089)."""

    name: ClassVar[str] = "average"
    paper: ClassVar[str] = "arXiv:2203.05482"
    elementwise: ClassVar[bool] = True

    def merged(
        self, tensors: Sequence[Tensor], coefficients: Sequence[float], place: TensorPlace
    ) -> Tensor:
        """Return sum c_i t_i."""
        del place
        total = tensors[0] * coefficients[0]
        for tensor, by in zip(tensors[1:], coefficients[1:], strict=True):
            total.add_(tensor, alpha=by)
        return total
