"""The merge that is searched: made in memory for each point, and measured on rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from composer.compiler.graph import model_of
from composer.fit.coefficients.measuring import Measuring
from composer.fit.settings import not_trainable
from composer.heavy import np
from composer.methods.edits.searched import Space
from composer.specs import Merge
from composer.specs.parts import tensor_places
from composer.values import Fitted, State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from composer.compiler.graph import Node
    from composer.methods.edits.searched import Searched
    from composer.methods.estimators.values import Floats

_LEAST = 0.05
"""Options of an edit are searched from here to 1: with a density of 0 nothing is left."""

__all__ = ["Subject", "merge_of"]


def merge_of(part: Searched, node: Node) -> Merge:
    """Return the merge that a node is; raises Mistakes (E509) where the part stands elsewhere."""
    model = model_of(node)
    if not isinstance(model, Merge):
        text = f"`{part.name}` can only be fitted in a `merge`"
        raise not_trainable(text, f"write `merge(..., coefficients = {part.name}())`")
    return model


@dataclass(frozen=True, eq=False)
class Subject(Measuring):
    """A merge whose coefficients are searched by a part; `given` is without the part."""

    model: Merge
    part: Searched

    @cached_property
    def layers(self) -> int:
        """How many layers the model has."""
        places = tensor_places(self.model.tensors)
        return max((place.layers for place in places.values()), default=0)

    @cached_property
    def rows(self) -> int:
        """How many rows its table of coefficients has."""
        return self.part.rows(self.layers)

    def space(self, low: float, high: float) -> Space:
        """Return what is searched, from the coefficients and options of the recipe."""
        own = [getattr(self.model.edit, name) for name in self.part.edit_options]
        start = np.array([*self.model.coefficients[1:] * self.rows, *own], dtype=float)
        count = len(start) - len(own)
        lows, highs = (np.array([low] * count + [_LEAST] * len(own)), np.ones(len(start)))
        highs[:count] = high
        return Space(start, lows, highs, len(self.model.donors))

    def table(self, point: Floats) -> Floats:
        """Return the table [row, member] of coefficients that a point stands for."""
        others = np.asarray(point)[: self.rows * (len(self.model.donors) - 1)].reshape(
            self.rows, -1
        )
        first = sum(self.model.coefficients) - others.sum(1, keepdims=True)
        return np.concatenate([first, others], 1)

    def state(self, point: Floats, **arrays: NDArray[np.generic]) -> State:
        """Return the part's state at a point."""
        table = self.table(point)
        options = np.asarray(point)[table.size - len(table) :]
        found = {"options": options} if len(options) else {}
        facts = {"part": self.part.name, "names": list(self.model.labels)}
        return State({"coefficients": table, **found, **arrays}, facts)

    def at(self, state: State, part: Searched | None = None) -> Merge:
        """Return the merge with a state of the part, or of one with other options."""
        fitted = Fitted.of(self.model.labels, 0, state=state)
        return replace(self.model, by_tensor=(part or self.part).bound(fitted))
