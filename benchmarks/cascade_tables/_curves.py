"""Curves of cost and quality of what decides in a cascade, replayed on a recorded chain."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np

from composer.methods import Choice, Estimates
from composer.metrics import Interval, drawn_interval, hull

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from composer.methods import Policy
    from composer.methods.cascade_table import CascadeTable

    Floats = np.ndarray
    EstimatesOf = Callable[[frozenset[int]], Sequence[Estimates]]

PRICES = (0.0, *np.geomspace(0.01, 30, 15).tolist())
"""What a dollar for a thousand answers must bring, for each point of a curve."""

DRAWS, GRID = 300, 200
STAGES_AT_MOST, LEVELS = 3, 12


@dataclass(frozen=True)
class Curve:
    """Quality and dollars for a thousand answers of each row [points, n]."""

    quality: Floats
    cost: Floats


@dataclass(frozen=True)
class Areas:
    """The mean quality of a curve over the costs of single models: as it is, and resampled."""

    drawn: Floats

    @property
    def interval(self) -> Interval:
        """The area with its 95% interval."""
        return drawn_interval(100 * self.drawn)

    def lead(self, other: Areas) -> Interval:
        """By how much it exceeds another over the same resampled rows."""
        return drawn_interval(100 * (self.drawn - other.drawn))


def areas(curve: Curve, singles: Curve, *, hulled: bool = False) -> Areas:
    """Return the mean quality from the cost of the cheapest single model to that of the dearest.

    Between two points it is interpolated, beyond the last it goes on level. With `hulled`, only the
    points of the non-decreasing concave hull count, as of the zero-router.
    """
    count = curve.quality.shape[1]
    rng = np.random.default_rng(0)
    rows = [np.arange(count), *(rng.integers(count, size=count) for _ in range(DRAWS))]
    ends = singles.cost.mean(1)
    grid = np.linspace(ends.min(), ends.max(), GRID)
    values = []
    for each in rows:
        shares = np.bincount(each, minlength=count) / count
        points = np.stack([curve.cost @ shares, curve.quality @ shares], 1)
        points = hull(*points.T) if hulled else points[np.lexsort(points.T[::-1])]
        values.append(np.interp(grid, *points.T).mean())
    return Areas(np.array(values))


def singles(table: CascadeTable) -> Curve:
    """Return the single models of a chain."""
    return Curve(table.quality.T, 1000 * table.cost.T)


def mixture(table: CascadeTable, cost: float) -> Floats:
    """Return the expected quality of the best two single models, mixed by chance to this cost."""
    means = table.cost.mean(0)
    mixed = []
    for low in range(len(means)):
        for high in range(len(means)):
            if means[low] <= cost <= means[high] and means[low] < means[high]:
                share = (cost - means[low]) / (means[high] - means[low])
                mixed.append((1 - share) * table.quality[:, low] + share * table.quality[:, high])
    best: Floats = max(mixed, key=lambda quality: quality.mean())
    return best


def policy_curve(
    table: CascadeTable, estimates: EstimatesOf, make: Callable[[float], Policy], costs: Floats
) -> Curve:
    """Replay a policy at each price; `costs` are the dollars of stages that it expects."""
    choices = tuple(
        Choice(name, recorded_cost=cost) for name, cost in zip(table.names, costs, strict=True)
    )
    points = [_replayed(table, estimates, make(price), choices) for price in PRICES]
    return Curve(*map(np.array, zip(*points, strict=True)))


def _replayed(
    table: CascadeTable, estimates: EstimatesOf, policy: Policy, choices: tuple[Choice, ...]
) -> tuple[Floats, Floats]:
    rng = random.Random(0)
    quality, cost = np.zeros(len(table.rows)), np.zeros(len(table.rows))
    for at in range(len(table.rows)):
        asked: frozenset[int] = frozenset()
        while True:
            known = estimates(asked)[at]
            stage = policy.weigh(known, choices, rng).index(1.0)
            if stage in asked:
                break
            asked |= {stage}
        quality[at] = table.quality[at, stage]
        cost[at] = 1000 * table.cost[at, list(asked)].sum()
    return quality, cost


def thresholds_curve(train: CascadeTable, test: CascadeTable, signal: str) -> Curve:
    """Return the best cascades by thresholds on a signal, one for each price.

    Chains of up to three stages, in the order of cost, and their thresholds among quantiles are
    chosen on the training rows, as FrugalGPT does (arXiv:2305.05176).
    """
    settings = list(_settings(train, signal))
    learnt = np.array([[each.mean() for each in _stopped(train, signal, *s)] for s in settings])
    chosen = {int((learnt[:, 0] - price * learnt[:, 1]).argmax()) for price in PRICES}
    points = [_stopped(test, signal, *settings[at]) for at in sorted(chosen)]
    return Curve(*map(np.array, zip(*points, strict=True)))


def _settings(
    table: CascadeTable, signal: str
) -> Iterator[tuple[tuple[int, ...], tuple[float, ...]]]:
    """Yield chains of stages, and a threshold for each stage but the last."""
    order = np.argsort(table.cost.mean(0), kind="stable").tolist()
    values = np.nan_to_num(table.signal(signal), nan=-np.inf)
    levels = [
        np.unique(np.quantile(v[np.isfinite(v)], np.linspace(0, 1, LEVELS))) for v in values.T
    ]
    for size in range(1, STAGES_AT_MOST + 1):
        for chain in combinations(order, size):
            for least in product(*(levels[at].tolist() for at in chain[:-1])):
                yield chain, least


def _stopped(
    table: CascadeTable, signal: str, chain: tuple[int, ...], least: tuple[float, ...]
) -> tuple[Floats, Floats]:
    """Return the quality and the dollars for a thousand of each row of a cascade by thresholds."""
    values = np.nan_to_num(table.signal(signal), nan=-np.inf)[:, list(chain)]
    passed = np.column_stack([values[:, :-1] >= np.array(least), np.ones(len(values), bool)])
    stop = passed.argmax(1)
    spent = np.cumsum(1000 * table.cost[:, list(chain)], 1)
    rows = np.arange(len(stop))
    return table.quality[rows, np.array(chain)[stop]], spent[rows, stop]
