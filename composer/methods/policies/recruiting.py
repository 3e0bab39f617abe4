"""Members drawn by chance, better ones more often."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.methods.policies.base import Policy, Weights, without_nan

if TYPE_CHECKING:
    import random

    from composer.methods.estimators.values import Choice, Estimates


class Recruit(Policy):
    """`k` draws with replacement, each choice with a probability proportional to its quality.

    The weight of a choice is its share of the draws. A quality below 0 has no chance; where none is
    above 0, all are raised so that the worst is 1 (Symbolic-MoE).
    """

    name: ClassVar[str] = "recruit"
    paper: ClassVar[str] = "arXiv:2503.05641"
    many: ClassVar[bool] = True

    k: int = Field(default=3, ge=1)

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> Weights:
        """Return each choice's share of the draws."""
        del choices
        quality = without_nan(estimates.quality)
        if max(quality) <= 0:
            lowest = min((value for value in quality if math.isfinite(value)), default=0.0)
            quality = [value - lowest + 1 for value in quality]
        chances = [max(value, 0.0) for value in quality]
        if not any(chances):
            chances = [1.0] * len(chances)
        drawn = Counter(rng.choices(range(len(chances)), chances, k=self.k))
        return tuple(drawn[at] / self.k for at in range(len(chances)))
