"""Costs that a route's policy needs: from the data of its fit, else from the recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph import topological
from composer.diagnostics import Diagnostic, Mistakes
from composer.methods.estimators.base import Learned
from composer.methods.estimators.costs import unknown_cost_text, without_cost
from composer.methods.estimators.values import Choice
from composer.methods.policies.base import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composer.compiler.graph import Node


def choices_of(node: Node) -> tuple[Choice, ...]:
    """Return the choices of a route, or the stages of a cascade, without their models."""
    names = "stage_names" if node.op == "cascade" else "names"
    columns = (node.get(each) for each in (names, "aliases", "prices", "recorded_costs"))
    return tuple(
        Choice(name, aliases, None, price, cost)
        for name, aliases, price, cost in zip(*columns, strict=True)
    )


def routes_by_cost(root: Node) -> Iterator[Node]:
    """Yield the routes of a graph whose policies need costs."""
    for node in topological(root):
        policy = node.values().get("policy")
        if isinstance(policy, Policy) and policy.needs_costs:
            yield node


def fitted_costs(route: Node) -> Mapping[str, float | None]:
    """Return each choice's mean dollars an answer in the data of the route's fit, if it has one."""
    by = route.values().get("by")
    fitted = by.fitted if isinstance(by, Learned) else None
    return {} if fitted is None else fitted.facts.get("costs", {})


def learns_when_asked(route: Node) -> bool:
    """Say whether a route's estimator is not fitted: it learns from its own `data`, if at all."""
    by = route.values().get("by")
    return isinstance(by, Learned) and by.fitted is None


def demand_costs(root: Node) -> None:
    """Refuse a graph with a policy that needs costs which are not known; raises Mistakes (E511).

    An estimator that learns from its own `data` may know them: it is asked when it has learnt.
    """
    for route in routes_by_cost(root):
        if learns_when_asked(route):
            continue
        if unknown := without_cost(choices_of(route), fitted_costs(route)):
            text, advice = unknown_cost_text(f"`{route.get('policy').name}`", unknown)
            raise Mistakes([Diagnostic("E511", text, help=advice)])
