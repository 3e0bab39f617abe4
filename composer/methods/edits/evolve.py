"""Coefficients found by CMA-ES, an evolution strategy, against a validation metric."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from composer.heavy import np
from composer.methods.edits.boxed import BoxSearch
from composer.methods.mistakes import PartError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from composer.methods.edits.searched import Space
    from composer.methods.estimators.values import Floats

__all__ = ["Evolve"]

_LEAST = 2  # dimensions that the library needs


class Evolve(BoxSearch):
    """Coefficients found by CMA-ES on the quality of the answers, as in evolutionary merging.

    `compose fit` tries `population` merges in each of `generations`, drawn around a mean with
    standard deviation `sigma` at first. Each group of layers has its own coefficients where
    `groups` is more than 1. `options` names options of the edit, numbers between 0 and 1, that are
    searched too, such as `density` of `ties`. With `safety` above 0, rows with the tag `safety`
    count with this weight, and all others with the rest (arXiv:2406.14563). Needs the extra
    `merge`.
    """

    name: ClassVar[str] = "evolve"
    paper: ClassVar[str] = "arXiv:2403.13187"

    generations: int = Field(default=10, ge=1)
    population: int | None = Field(default=None, ge=4)
    sigma: float = Field(default=0.2, gt=0)
    safety: float = Field(default=0.0, ge=0, lt=1)

    def points(self, space: Space, seed: int) -> Generator[Floats, float, Floats | None]:
        """Try the recipe's own coefficients, then one generation after the other."""
        size = len(space.start)
        yield space.start
        strategy = _strategy(space, self.sigma, self.population, seed)
        for _ in range(self.generations):
            drawn, losses = strategy.ask(), []
            for point in drawn:
                losses += [-(yield np.asarray(point)[:size])]
            strategy.tell(drawn, losses)
        return None

    def score(self, quality: Floats, likelihood: Floats, tags: Sequence[Sequence[str]]) -> float:
        """Return the score of rows without the tag `safety`, and of those with it, weighted."""
        safe = np.array(["safety" in each for each in tags])
        if not self.safety or safe.all() or not safe.any():
            return super().score(quality, likelihood, tags)
        parts = [super(Evolve, self).score(quality[w], likelihood[w], ()) for w in (~safe, safe)]
        return (1 - self.safety) * parts[0] + self.safety * parts[1]


def _strategy(space: Space, sigma: float, population: int | None, seed: int) -> Any:  # noqa: ANN401
    """Return the library's strategy, with draws of its own; a single number gets a dummy beside.

    Raises PartError (E510) where the library is not installed.
    """
    if find_spec("cma") is None:
        text = "`evolve` needs the package cma, which is not installed"
        raise PartError("E510", text, "`pip install 'ensemble-composer[merge]'`")
    import cma

    rng = np.random.default_rng(seed)
    dummies = max(0, _LEAST - len(space.start))
    start, low, high = (
        np.append(each, [value] * dummies)
        for each, value in ((space.start, 0.5), (space.low, 0.0), (space.high, 1.0))
    )
    options = {
        "bounds": [low, high],
        "randn": lambda *shape: rng.standard_normal(shape),
        "seed": np.nan,  # the global generator stays as it is
        "verbose": -9,
        "verb_log": 0,
    }
    if population is not None:
        options["popsize"] = population
    return cma.CMAEvolutionStrategy(np.clip(start, low, high), sigma, options)
