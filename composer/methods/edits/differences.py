"""Edits of differences: what fine-tuning changed, thinned out and then added to the base.

Such an edit has two halves, each a method that a subclass may replace: what is kept of each
difference, and how what is kept becomes one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from composer.specs.parts import Edit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from composer.specs.parts import TensorPlace

__all__ = ["Differences"]


class Differences(Edit):
    """base + sum c_i kept(t_i - base); a subclass says what is kept, or how it is added up."""

    differences: ClassVar[bool] = True
    affine: ClassVar[bool] = True

    def merged(
        self, tensors: Sequence[Tensor], coefficients: Sequence[float], place: TensorPlace
    ) -> Tensor:
        """Return the base plus the edited differences of the others from it."""
        base, *others = tensors
        scaled = (
            self.kept(other - base, member, place).mul_(by)
            for member, (other, by) in enumerate(zip(others, coefficients[1:], strict=True), 1)
        )
        return self.combined(scaled).add_(base)

    def kept(self, difference: Tensor, member: int, place: TensorPlace) -> Tensor:
        """Return what is kept of a member's difference, which may be changed in place."""
        del member, place
        return difference

    def combined(self, scaled: Iterator[Tensor]) -> Tensor:
        """Return what the differences, each times its coefficient, add up to: their sum."""
        total = next(scaled)
        for difference in scaled:
            total.add_(difference)
        return total
