"""What a cascade is worth on left-out rows, beside what knows less of the answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from composer.fit.decisions import strongest
from composer.fit.validation import triple
from composer.heavy import np
from composer.methods.estimators.folds import out_of_fold
from composer.methods.estimators.learned import Linear
from composer.metrics import difference_interval, mean_interval, mixture, stops_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from composer.fit.decisions import RoutedOutcomes
    from composer.methods.cascade_table import CascadeTable
    from composer.methods.estimators.folds import Split
    from composer.methods.estimators.values import Floats

POINTS = 40
"""Settings of a baseline that are tried."""


@dataclass(frozen=True, eq=False)
class Baselines:
    """The qualities and costs of what a cascade is compared with, a point a setting.

    `cost` [n, k] is that of each stage alone: dollars, or 1 for the strongest and 0 for the others
    where dollars are unknown or all 0. Each curve is a quality and a cost a point, [points, n].
    """

    table: CascadeTable
    cost: Floats
    in_dollars: bool
    curves: dict[str, tuple[Floats, Floats]]

    @classmethod
    def of(cls, table: CascadeTable, splits: Sequence[Split], seed: int) -> Self:
        """Work out single stages, the maximum probability, and a router of questions."""
        cost, in_dollars = _comparable_costs(table)
        curves = {"over_zero": (table.quality.T, cost.T)}
        if (probable := _by_probability(table, cost)) is not None:
            curves["over_probability"] = probable
        curves["over_router"] = _by_question(table, cost, splits, seed)
        return cls(table, cost, in_dollars, curves)

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return what the baselines give on some of the rows."""
        curves = {name: (q[:, rows], c[:, rows]) for name, (q, c) in self.curves.items()}
        return replace(self, table=self.table.taken(rows), cost=self.cost[rows], curves=curves)


def cascade_gains(
    results: RoutedOutcomes, baselines: Baselines, seed: int
) -> dict[str, list[float]]:
    """Return the quality of a cascade's answers, and by how much it exceeds each baseline.

    `over_single` is the paired gain over always asking the best single stage, `over_last` over the
    last one. The others are at the same mean cost: `over_zero` over the zero-router of stages,
    `over_probability` over a threshold on the probability of the answer, `over_router` over a
    linear router of questions, fitted on the same rows. Their settings are chosen on one half of
    the rows and compared on the other, both ways. Each value comes with its 95% interval; rows
    without the quality of some stage are passed over.
    """
    quality = baselines.table.quality
    rows = np.flatnonzero(np.isfinite(quality).all(1) & np.isfinite(results.quality))
    if not len(rows):
        return {}
    ours = results.quality[rows].tolist()
    spent = _spent(results, baselines)[rows]
    strong, last = strongest(baselines.table.labels), quality.shape[1] - 1
    others = {"over_single": quality[rows, strong]}
    if strong != last:
        others["over_last"] = quality[rows, last]
    for name, (curve, cost) in baselines.curves.items():
        others[name] = _at_cost(curve[:, rows], cost[:, rows], spent)
    figures = {"quality": mean_interval(ours, seed=seed)} | {
        name: difference_interval(ours, each.tolist(), seed=seed) for name, each in others.items()
    }
    return {name: triple(each) for name, each in figures.items()}


def _comparable_costs(table: CascadeTable) -> tuple[Floats, bool]:
    """Return the cost of each stage alone [n, k], and whether these are dollars.

    Where dollars are unknown or all 0, the strongest stage costs 1 and the others nothing, so that
    what is compared asks it equally often.
    """
    dollars = table.filled_cost
    if dollars is not None and dollars.any():
        return dollars, True
    cost = np.zeros(table.cost.shape)
    cost[:, strongest(table.labels)] = 1.0
    return cost, False


def _at_cost(quality: Floats, cost: Floats, spent: Floats) -> Floats:
    """Return the expected quality [n] of the mixture of settings [settings, n] at the mean cost.

    `spent` [n] is the cost of the decisions that are compared. The means are over the same rows, so
    that a cascade that always takes one setting is compared with this setting.
    """
    expected = np.full(quality.shape[1], np.nan)
    halves = np.arange(len(expected)) % 2 == 0
    for held_out in (halves, ~halves):
        chosen_on = ~held_out if (~held_out).any() else held_out
        curve = cost[:, chosen_on].mean(1), quality[:, chosen_on].mean(1)
        weights = mixture(*curve, float(spent[chosen_on].mean()))
        expected[held_out] = weights @ quality[:, held_out]
    return expected


def _spent(results: RoutedOutcomes, baselines: Baselines) -> Floats:
    """Return the cost of a cascade's decisions in the unit of its baselines."""
    known = np.isfinite(results.cost)
    if baselines.in_dollars and known.any():
        return np.where(known, results.cost, np.nanmean(results.cost))
    return results.share


def _by_probability(table: CascadeTable, cost: Floats) -> tuple[Floats, Floats] | None:
    """Return the curve of one threshold on the probability of every answer; None without any."""
    confidence = table.confidence[:, :-1]
    if not np.isfinite(confidence).any():
        return None
    known = np.where(np.isfinite(confidence), confidence, -np.inf)
    values = np.unique(np.quantile(known[np.isfinite(known)], np.linspace(0, 1, POINTS)))
    stops = [stops_at(known, each) for each in (-np.inf, *values, np.inf)]
    stages = np.arange(len(table.names))
    quality = np.array([table.quality[np.arange(len(stop)), stop] for stop in stops])
    return quality, np.array([(cost * (stages <= stop[:, None])).sum(1) for stop in stops])


def _by_question(
    table: CascadeTable, cost: Floats, splits: Sequence[Split], seed: int
) -> tuple[Floats, Floats]:
    """Return the curve of a linear router of questions, each row by a fit that did not see it."""
    mean = out_of_fold(Linear(), table.labels, splits, seed).mean
    dear = cost.mean(0)
    gain, dearer = mean[:, :, None] - mean[:, None, :], dear[:, None] - dear[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = np.where(dearer > 0, gain / dearer, np.nan).ravel()
    rates = rates[np.isfinite(rates) & (rates >= 0)]
    prices = np.quantile(rates, np.linspace(0, 1, POINTS)) if len(rates) else np.zeros(1)
    chosen = [(mean - price * dear).argmax(1) for price in np.unique([0.0, *prices])]
    rows = np.arange(len(mean))
    quality = np.array([table.quality[rows, each] for each in chosen])
    return quality, np.array([cost[rows, each] for each in chosen])
