"""sep-CMA-ES: a search for a vector whose loss is small, where there is no gradient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from composer.methods.estimators.values import Floats

__all__ = ["default_population", "sep_cma_es"]


def default_population(size: int) -> int:
    """Return how many candidates a generation has for vectors of that size: 4 + 3 ln n."""
    return 4 + int(3 * math.log(max(size, 1)))


async def sep_cma_es(  # noqa: PLR0913 - the settings of the search
    losses: Callable[[Floats], Awaitable[Floats]],
    start: Floats,
    *,
    sigma: float,
    population: int,
    generations: int,
    seed: int,
) -> Floats:
    """Minimise a loss from a start [n]: CMA-ES with a diagonal covariance (Ros, Hansen 2008).

    `losses` gives the loss of each candidate [population, n]; it may be noisy, and equal losses
    keep their order. Returns the mean of the last generation, which averages the better half.
    Rates and damping are the defaults of arXiv:1604.00772, those of the variances times
    (n + 2) / 3.
    """
    rng, size = np.random.default_rng(seed), len(start)
    ranks = np.arange(1, population // 2 + 1)
    weights = np.log(population / 2 + 0.5) - np.log(ranks)
    weights /= weights.sum()
    mass = 1 / (weights**2).sum()
    rate_path = (mass + 2) / (size + mass + 5)
    damping = 1 + rate_path + 2 * max(0.0, math.sqrt((mass - 1) / (size + 1)) - 1)
    rate_axis = (4 + mass / size) / (size + 4 + 2 * mass / size)
    rate_one, rate_many = _rates(size, mass)
    expected = math.sqrt(size) * (1 - 1 / (4 * size) + 1 / (21 * size**2))
    mean = start.astype(np.float64)
    variances, path, axis = np.ones(size), np.zeros(size), np.zeros(size)
    for generation in range(1, generations + 1):
        steps = rng.standard_normal((population, size)) * np.sqrt(variances)
        found = await losses(mean + sigma * steps)
        best = steps[np.argsort(found, kind="stable")[: len(weights)]]
        step = weights @ best
        mean = mean + sigma * step
        path = (1 - rate_path) * path + math.sqrt(
            rate_path * (2 - rate_path) * mass
        ) * step / np.sqrt(variances)
        length = float(np.linalg.norm(path))
        grown = math.sqrt(1 - (1 - rate_path) ** (2 * generation))
        is_short = length / grown < (1.4 + 2 / (size + 1)) * expected
        axis = (1 - rate_axis) * axis + is_short * math.sqrt(
            rate_axis * (2 - rate_axis) * mass
        ) * step
        variances = (
            (1 - rate_one - rate_many) * variances
            + rate_one * axis**2
            + rate_many * (weights @ best**2)
        )
        sigma *= math.exp(rate_path / damping * (length / expected - 1))
    return mean


def _rates(size: int, mass: float) -> tuple[float, float]:
    """Return the learning rates of the variances: by the path of the mean, and by the best."""
    one = 2 / ((size + 1.3) ** 2 + mass)
    many = min(1 - one, 2 * (mass - 2 + 1 / mass) / ((size + 2) ** 2 + mass))
    faster = (size + 2) / 3
    one, many = one * faster, many * faster
    return one / max(1.0, one + many), many / max(1.0, one + many)
