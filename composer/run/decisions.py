"""The decisions of a route for many queries, without asking any branch."""

from __future__ import annotations

import asyncio
import inspect
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.compiler.graph import topological
from composer.methods.estimators.base import Learned, asked_of
from composer.methods.estimators.values import Choice
from composer.methods.policies.base import Policy
from composer.run.asker import RunAsker
from composer.run.result import Failure
from composer.run.trace import Trace
from composer.run.walk import Walk
from composer.steps.routing import conversation_opening
from composer.values import Decision, Model, Port, Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.compiler.graph import Node
    from composer.methods.estimators.values import Estimates
    from composer.run.program import Program

__all__ = ["decide", "route_of", "routes_of"]

ANSWERS = frozenset({Port.TEXT, Port.CANDIDATES, Port.RANKING})


@dataclass(frozen=True)
class KnownEstimate:
    """An estimator or a policy whose result for a query is already known.

    `name` is the name of the real estimator, for errors.
    """

    name: str
    estimates: Estimates
    weights: tuple[float, ...] | None = None
    many: bool = False

    async def estimate(self, *_: object) -> Estimates:
        return self.estimates

    def weigh(self, *_: object) -> tuple[float, ...]:
        assert self.weights is not None
        return self.weights


def routes_of(program: Program) -> dict[str, Node]:
    """Return the steps that decide among branches, inputs first, by their ids in the plan."""
    routes = [node for node in topological(program.root) if node.port is Port.DECISION]
    return {program.ids[node]: node for node in routes}


def route_of(program: Program, route_id: str | None) -> Node:
    """Return the route of an id, or the last one; raises Failure where there is none."""
    routes = routes_of(program)
    if route_id in routes:
        return routes[route_id]
    if route_id is not None or not routes:
        message = "this recipe has no route to evaluate" + (f", `{route_id}`" if route_id else "")
        raise Failure("E712", message, "evaluate it without `--route-only`")
    return list(routes.values())[-1]


async def decide(program: Program, route: Node, queries: Sequence[Query]) -> list[Decision]:
    """Return a route's decision for each query, as a run with this seed makes them.

    An estimator that judges many queries at once is asked once for all, and so is a policy that
    shares a budget among them. Raises Failure where an answer must come first.
    """
    answer_node = next((node for node in topological(route) if node.port in ANSWERS), None)
    if answer_node is not None:
        message = (
            f"the route {program.ids[route]} does not decide from the query alone: it reads the "
            f"answer of {program.ids[answer_node]}"
        )
        raise Failure("E712", message, "evaluate the recipe without `--route-only`")
    if not route.inputs[0].is_query or not route.step.asks:
        return list(
            await asyncio.gather(*(_decide_by_walk(program, route, each) for each in queries))
        )
    models = await _models(program, route)
    presets = await _preset_parts(program, route, models[: len(route.direct_inputs) - 1], queries)
    pairs = zip(queries, presets, strict=True)
    return [await _decide_one(program, route, (query, *models), each) for query, each in pairs]


async def _preset_parts(
    program: Program, route: Node, models: tuple[Model, ...], queries: Sequence[Query]
) -> list[dict[str, object]]:
    """Return the parts, with known results, that replace those of the route for each query."""
    by, policy = program.options[route].get("by"), route.values().get("policy")
    if not isinstance(by, Learned):
        return [{}] * len(queries)
    choices = _choices(route, models)
    read = conversation_opening if route.get("sticky") else _unchanged
    questions = [asked_of(read(each)) for each in queries]
    estimates = await asyncio.to_thread(by.judge, questions, choices)
    if policy is None or type(policy).decide is Policy.decide:
        return [{"by": KnownEstimate(by.name, each)} for each in estimates]
    weights = policy.decide(estimates, choices, random.Random(program.seed))
    presets = (
        KnownEstimate(by.name, *pair, policy.many) for pair in zip(estimates, weights, strict=True)
    )
    return [{"by": each, "policy": each} for each in presets]


def _unchanged(query: Query) -> Query:
    return query


async def _models(program: Program, route: Node) -> tuple[Model, ...]:
    """Return what the route is given beside the query, which is the same for all queries."""
    walk = Walk(program, Query.of(""), Trace("", ""))
    values = [await walk.value(each) for each in route.inputs[1:]]
    models = tuple(each for each in values if isinstance(each, Model))
    assert len(models) == len(values)
    return models


async def _decide_by_walk(program: Program, route: Node, query: Query) -> Decision:
    decision = await Walk(program, query, Trace(query.id, query.text)).value(route)
    assert isinstance(decision, Decision)
    return decision


async def _decide_one(
    program: Program, route: Node, inputs: tuple[Query | Model, ...], preset: dict[str, object]
) -> Decision:
    """Call the route's own step, with parts whose results are known."""
    query = inputs[0]
    assert isinstance(query, Query)
    trace = Trace(query.id, query.text)
    seed = f"{program.seed}/{query.root.drawn_by}/{route.op}/{getattr(route.options, 'draw', 0)}"
    ask = RunAsker(program.context, trace, trace.begin(program.ids[route], route.op), seed)
    values, options = route.call(inputs, program.options[route])
    decision = route.step.function(*values, **{**options, **preset}, ask=ask)
    decision = await decision if inspect.isawaitable(decision) else decision
    assert isinstance(decision, Decision)
    return decision


def _choices(route: Node, models: tuple[Model, ...]) -> tuple[Choice, ...]:
    names = route.get("names")
    choice_models = models or (None,) * len(names)
    facts = (route.get(each) for each in ("prices", "recorded_costs"))
    return tuple(map(Choice, names, route.get("aliases"), choice_models, *facts))
