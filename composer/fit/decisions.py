"""A route's decisions for many queries at once, and the outcomes of these decisions."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.heavy import np
from composer.methods.estimators.values import Estimates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from composer.methods.estimators.values import Choice, Floats, Labels, Predictions
    from composer.methods.policies.base import Policy


@dataclass(frozen=True, eq=False)
class RoutedOutcomes:
    """What decisions came to, a value a row: quality, dollars, and whether the strong was asked.

    Values are NaN where the data do not tell. `chosen` are the decisions, by place.
    """

    quality: Floats
    cost: Floats
    share: Floats
    chosen: NDArray[np.intp]


def to_estimates(predictions: Predictions) -> list[Estimates]:
    """Return predictions as policies take them, a value a query."""
    mean, spread = predictions.mean.tolist(), predictions.spread.tolist()
    cost = [()] * len(mean) if predictions.cost is None else predictions.cost.tolist()
    rows = zip(mean, spread, cost, strict=True)
    return [Estimates(tuple(q), "", tuple(s), tuple(c)) for q, s, c in rows]


def decide(
    policy: Policy, estimates: Sequence[Estimates], choices: tuple[Choice, ...], seed: int
) -> NDArray[np.intp]:
    """Return the index of the choice that gets most weight, for each query."""
    rng = random.Random(seed)
    weights = policy.decide(estimates, choices, rng)
    chosen: NDArray[np.intp] = np.array(weights).reshape(len(estimates), len(choices)).argmax(1)
    return chosen


def outcomes(chosen: NDArray[np.intp], labels: Labels) -> RoutedOutcomes:
    """Return what choosing so came to, by the labels."""
    rows = np.arange(len(chosen))
    strong = (chosen == strongest(labels)).astype(float)
    return RoutedOutcomes(labels.quality[rows, chosen], labels.cost[rows, chosen], strong, chosen)


def strongest(labels: Labels) -> int:
    """Return the index of the choice with the best mean label, the last among equals."""
    means = np.nanmean(labels.quality, 0)
    return int(len(means) - 1 - np.argmax(means[::-1]))
