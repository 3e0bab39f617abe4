"""The decisions of a route for many queries, without asking any branch."""

from __future__ import annotations

import asyncio
import inspect
import random
from functools import partial
from typing import TYPE_CHECKING, cast

from composer.compiler.graph import topological
from composer.methods.estimators.base import Learned, asked_of
from composer.methods.estimators.values import Choice
from composer.methods.policies.base import Policy
from composer.run.asker import RunAsker
from composer.run.queries import asked_text
from composer.run.result import Failure
from composer.run.trace import Trace
from composer.run.walk import Walk
from composer.steps.routing import (
    conversation_opening,
    decision_of,
    default_policy,
    draws_of,
)
from composer.values import ANSWER_PORTS, Decision, Model, Port, Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.compiler.graph import Node
    from composer.methods.policies.base import Weigher, Weights
    from composer.run.program import Program

__all__ = ["decide", "route_of", "routes_of"]


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
    answer_node = next((node for node in topological(route) if node.port in ANSWER_PORTS), None)
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
    by = program.options[route].get("by")
    if isinstance(by, Learned) and route.op == "route":
        choices = _choices(route, models[: len(route.direct_inputs) - 1])
        return await _decide_by_estimates(program, route, by, choices, queries)
    return [await _decide_one(program, route, (query, *models)) for query in queries]


async def _decide_by_estimates(
    program: Program,
    route: Node,
    by: Learned,
    choices: tuple[Choice, ...],
    queries: Sequence[Query],
) -> list[Decision]:
    """Return the decisions by an estimator that judges all queries at once."""
    sticky: bool = route.get("sticky")
    read = conversation_opening if sticky else _unchanged
    questions = [asked_of(read(each)) for each in queries]
    if by.is_quick(len(questions)):
        estimates = by.judge(questions, choices)
    else:
        estimates = await asyncio.to_thread(by.judge, questions, choices)
    policy: Policy = route.values()["policy"] or default_policy(fused=route.get("fused"))
    weigher = cast("Weigher", program.options[route]["policy"] or policy)
    shares_budget = type(policy).decide is not Policy.decide
    budgeted = (
        policy.decide(estimates, choices, random.Random(program.seed)) if shares_budget else []
    )

    def weights(at: int) -> Weights:
        if shares_budget:
            return budgeted[at]
        rng = random.Random(_seed(program, route, queries[at]))
        rng = draws_of(queries[at], rng, sticky=sticky)
        return weigher.weigh(estimates[at], choices, rng)

    names = route.get("names")
    return [
        decision_of(query, names, (by.name, each), partial(weights, at), many=weigher.many)
        for at, (query, each) in enumerate(zip(queries, estimates, strict=True))
    ]


def _seed(program: Program, route: Node, query: Query) -> str:
    draw = getattr(route.options, "draw", 0)
    return f"{program.seed}/{query.root.drawn_by}/{route.op}/{draw}"


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
    decision = await Walk(program, query, Trace(query.id, asked_text(query))).value(route)
    assert isinstance(decision, Decision)
    return decision


async def _decide_one(program: Program, route: Node, inputs: tuple[Query | Model, ...]) -> Decision:
    """Call the route's own step."""
    query = inputs[0]
    assert isinstance(query, Query)
    trace = Trace(query.id, asked_text(query))
    event = trace.begin(program.ids[route], route.op)
    ask = RunAsker(program.context, trace, event, _seed(program, route, query))
    values, options = route.call(inputs, program.options[route])
    decision = route.step.function(*values, **options, ask=ask)
    decision = await decision if inspect.isawaitable(decision) else decision
    assert isinstance(decision, Decision)
    return decision


def _choices(route: Node, models: tuple[Model, ...]) -> tuple[Choice, ...]:
    names = route.get("names")
    choice_models = models or (None,) * len(names)
    facts = (route.get(each) for each in ("prices", "recorded_costs"))
    return tuple(map(Choice, names, route.get("aliases"), choice_models, *facts))
