"""What an answer of each choice costs: a line over the query's length, from known costs.

A longer question costs more at every model. On recorded data, a line per choice explains nearly all
of the differences in cost between short answers, and is no worse than the mean elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from composer.heavy import np
from composer.methods.mistakes import PartError
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from composer.methods.estimators.values import Asked, Choice, Floats, Labels, Predictions

FEWEST = 20
"""With fewer known costs, the mean is taken for every length."""

SHOWN = 3


def cost_lines(labels: Labels) -> State:
    """Fit dollars = base + slope x characters for each choice: least squares, neither negative.

    `base` and `slope` are [m]; both are NaN for a choice without any known cost.
    """
    lengths = np.array([len(query) for query in labels.queries], dtype=float)
    lines = [_line(lengths, column) for column in labels.cost.T]
    base, slope = np.array(lines, dtype=float).reshape(-1, 2).T
    return State({"base": base, "slope": slope})


def line_costs(state: State, queries: Sequence[Asked]) -> Floats:
    """Return the dollars of an answer to each query [n, m], NaN where nothing is known."""
    lengths = np.array([len(text) for text, _ in queries], dtype=float)
    costs: Floats = state.arrays["base"] + lengths[:, None] * state.arrays["slope"]
    return costs


def with_costs(predictions: Predictions, costs: Floats) -> Predictions:
    """Return predictions whose unknown costs are replaced by others [n, m]."""
    if predictions.cost is not None:
        costs = np.where(np.isnan(predictions.cost), costs, predictions.cost)
    return replace(predictions, cost=costs)


def without_gaps(labels: Labels) -> Labels:
    """Return labels in which a missing cost is what the choice's line says of the query.

    The costs of a choice without any known cost stay NaN.
    """
    if not np.isnan(labels.cost).any():
        return labels
    costs = line_costs(cost_lines(labels), labels.asked)
    return replace(labels, cost=np.where(np.isnan(labels.cost), costs, labels.cost))


def required_costs(labels: Labels, part: str) -> Floats:
    """Return the costs [n, m] that a part needs; raises PartError (E511) if a choice has none."""
    costs = without_gaps(labels).cost
    if unknown := [name for name, empty in _empty(labels) if empty]:
        raise costs_unknown(f"`{part}`", unknown)
    return costs


def known_means(labels: Labels) -> dict[str, float | None]:
    """Return each choice's mean known cost in dollars, None where none is known."""
    return {
        name: None if empty else float(np.nanmean(labels.cost[:, at]))
        for at, (name, empty) in enumerate(_empty(labels))
    }


def without_cost(
    choices: Iterable[Choice], means: Mapping[str, float | None] = MappingProxyType({})
) -> list[str]:
    """Return the names of the choices whose cost neither data nor the recipe tells.

    `means` are the mean costs in the data by name, None where not known.
    """
    return [
        choice.name
        for choice in choices
        if means.get(choice.name) is None and math.isnan(choice.dollars)
    ]


def costs_unknown(part: str, names: Sequence[str]) -> PartError:
    """Return the error of a part that needs costs where those of some choices are not known."""
    return PartError("E511", *unknown_cost_text(part, names))


def unknown_cost_text(part: str, names: Sequence[str]) -> tuple[str, str]:
    """Say that a part needs costs that are not known, and what to write."""
    shown = ", ".join(f"`{name}`" for name in names[:SHOWN])
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    message = f"{part} needs costs, but the cost of {shown}{more} is not known"
    advice = (
        "record the `cost` of the answers in the data, or declare the `price` of the model in "
        "dollars per million tokens, such as `price = [0.5, 1.5]`; a free model has "
        "`price = [0, 0]`"
    )
    return message, advice


def _empty(labels: Labels) -> Iterator[tuple[str, bool]]:
    """Yield each choice, and whether no cost of it is known."""
    for name, costs in zip(labels.names, labels.cost.T, strict=True):
        yield name, bool(np.isnan(costs).all())


def _line(lengths: Floats, costs: Floats) -> tuple[float, float]:
    """Return base and slope of the least-squares line, neither negative."""
    known = ~np.isnan(costs)
    if not known.any():
        return np.nan, np.nan
    x, y = lengths[known], costs[known]
    spread = float(x.var())
    if len(x) < FEWEST or spread == 0:
        return float(y.mean()), 0.0
    slope = float(((x - x.mean()) * (y - y.mean())).mean()) / spread
    base = float(y.mean()) - slope * float(x.mean())
    if slope <= 0:
        return float(y.mean()), 0.0
    return (base, slope) if base >= 0 else (0.0, float(x @ y) / float(x @ x))
