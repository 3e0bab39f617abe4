"""Lowering of `route -> [a, b]`: a decision, and a bank that runs only what it chose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph.calls import follow_definitions, lower_held_models, origin_query
from composer.compiler.graph.choices import choices
from composer.compiler.graph.context import AsModel, AsStep, all_sound
from composer.compiler.graph.graph import Options
from composer.compiler.graph.options import defaults_of, options_of, place_inputs
from composer.compiler.graph.scope import branch_names
from composer.compiler.graph.step_mistakes import (
    check_branch,
    check_branch_names,
    check_wire,
    judged_by_models,
    judges_unfit,
    nothing_to_decide,
    route_without_branches,
    routed_fallback,
)
from composer.methods import Estimator
from composer.steps import STEPS
from composer.syntax import tree
from composer.values import Port

if TYPE_CHECKING:
    from composer.compiler.graph.context import Context
    from composer.compiler.graph.node import Node
    from composer.compiler.graph.scope import Scope


def as_route(
    ctx: Context, stage: tree.Expr, scope: Scope
) -> tuple[tree.Name | tree.Call, Scope] | None:
    """Return the call of `route` that a stage is, directly, through a name or through a `def`."""
    expr, home = follow_definitions(ctx, stage, scope, _is_route)
    return (
        (expr, home) if isinstance(expr, tree.Name | tree.Call) and _is_route(expr, home) else None
    )


def _is_route(expr: tree.Expr, scope: Scope) -> bool:
    """Say whether an expression decides."""
    name = _named(expr)
    step = STEPS.get(name) if name and scope.find(name) is None else None
    return step is not None and step.gives is Port.DECISION


def _named(expr: tree.Expr) -> str:
    """Return the name of the step that an expression is a use of, if it is one."""
    name: str = expr.id if isinstance(expr, tree.Name) else getattr(expr, "function", "")
    return name


def _is_bank(expr: tree.Expr, scope: Scope) -> bool:
    """Say whether an expression is a bank as it is written."""
    del scope
    return isinstance(expr, tree.Branches)


async def decided(
    ctx: Context,
    route: tuple[tree.Name | tree.Call, Scope],
    target: tree.Expr,
    wire: Node,
    scope: Scope,
) -> Node | None:
    """Lower `route -> [a, b]`, or `route -> fuse`, which is a bank of one."""
    (call, call_scope), query = route, origin_query(wire)
    if query is None or wire.port is not Port.QUERY:
        check_wire(ctx, wire, frozenset({Port.QUERY}), "`route`", call.place)
        return None
    bank, bank_scope = _routed(ctx, call, target, scope)
    if bank is None:
        return None
    branches = await branches_of(ctx, bank, wire, bank_scope)
    if branches is None or not check_branch_names(ctx, bank):
        return None
    texts = zip(branches, bank.branches, strict=True)
    who, text = "a branch after a route", frozenset({Port.TEXT})
    if not all(check_branch(ctx, node, text, who, branch.place) for node, branch in texts):
        return None
    names = branch_names(bank)
    judges = await _judges(ctx, call, call_scope)
    route_arguments = (ctx, call, call_scope, wire, branches, bank)
    decision = None if judges is None else await _route(*route_arguments, judges)
    if decision is None:
        return None
    if len(branches) == 1 and not _fused(branches[0]):
        nothing_to_decide(ctx, call, bank.branches[0])
    bank_defaults = defaults_of(ctx, STEPS["bank"], bank_scope)
    return _chosen(
        ctx,
        decision,
        branches,
        Options({**bank_defaults.values, "names": names}, bank_defaults.places),
        bank,
    )


def _chosen(
    ctx: Context, decision: Node, branches: tuple[Node, ...], options: Options, bank: tree.Branches
) -> Node:
    """Return the bank of which a decision chooses one branch, or several."""
    policy, inputs = decision.values().get("policy"), (decision, *branches)
    if policy and policy.many and len(branches) > 1:
        return ctx.graph.written("choose_many", inputs, options, bank.place)
    names = {"names": options.values["names"]}
    return ctx.graph.node("choose", inputs, names, bank.place)


def _routed(
    ctx: Context, route: tree.Expr, target: tree.Expr, scope: Scope
) -> tuple[tree.Branches | None, Scope]:
    """Return the bank that a route feeds, and where it is read; anything else is a bank of one."""
    bank, home = follow_definitions(ctx, target, scope, _is_bank)
    if isinstance(bank, tree.Fallback) and any(isinstance(c, tree.Branches) for c in bank.choices):
        routed_fallback(ctx, route, bank)
        return None, scope
    if not isinstance(bank, tree.Branches):
        return tree.Branches((tree.Branch(None, target, target.place),), target.place), scope
    if not bank.branches:
        route_without_branches(ctx, route)
        return None, scope
    return bank, home


async def branches_of(
    ctx: Context, bank: tree.Branches, wire: Node, scope: Scope
) -> tuple[Node, ...] | None:
    """Lower the branches of a bank; None if one of them is a mistake."""
    return all_sound(
        [await ctx.lower(AsStep(branch.value, wire, scope)) for branch in bank.branches]
    )


async def _judges(
    ctx: Context, call: tree.Name | tree.Call, scope: Scope
) -> tuple[Node, ...] | None:
    """Lower the models in a route's brackets; None if one of them is a mistake."""
    step = STEPS[_named(call)]
    placed, _ = place_inputs(step, call) if isinstance(call, tree.Call) else ([], call)
    return all_sound([await ctx.lower(AsModel(expr, scope)) for _, expr in placed])


async def _route(  # noqa: PLR0913 - the call, where it stands and what it decides among
    ctx: Context,
    at: tree.Name | tree.Call,
    scope: Scope,
    query: Node,
    branches: tuple[Node, ...],
    bank: tree.Branches,
    judges: tuple[Node, ...],
) -> Node | None:
    call = at if isinstance(at, tree.Call) else tree.Call(at.id, (), at.place, at.place)
    step = STEPS[call.function]
    _, call = place_inputs(step, call)
    models = tuple(node.asks if _asks(node, query) else None for node in branches)
    branch_models = tuple(model for model in models if model is not None)
    facts = {"names": branch_names(bank), "judges": len(judges), **choices(models, branches, query)}
    hidden = {name: value for name, value in facts.items() if name in step.hidden}
    options = options_of(ctx, step, call, scope, hidden)
    held_models = None if options is None else await lower_held_models(ctx, options)
    if options is None or held_models is None:
        return None
    inputs = branch_models if len(branch_models) == len(branches) and step.arguments else ()
    node = ctx.graph.written(step.name, (query, *inputs, *judges), options, at.place, held_models)
    by = node.values().get("by")
    if not isinstance(by, Estimator):
        return node
    if judges_unfit(ctx, node):
        return None
    if by.needs and not inputs and len(branches) > 1:
        judged_by_models(ctx, by.name, bank.branches[models.index(None)])
        return None
    return node


def _fused(branch: Node) -> bool:
    """Say whether a branch is one fuse, whose members a route weighs."""
    return branch.asks is not None and branch.asks.step.weighed


def _asks(branch: Node, query: Node) -> bool:
    """Say whether a branch is a model that is asked the query itself."""
    return branch.asks is not None and branch.inputs[0] is query
