"""Using what is defined: a step with its inputs and options, a name, an instance of a `def`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph.arguments import BadValueError, match_arguments
from composer.compiler.graph.choices import decides_by_stage, stage_choices
from composer.compiler.graph.context import AsModel, AsStep, all_sound
from composer.compiler.graph.options import add_model_settings, call_options, place_inputs
from composer.compiler.graph.scope import Binding, Scope, follow
from composer.compiler.graph.step_mistakes import check_branch, defined_by_itself
from composer.compiler.graph.values import UnloweredModel
from composer.diagnostics import Note
from composer.specs import OptionModel, models_in, with_models
from composer.steps import Role
from composer.syntax import tree
from composer.values import Model, Port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from composer.compiler.graph.context import Context, Request
    from composer.compiler.graph.graph import Options
    from composer.compiler.graph.node import Node
    from composer.steps import Step


async def lower_step_call(  # noqa: PLR0913 - a call, where it stands and what reaches it
    ctx: Context,
    step: Step,
    call: tree.Call,
    wire: Node | None,
    scope: Scope,
    at: tree.Expr,
    homes: Mapping[int, Scope] | None = None,
    **hidden: object,
) -> Node | None:
    """Lower a call of a step: its inputs, then its options.

    `homes` says in which scope an input is read that comes from elsewhere than the call.
    """
    try:
        placed, rest = place_inputs(step, call)
    except BadValueError as bad:
        ctx.catch(bad)
        return None
    lowered_inputs = []
    for input_, expr in placed:
        if input_.role is Role.LATER:
            lowered_inputs.append(await lower_branch(ctx, step, expr, wire, scope, input_.ports))
        else:
            home = (homes or {}).get(id(expr), scope)
            lowered_inputs.append(await ctx.lower(AsModel(expr, home)))
    if step.options.model_fields.get("draw"):
        hidden["draw"] = ctx.draw(at, scope)
    options = call_options(ctx, step, rest, scope, call, hidden)
    held_models = None if options is None else await lower_held_models(ctx, options)
    nodes = all_sound(lowered_inputs)
    if options is None or held_models is None or nodes is None:
        return None
    inputs = (wire, *nodes) if step.wire and wire else nodes
    if not _enough(ctx, step, call, inputs):
        return None
    add_model_settings(ctx, step, inputs, options)
    if "stage_names" in step.hidden and decides_by_stage(options.values):
        options.values.update(stage_choices(inputs))
    return ctx.graph.written(step.name, inputs, options, at.place, held_models)


async def lower_held_models(ctx: Context, options: Options) -> tuple[Node, ...] | None:
    """Lower the models that options hold, and let each option say which of them it means."""
    models = [model for value in options.values.values() for model, _ in models_in(value)]
    unlowered = [model for model in models if isinstance(model, UnloweredModel)]
    lowered_models = [await ctx.lower(AsModel(model.expr, model.scope)) for model in unlowered]
    nodes = all_sound(lowered_models)
    if nodes is None:
        return None
    held_models = tuple(dict.fromkeys(nodes))
    places: dict[Model, Model] = {
        model: OptionModel(node.title, held_models.index(node))
        for model, node in zip(unlowered, nodes, strict=True)
    }
    for name, value in options.values.items():
        options.values[name] = with_models(value, places.__getitem__)
    return held_models


async def lower_branch(  # noqa: PLR0913 - a branch, where it stands and what it may give
    ctx: Context,
    step: Step,
    expr: tree.Expr,
    wire: Node | None,
    scope: Scope,
    ports: frozenset[Port],
) -> Node | None:
    """Lower a branch that a step may run: it is asked the query that the wire belongs to."""
    query = origin_query(wire) if wire is not None else None
    if query is None:
        return None
    node = await ctx.lower(AsStep(expr, query, scope))
    if node is not None and not check_branch(
        ctx, node, ports, f"a stage of `{step.name}`", expr.place
    ):
        return None
    return node


def _enough(ctx: Context, step: Step, call: tree.Call, inputs: tuple[Node, ...]) -> bool:
    """Check that no input is missing."""
    lacking = step.lacking([node.port for node in inputs])
    if lacking is not None:
        ctx.say(lacking.code, lacking.text, call.place, lacking.label, help=lacking.help)
    return lacking is None


def definition_scope(ctx: Context, call: tree.Call, binding: Binding, scope: Scope) -> Scope | None:
    """Return the scope of one use of a `def`: its parameters bound to what is given."""
    definition = binding.statement
    assert isinstance(definition, tree.Def)
    names = [parameter.name for parameter in definition.parameters]
    try:
        arguments = match_arguments(call, names, names)
    except BadValueError as bad:
        ctx.catch(bad)
        return None
    if scope.within(definition):
        defined_by_itself(ctx, binding, call)
        return None
    inner = Scope(binding.scope.folder, parent=binding.scope)
    inner.definition, inner.caller = definition, scope
    for parameter in definition.parameters:
        if parameter.name not in arguments and parameter.default is None:
            text = f"`{definition.name}` needs `{parameter.name}`"
            notes = (Note(definition.name_place, "defined here"),)
            ctx.say("E206", text, call.place, f"`{parameter.name}` is missing", notes=notes)
            return None
        argument = arguments.get(parameter.name)
        value, home = (argument.value, scope) if argument else (parameter.default, inner)
        bound = Binding(parameter.name, parameter, home, parameter.place, value)
        inner.names[parameter.name] = bound
    return inner


def follow_definitions(
    ctx: Context, expr: tree.Expr, scope: Scope, predicate: Callable[[tree.Expr, Scope], bool]
) -> tuple[tree.Expr, Scope]:
    """Follow names, and uses of a `def`, as long as they lead to something that is wanted."""
    target, home = follow(expr, scope)
    while (binding := _definition(target, home)) is not None and _leads(binding, predicate):
        assert isinstance(target, tree.Call)
        inner = definition_scope(ctx, target, binding, home)
        if inner is None:
            break
        target, home = follow(_body(binding), inner)
    return target, home


def _leads(binding: Binding, predicate: Callable[[tree.Expr, Scope], bool]) -> bool:
    """Say whether the body of a `def` is what is wanted, or uses another one whose body is."""
    visited: set[Binding] = set()
    following: Binding | None = binding
    while following is not None and following not in visited:
        visited.add(following)
        body, home = follow(_body(following), following.scope)
        if predicate(body, home):
            return True
        following = _definition(body, home)
    return False


def _definition(expr: tree.Expr, scope: Scope) -> Binding | None:
    """Return the `def` that an expression is a use of."""
    binding = scope.find(expr.function) if isinstance(expr, tree.Call) else None
    return binding if binding is not None and isinstance(binding.statement, tree.Def) else None


def _body(binding: Binding) -> tree.Expr:
    assert isinstance(binding.statement, tree.Def)
    return binding.statement.value


async def lower_name(
    ctx: Context, binding: Binding, request: Request, at: tree.Expr
) -> Node | None:
    """Lower what a name stands for, unless it stands for itself."""
    if binding in ctx.active:
        defined_by_itself(ctx, binding, at)
        return None
    ctx.active.add(binding)
    result = await ctx.lower(request)
    ctx.active.discard(binding)
    return result


def origin_query(wire: Node) -> Node | None:
    """Return the query that a wire's value belongs to."""
    return wire if wire.port is Port.QUERY else wire.origin
