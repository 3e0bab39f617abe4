"""What answers are taken to cost where a route decides by cost, and how that is known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from composer.compiler.fits import choices_of, fitted_costs, learns_when_asked, routes_by_cost
from composer.compiler.plan.plan import PlannedCost

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composer.compiler.graph import Node
    from composer.methods.estimators.values import Choice

FIT = "mean in the data of the fit; for a query, by its length"
RECORDED = "mean of its recorded answers"
WORK = "what its models cost together, each once"
PRICE = "its price, for 500 tokens read and 500 written"
UNKNOWN = "not known"
DATA = "; costs in the data of `by` come first"


def planned_costs(root: Node, ids: Mapping[Node, str]) -> Iterator[PlannedCost]:
    """Yield the cost of each choice of the routes whose policies need it."""
    for route in routes_by_cost(root):
        means, learns = fitted_costs(route), learns_when_asked(route)
        for choice in choices_of(route):
            dollars, origin = _cost(choice, means.get(choice.name))
            if learns and route.get("by").data is not None:
                origin += DATA
            yield PlannedCost(step=ids[route], choice=choice.name, dollars=dollars, origin=origin)


def _cost(choice: Choice, mean: float | None) -> tuple[float | None, str]:
    if mean is not None:
        return mean, FIT
    if math.isnan(choice.dollars):
        return None, UNKNOWN
    if choice.recorded_cost is None:
        return choice.dollars, PRICE
    return choice.dollars, RECORDED if choice.aliases else WORK
