"""Paths through the layers of several models, found by CMA-ES: the data-flow space."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np
from composer.methods.edits.evolve import Evolve
from composer.methods.edits.searched import Space, seen_queries
from composer.methods.fitted import FittedPart, shaped
from composer.specs.parts import LayerPath

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from composer.methods.estimators.values import Floats
    from composer.values import State

__all__ = ["Paths", "decoded"]

_KEPT = 0.5
"""An indicator above it keeps its layer."""

_START = 0.75
"""Where indicators start, so that the whole stack is tried first."""

_LEAST, _MOST = 0.5, 1.5
"""What the inputs of layers are multiplied by, at least and at most."""


class Paths(LayerPath, FittedPart):
    """Which layers of a stack follow one another, found by CMA-ES on the quality of the answers.

    The layers that the stack lists, from below, are the slots of a path; list a model's layers
    twice, and they may come twice. `compose fit` searches which slots are kept, and with `scale`
    also what the input of each layer is multiplied by, so that layers fit on others that they were
    not trained with. `generations`, `population` and `sigma` are as in `evolve`. Needs the extra
    `merge`.
    """

    name: ClassVar[str] = "paths"
    paper: ClassVar[str] = "arXiv:2403.13187"

    generations: int = Field(default=10, ge=1)
    population: int | None = Field(default=None, ge=4)
    sigma: float = Field(default=0.2, gt=0)
    scale: bool = True

    @property
    def found(self) -> bool:
        """Whether it was fitted."""
        return not self.unfitted

    def kept(self, count: int) -> Sequence[int]:
        """Return the slots that are kept."""
        places: list[int] = np.flatnonzero(shaped(self.state(), "kept", count)).tolist()
        return places

    def scales(self, count: int) -> Sequence[float]:
        """Return by what the inputs of the layers that are kept are multiplied."""
        scales = shaped(self.state(), "scales", count)
        return [float(scales[place]) for place in self.kept(count)]

    def queries(self) -> NDArray[np.uint64]:
        """Return the digests of the questions that the path was found on."""
        return seen_queries(self.state())

    def space(self, slots: int) -> Space:
        """Return what is searched: an indicator of each slot, then its scale."""
        scales = np.ones(slots if self.scale else 0)
        start = np.append(np.full(slots, _START), scales)
        low = np.append(np.zeros(slots), scales * _LEAST)
        high = np.append(np.ones(slots), scales * _MOST)
        return Space(start, low, high, slots)

    def points(self, space: Space, seed: int) -> Generator[Floats, float, Floats | None]:
        """Try the whole stack, then one generation after the other."""
        search = Evolve(generations=self.generations, population=self.population, sigma=self.sigma)
        return search.points(space, seed)


def decoded(point: Floats, slots: int) -> State:
    """Return the state that a point stands for; where no slot is kept, the likeliest one is."""
    from composer.values import State

    indicators = np.asarray(point)[:slots]
    kept = indicators > _KEPT
    kept[int(np.argmax(indicators))] = True
    scales = np.asarray(point)[slots:] if len(point) > slots else np.ones(slots)
    return State({"kept": kept, "scales": scales}, {"part": Paths.name})
