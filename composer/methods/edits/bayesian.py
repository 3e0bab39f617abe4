"""Coefficients found by Bayesian optimization: a Gaussian process says which merge to try next."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from composer.heavy import np, scipy, sklearn
from composer.methods.edits.boxed import BoxSearch

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from composer.methods.edits.searched import Space
    from composer.methods.estimators.values import Floats

__all__ = ["Bayesian", "expected_improvement"]

_NEAR = 0.05  # how far half of the candidates lie from the best point, in parts of the range


class Bayesian(BoxSearch):
    """Coefficients found by Bayesian optimization on the quality of the answers.

    `compose fit` tries the recipe's coefficients and `initial` points of a Latin hypercube. In each
    of `rounds`, a Gaussian process is fitted to all scores so far, and of `candidates` random
    points that with the greatest expected improvement is tried. Each group of layers has its own
    coefficients where `groups` is more than 1. `options` names options of the edit, numbers between
    0 and 1, that are searched too.
    """

    name: ClassVar[str] = "bayesian"
    paper: ClassVar[str] = "arXiv:2403.19390"

    rounds: int = Field(default=30, ge=0)
    initial: int = Field(default=8, ge=1)
    candidates: int = Field(default=1000, ge=1)

    def points(self, space: Space, seed: int) -> Generator[Floats, float, Floats | None]:
        """Try the start and the hypercube, then the point that promises most, round by round."""
        rng, size = np.random.default_rng(seed), len(space.start)
        cube = scipy.stats.qmc.LatinHypercube(size, rng=rng).random(self.initial)
        width = space.high - space.low
        tried = [(space.start - space.low) / width, *cube]
        scores: list[float] = []
        for point in tried:
            scores += [(yield space.low + width * point)]
        for _ in range(self.rounds):
            near = tried[int(np.argmax(scores))] + _NEAR * rng.standard_normal((1, size))
            count = self.candidates
            local = near + _NEAR * rng.standard_normal((count // 2, size))
            drawn = np.concatenate([rng.random((count - count // 2, size)), local.clip(0, 1)])
            best = drawn[int(np.argmax(expected_improvement(tried, scores, drawn)))]
            tried.append(best)
            scores += [(yield space.low + width * best)]
        return None


def expected_improvement(
    tried: Sequence[Floats], scores: Sequence[float], candidates: Floats
) -> Floats:
    """Return how much better than the best score each candidate [m, n] is expected to be [m].

    From a Gaussian process with a Matern kernel of smoothness 5/2 and noise, whose lengths and
    variances are those that make the scores likeliest.
    """
    kernels = sklearn.gaussian_process.kernels
    kernel: Any = kernels.ConstantKernel(1.0, (1e-2, 1e2)) * kernels.Matern(
        np.full(candidates.shape[1], 0.3), (0.05, 5.0), nu=2.5
    ) + kernels.WhiteKernel(1e-2, (1e-5, 1.0))
    process = sklearn.gaussian_process.GaussianProcessRegressor(
        kernel, normalize_y=True, random_state=0
    )
    with warnings.catch_warnings():  # a length at the limit of its range is no fault
        warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
        process.fit(np.array(tried), np.array(scores))
    mean, deviation = process.predict(candidates, return_std=True)
    deviation = np.maximum(deviation, 1e-12)
    gain = mean - max(scores)
    normal = scipy.stats.norm
    improvement: Floats = gain * normal.cdf(gain / deviation)
    improvement += deviation * normal.pdf(gain / deviation)
    return improvement
