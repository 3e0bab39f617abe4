"""Policies that sometimes try what does not look best, so that feedback can correct estimates."""

import math
import random
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from composer.methods.estimators.values import Choice, Estimates
from composer.methods.policies.base import Costed, Weights, best, only


class Explore(Costed):
    """The best choice, but with probability `epsilon` a random one (epsilon-greedy)."""

    name: ClassVar[str] = "explore"
    paper: ClassVar[str] = "arXiv:2412.12170"

    epsilon: float = Field(default=0.1, ge=0, le=1)

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> Weights:
        """Return 1 for the best choice, or for one drawn by chance."""
        if rng.random() < self.epsilon:
            return only(rng.randrange(len(choices)), len(choices))
        return only(best(self.worth(estimates, choices)), len(choices))


class Optimistic(Costed):
    """UCB: argmax of quality + `width` x standard deviation - cost x dollars.

    The standard deviation is that of the estimate; if it is unknown, it counts as 0.
    """

    name: ClassVar[str] = "optimistic"
    paper: ClassVar[str] = "arXiv:1003.0146"

    width: float = Field(default=1.0, ge=0)

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> Weights:
        """Return 1 for the choice with the greatest upper bound, the first among equals."""
        del rng
        pairs = zip(self.worth(estimates, choices), _spread(estimates), strict=True)
        return only(best([worth + self.width * spread for worth, spread in pairs]), len(choices))


class Thompson(Costed):
    """Thompson sampling: draw each quality from Normal(quality, standard deviation), take the best.

    Each choice is tried as often as it may be the best; an unknown standard deviation counts as 0.
    """

    name: ClassVar[str] = "thompson"
    paper: ClassVar[str] = "arXiv:1209.3352"

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> Weights:
        """Return 1 for the choice that was drawn best."""
        pairs = zip(self.worth(estimates, choices), _spread(estimates), strict=True)
        return only(best([rng.gauss(worth, spread) for worth, spread in pairs]), len(choices))


def _spread(estimates: Estimates) -> Sequence[float]:
    spread = estimates.spread or (math.nan,) * len(estimates.quality)
    return [0.0 if math.isnan(each) else each for each in spread]
