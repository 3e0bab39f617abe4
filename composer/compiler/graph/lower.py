"""Lowering: an expression and the wire that reaches it become a node of the graph.

What a function needs lowered it awaits of `ctx.lower`, which goes on elsewhere (see
`composer.trampoline`), so that the depth of a recipe is bounded by memory and not by the stack. A
None stands for something that already was a mistake; whatever depends on it stays silent. Where
only the wire is wrong, lowering goes on as if it were right, so that one look finds the mistakes
behind it too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.backends import BACKENDS
from composer.compiler.graph.calls import definition_scope, lower_name, lower_step_call
from composer.compiler.graph.checks import check_templates
from composer.compiler.graph.context import AsModel, AsStep, all_sound
from composer.compiler.graph.members import member
from composer.compiler.graph.model_mistakes import undeclared
from composer.compiler.graph.options import add_model_settings, defaults_of, options_of
from composer.compiler.graph.params import given_params
from composer.compiler.graph.routes import as_route, branches_of, decided
from composer.compiler.graph.scope import (
    Binding,
    Scope,
    bound_value,
    branch_names,
    label,
    unknown_name,
)
from composer.compiler.graph.step_mistakes import (
    branches_need_query,
    check_branch,
    check_branch_names,
    check_wire,
    model_needs_query,
    not_a_step,
    route_without_branches,
)
from composer.compiler.graph.unreached import check_unreached
from composer.steps import STEPS
from composer.syntax import tree
from composer.trampoline import deep, run
from composer.values import ANSWER_PORTS, Port
from composer.values.flow import unique

if TYPE_CHECKING:
    from composer.compiler.graph.context import Context, Request
    from composer.compiler.graph.node import Node
    from composer.trampoline import DeepCall


def lower(ctx: Context, expr: tree.Expr, wire: Node, scope: Scope) -> Node | None:
    """Return the node of an expression that a wire reaches; None where it holds a mistake."""
    return run(ctx.lower(AsStep(expr, wire, scope)))


def lowering(ctx: Context, request: Request) -> DeepCall[Node | None]:
    """Lower an expression where a step is wanted, or where a model is."""
    return expression(ctx, request) if isinstance(request, AsStep) else member(ctx, request)


@deep
async def expression(ctx: Context, request: AsStep) -> Node | None:
    """Lower an expression in step position: what it gives when a wire reaches it."""
    key = (id(request.expr), request.wire, request.scope)
    if key not in ctx.memo:
        ctx.lowered_expressions.append(request.expr)
        ctx.memo[key] = await _expression(ctx, request.expr, request.wire, request.scope)
    return ctx.memo[key]


async def _expression(ctx: Context, expr: tree.Expr, wire: Node, scope: Scope) -> Node | None:
    match expr:
        case tree.Chain():
            return await _chain(ctx, expr, wire, scope)
        case tree.Branches():
            return await _bank(ctx, expr, wire, scope)
        case tree.Fallback():
            return await _fallback(ctx, expr, wire, scope)
        case tree.Name():
            return await _name(ctx, expr, wire, scope)
        case tree.Call():
            return await _call(ctx, expr, wire, scope)
        case _:
            not_a_step(ctx, expr)
            return None


async def _chain(ctx: Context, chain: tree.Chain, wire: Node, scope: Scope) -> Node | None:
    route: tuple[tree.Name | tree.Call, Scope] | None = None
    value: Node | None = wire
    for stage in chain.stages:
        if value is None:
            check_unreached(ctx, stage, scope)
            continue
        if route is not None:
            value = await decided(ctx, route, stage, value, scope)
            route = None
        else:
            route = as_route(ctx, stage, scope)
            if route is None:
                value = await ctx.lower(AsStep(stage, value, scope))
    if route is not None and value is not None:
        route_without_branches(ctx, route[0])
        return None
    return value


async def _bank(ctx: Context, bank: tree.Branches, wire: Node, scope: Scope) -> Node | None:
    if not bank.branches:
        ctx.say("E206", "a bank needs at least one branch", bank.place, "empty")
        return None
    if wire.port is not Port.QUERY:
        branches_need_query(ctx, bank, wire)
        wire = ctx.graph.query
    if not check_branch_names(ctx, bank):
        return None
    nodes = await branches_of(ctx, bank, wire, scope)
    if nodes is None:
        return None
    names = branch_names(bank)
    for node, branch in zip(nodes, bank.branches, strict=True):
        if not check_branch(ctx, node, ANSWER_PORTS, "a branch of a bank", branch.place):
            return None
    options = defaults_of(ctx, STEPS["bank"], scope)
    options.values["names"] = names
    return ctx.graph.written("bank", nodes, options, bank.place)


async def _fallback(ctx: Context, expr: tree.Fallback, wire: Node, scope: Scope) -> Node | None:
    lowered_choices = [await ctx.lower(AsStep(choice, wire, scope)) for choice in expr.choices]
    nodes = all_sound(lowered_choices)
    if nodes is None:
        return None
    for node, choice in zip(nodes[1:], expr.choices[1:], strict=True):
        who = "every choice of this fallback"
        if not check_branch(ctx, node, frozenset({nodes[0].port}), who, choice.place):
            return None
    names = unique(label(choice) for choice in expr.choices)
    return ctx.graph.node("fallback", nodes, {"names": names}, expr.place)


async def _name(ctx: Context, expr: tree.Name, wire: Node, scope: Scope) -> Node | None:
    binding = scope.find(expr.id)
    if binding is None:
        call = tree.Call(expr.id, (), expr.place, expr.place)
        return await _step(ctx, call, wire, scope, expr)
    value = bound_value(binding)
    if value is not None:
        return await lower_name(ctx, binding, AsStep(value, wire, binding.scope), expr)
    if isinstance(binding.statement, tree.Model):
        model = await ctx.lower(AsModel(expr, scope))
        return _generate(ctx, expr, model, wire, scope)
    return await _call(ctx, tree.Call(expr.id, (), expr.place, expr.place), wire, scope)


async def _call(ctx: Context, call: tree.Call, wire: Node, scope: Scope) -> Node | None:
    binding = scope.find(call.function)
    if binding is None:
        return await _step(ctx, call, wire, scope, call)
    statement = binding.statement
    if isinstance(statement, tree.Def):
        inner = definition_scope(ctx, call, binding, scope)
        return await ctx.lower(AsStep(statement.value, wire, inner)) if inner else None
    if isinstance(statement, tree.Use):
        return await _used(ctx, call, wire, scope, binding)
    model = await ctx.lower(AsModel(tree.Name(call.function, call.function_place), scope))
    return _generate(ctx, call, model, wire, scope)


async def _step(
    ctx: Context, call: tree.Call, wire: Node, scope: Scope, at: tree.Name | tree.Call
) -> Node | None:
    step = STEPS.get(call.function)
    if step is None or step.sign:
        public = [name for name, candidate in STEPS.items() if not candidate.sign]
        names = sorted({*scope.visible(), *public})
        if call.function in BACKENDS:
            undeclared(ctx, call)
            return None
        what = "step" if isinstance(at, tree.Call) else "name"
        ctx.mistakes.append(unknown_name(call.function, call.function_place, names, what))
        return None
    if step.gives is Port.MODEL:
        model = await ctx.lower(AsModel(call, scope))
        return _generate(ctx, call, model, wire, scope)
    if step.gives is Port.DECISION:
        route_without_branches(ctx, at)
        return None
    if step.wire and not check_wire(
        ctx, wire, step.wire.ports, f"`{step.name}`", call.function_place
    ):
        checked = await lower_step_call(ctx, step, call, wire, scope, at)
        return None if step.gives_same else checked
    node = await lower_step_call(ctx, step, call, wire, scope, at)
    if node is not None and wire is ctx.graph.query:
        check_templates(ctx, node)
    return node


def _generate(
    ctx: Context, expr: tree.Name | tree.Call, model: Node | None, wire: Node, scope: Scope
) -> Node | None:
    """Ask a model in step position."""
    if model is None:
        return None
    if wire.port is not Port.QUERY:
        model_needs_query(ctx, expr, wire)
        wire = ctx.graph.query
    step = STEPS.get(expr.function) if isinstance(expr, tree.Call) else None
    takes_options = isinstance(expr, tree.Call) and (step is None or scope.find(expr.function))
    arguments = expr.arguments if takes_options and isinstance(expr, tree.Call) else ()
    place = expr.function_place if isinstance(expr, tree.Call) else expr.place
    name = expr.function if isinstance(expr, tree.Call) else expr.id
    call = tree.Call(name, arguments, expr.place, place)
    hidden = {"draw": ctx.draw(expr, scope)}
    options = options_of(ctx, STEPS["generate"], call, scope, hidden)
    if options is None:
        return None
    add_model_settings(ctx, STEPS["generate"], (wire, model), options)
    return ctx.graph.written("generate", (wire, model), options, expr.place)


async def _used(
    ctx: Context, call: tree.Call, wire: Node, scope: Scope, binding: Binding
) -> Node | None:
    """Lower a whole recipe used as a step: `moa(doubt = 0.5)`."""
    used = binding.scope.used.get(binding.name)
    if used is None:
        return None
    if used.answer is None:
        ctx.say(
            "E207",
            f"`{binding.name}` has no answer, so it cannot be used as a step",
            call.place,
            "here",
        )
        return None
    inner = given_params(ctx, call, binding, scope)
    if inner is None:
        return None
    if not check_wire(ctx, wire, frozenset({Port.QUERY}), f"`{binding.name}`", call.place):
        return None
    return await ctx.lower(AsStep(used.answer.value, wire, inner))
