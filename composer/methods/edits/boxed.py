"""Searches over coefficients between two limits, and over options of the edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from composer.methods.edits.searched import PointSearch
from composer.specs.problems import SpecProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.specs.parts import Edit

__all__ = ["BoxSearch"]


class BoxSearch(PointSearch):
    """A search over coefficients from `low` to `high`, by groups of layers, and over options.

    `options` names options of the edit that are searched between 0 and 1. With `groups` of more
    than 1, each group of neighbouring layers has coefficients of its own, and so have the tensors
    beside the layers.
    """

    groups: int = Field(default=1, ge=1)
    low: float = 0.0
    high: float = 1.0
    options: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"`low` must be less than `high`, not {self.low:g} and {self.high:g}")
        return self

    def groups_of(self, layers: int) -> int:
        """Return how many groups there are; no more than layers."""
        return max(1, min(self.groups, layers))

    @property
    def edit_options(self) -> tuple[str, ...]:
        """The options of the edit that are searched too."""
        return self.options

    def limits(self) -> tuple[float, float]:
        """Return `low` and `high`."""
        return self.low, self.high

    def problems(self, edit: Edit, count: int, *, formula: bool) -> Iterator[SpecProblem]:
        """Yield what the edit does not have."""
        del count, formula
        fields = type(edit).model_fields
        numbers = [name for name in fields if isinstance(getattr(edit, name), float)]
        for option in self.options:
            if option not in numbers:
                text = f"`{edit.name}` has no option `{option}` that is a number"
                has = ", ".join(f"`{name}`" for name in numbers)
                help_ = f"search {has}" if numbers else "leave out `options`"
                yield SpecProblem("E403", text, help_, "no such option", field="coefficients")
