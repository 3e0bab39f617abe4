"""A route's decisions for many queries at once, and the outcomes of these decisions."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from composer.methods.cascade_replay import Replayed
    from composer.methods.estimators.values import Choice, Estimates, Floats, Labels
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

    @classmethod
    def unknown(cls, rows: int) -> Self:
        """Return outcomes of so many rows, to be put in."""
        quality, cost, share = np.full((3, rows), np.nan)
        return cls(quality, cost, share, np.zeros(rows, dtype=np.intp))

    def put(self, rows: NDArray[np.intp], some: RoutedOutcomes) -> None:
        """Put the outcomes of some rows in their places."""
        for each in fields(self):
            getattr(self, each.name)[rows] = getattr(some, each.name)


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


def cascade_outcomes(results: Replayed, labels: Labels) -> RoutedOutcomes:
    """Return what a cascade's decisions came to; its share is that of rows that ask the strong."""
    strong = results.asked[:, strongest(labels)].astype(float)
    return RoutedOutcomes(results.quality, results.cost, strong, results.chosen)


def strongest(labels: Labels) -> int:
    """Return the index of the choice with the best mean label, the last among equals."""
    means = np.nanmean(labels.quality, 0)
    return int(len(means) - 1 - np.argmax(means[::-1]))
