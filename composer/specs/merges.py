"""Merges: models whose weights are a formula over the tensors of other models."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose
from typing import TYPE_CHECKING, ClassVar

from composer.diagnostics.amounts import counted
from composer.specs.derived import Derived
from composer.specs.problems import SpecProblem, normalized_weights, weight_problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.specs.parts import Coefficients, Edit, TensorPlace

__all__ = ["BLOCK", "Merge"]


BLOCK = 1 << 20
"""The numbers of a tensor that are merged at a time, where an edit allows it: they fit a cache."""


@dataclass(frozen=True)
class Merge(Derived):
    """A model made of its donors' weights, tensor by tensor.

    Factors are divided by their sum when `normalize`, and all alike if there are none; those of a
    formula are its coefficients, and not normalized. `by_tensor` gives other coefficients from
    tensor to tensor.
    """

    word: ClassVar[str] = "merge"
    related: ClassVar[bool] = True

    factors: tuple[float, ...] | None
    edit: Edit
    normalize: bool = True
    by_tensor: Coefficients | None = None

    def option_problems(self) -> Iterator[SpecProblem]:
        """Yield why the weights or the edit cannot be used."""
        count = len(self.donors)
        wrong = [*weight_problems(self.factors, count, signed=True, normalized=self.normalize)]
        yield from wrong
        if self.edit.differences and (self.factors is None or self.normalize or count == 1):
            text = f"`{self.edit.name}` edits differences from a base, so it needs a formula"
            help_ = "write what is added to which base: `merge(base + 0.5 * (A - base), ...)`"
            yield SpecProblem("E403", text, help_, "needs a formula", field="edit")
        elif self.edit.members not in {None, count}:
            text = (
                f"`{self.edit.name}` merges {counted(self.edit.members or 0, 'model')}, and here "
                f"{'is' if count == 1 else 'are'} {count}"
            )
            help_ = f"nest it: `merge(merge(A, B, edit = {self.edit.name}()), C, ...)`"
            yield SpecProblem("E403", text, help_, "another number", field="edit")
        elif self.edit.affine and not wrong and not isclose(sum(self.coefficients), 1):
            text = (
                f"`{self.edit.name}` needs coefficients with the sum 1, and the sum is "
                f"{sum(self.coefficients):g}"
            )
            help_ = "write what is added to the first member: `merge(A + 0.5 * (B - A), ...)`"
            yield SpecProblem("E403", text, help_, "needs the sum 1", field="edit")
        if self.by_tensor is not None:
            yield from self.by_tensor.problems(self.edit, count, formula=self._is_formula)

    @property
    def _is_formula(self) -> bool:
        return self.factors is not None and not self.normalize

    @property
    def making(self) -> tuple[object, ...]:
        """The edit and the coefficients."""
        return self.edit, self.coefficients, self.by_tensor

    @property
    def coefficients(self) -> tuple[float, ...]:
        """What the donors' tensors are multiplied by, unless `by_tensor` says otherwise."""
        count = len(self.donors)
        return normalized_weights(
            self.factors or (1.0,) * count, count, normalize=self.normalize, signed=True
        )

    def coefficients_at(self, place: TensorPlace) -> Sequence[float]:
        """Return what the donors' tensors are multiplied by at one place."""
        if self.by_tensor is None:
            return self.coefficients
        return self.by_tensor.at(place, self.coefficients)

    @property
    def searched_edit(self) -> Edit:
        """The edit, with the options that were searched."""
        return self.edit if self.by_tensor is None else self.by_tensor.edit(self.edit)

    @property
    def at_once(self) -> int:
        """How many numbers of a tensor are merged at a time."""
        return min(super().at_once, BLOCK) if self.edit.elementwise else super().at_once

    def formula(self, names: Sequence[str]) -> str:
        """Write the sum that the weights are, by which edit and which coefficients."""
        pairs = list(zip(self.coefficients, names, strict=True))
        if self.edit.differences:
            base = names[0]
            terms = [base, *(_signed(by, f"({name} - {base})") for by, name in pairs[1:])]
        else:
            terms = [_signed(by, name) for by, name in pairs]
        total = " ".join(terms).removeprefix("+ ")
        if self.edit.name != "average":
            total = f"{self.edit.name}({total})"
        by = "" if self.by_tensor is None else f", coefficients by {self.by_tensor.name}"
        return total + by


def _signed(by: float, term: str) -> str:
    return f"{'-' if by < 0 else '+'} {abs(by):g} * {term}"
