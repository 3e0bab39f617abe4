"""Lowering where a model is wanted: declared models, fuses, formulas and prompted members."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.backends import BACKENDS
from composer.compiler.graph.arguments import BadValueError
from composer.compiler.graph.calls import definition_scope, lower_name, lower_step_call
from composer.compiler.graph.context import AsModel
from composer.compiler.graph.formulas import formula_terms, is_formula, subtracted
from composer.compiler.graph.model_mistakes import (
    formula_with_weights,
    member_with_options,
    no_prompt,
    not_a_model,
    unusable_option,
)
from composer.compiler.graph.options import options_of
from composer.compiler.graph.scope import Binding, Scope, bound_value, follow, label, unknown_name
from composer.compiler.graph.value_mistakes import no_value
from composer.methods import Logs
from composer.steps import STEPS, Step
from composer.syntax import tree, unparse
from composer.trampoline import deep
from composer.values import Port
from composer.values.flow import unique

if TYPE_CHECKING:
    from composer.compiler.graph.context import Context
    from composer.compiler.graph.node import Node


@deep
async def member(ctx: Context, request: AsModel) -> Node | None:
    """Lower an expression where a model is wanted: a name, a fuse, or a prompt before one."""
    key = ("model", id(request.expr), request.scope)
    if key not in ctx.memo:
        ctx.lowered_expressions.append(request.expr)
        ctx.memo[key] = await _member(ctx, request.expr, request.scope)
    return ctx.memo[key]


async def _member(ctx: Context, expr: tree.Expr, scope: Scope) -> Node | None:
    match expr:
        case tree.Name(id=name):
            return await _model_named(ctx, name, expr, scope)
        case tree.Call(function=name):
            return await _model_called(ctx, name, expr, scope)
        case tree.Branches(branches=(branch,)):
            return await ctx.lower(AsModel(branch.value, scope))
        case tree.Chain(stages=(*before, last)):
            return await _model_prompted(ctx, before, last, scope)
        case _:
            not_a_model(ctx, expr)
            return None


async def _model_named(ctx: Context, name: str, expr: tree.Name, scope: Scope) -> Node | None:
    binding = scope.find(name)
    if binding is None:
        names = sorted(set(scope.visible()))
        ctx.mistakes.append(unknown_name(name, expr.place, names))
        return None
    value = bound_value(binding)
    if value is not None:
        return await lower_name(ctx, binding, AsModel(value, binding.scope), expr)
    if isinstance(binding.statement, tree.Model):
        return declared_model(ctx, binding)
    if isinstance(binding.statement, tree.Param):
        ctx.mistakes.append(no_value(binding.statement))
    elif not isinstance(binding.statement, tree.Use) or name in binding.scope.used:
        not_a_model(ctx, expr)
    return None


async def _model_called(ctx: Context, name: str, call: tree.Call, scope: Scope) -> Node | None:
    binding = scope.find(name)
    if binding is not None and isinstance(binding.statement, tree.Def):
        inner = definition_scope(ctx, call, binding, scope)
        if inner is None:
            return None
        return await ctx.lower(AsModel(binding.statement.value, inner))
    if binding is not None and isinstance(binding.statement, tree.Model):
        member_with_options(ctx, call)
        return None
    step = STEPS.get(name)
    if binding is not None or step is None or step.gives is not Port.MODEL or step.sign:
        not_a_model(ctx, call)
        return None
    return await _fused(ctx, step, call, scope)


async def _fused(ctx: Context, step: Step, call: tree.Call, scope: Scope) -> Node | None:
    """Lower a fuse, whose members may be a list, or one formula."""
    call, homes, named = _spliced(call, scope)
    hidden: dict[str, object] = {}
    members = [a for a in call.arguments if a.name is None]
    formula, home = _formula(step, members, homes, scope)
    if formula is not None:
        unusable = next((a for a in call.arguments if a.name in ("weights", "combine")), None)
        if unusable is not None:
            formula_with_weights(ctx, unusable)
            return None
        try:
            terms = formula_terms(ctx.values, formula, home)
            odd = subtracted(ctx.values, formula, home, unparse(terms[0][0]))
        except BadValueError as bad:
            ctx.catch(bad)
            return None
        homes = {id(e): s for e, s, _ in terms}
        members = [tree.Argument(None, e, e.place, e.place) for e, _, _ in terms]
        options = (a for a in call.arguments if a.name)
        call = replace(call, arguments=(*members, *options))
        weights = tuple(by for *_, by in terms)
        summed = {"combine": Logs(), "normalize": False, "weights": weights, "subtracted": odd}
        hidden = {
            name: value for name, value in summed.items() if name in step.options.model_fields
        }
    hidden["names"] = unique(named.get(id(a.value)) or label(a.value) for a in members)
    node = await lower_step_call(ctx, step, call, None, scope, call, homes, **hidden)
    if node is None or not ctx.shallow(node, call.place):
        return None
    return node if _usable(ctx, call, node) else None


def _usable(ctx: Context, call: tree.Call, node: Node) -> bool:
    """Say whether the options of a fuse can be used together with its members."""
    problems = [item for item in ctx.graph.problems(node) if item.field]
    for problem in problems:
        unusable_option(ctx, call, problem)
    return not problems


def _spliced(
    call: tree.Call, scope: Scope
) -> tuple[tree.Call, dict[int, Scope], dict[int, str | None]]:
    """Put the branches of a list given as members in its place: `fuse(members)`.

    Returns also, by the identity of a branch's expression, the scope in which it is to be read
    and its name.
    """
    out: list[tree.Argument] = []
    homes: dict[int, Scope] = {}
    named: dict[int, str | None] = {}
    for argument in call.arguments:
        value, home = follow(argument.value, scope)
        if argument.name is None and isinstance(value, tree.Branches):
            out += [tree.Argument(None, b.value, b.place, b.place) for b in value.branches]
            homes |= {id(branch.value): home for branch in value.branches}
            named |= {id(branch.value): branch.name for branch in value.branches}
        else:
            out.append(argument)
    return replace(call, arguments=tuple(out)), homes, named


def _formula(
    step: Step, members: list[tree.Argument], homes: dict[int, Scope], scope: Scope
) -> tuple[tree.Expr | None, Scope]:
    """Return the formula that a fuse's only member is, if it is one, and where it is read."""
    if len(members) != 1 or not step.formula:
        return None, scope
    value = members[0].value
    expr, home = follow(value, homes.get(id(value), scope))
    return (expr if is_formula(expr) else None), home


async def _model_prompted(
    ctx: Context, before: list[tree.Expr], last: tree.Expr, scope: Scope
) -> Node | None:
    prompts = [stage for stage in before if isinstance(stage, tree.Call) and _is_prompt(ctx, stage)]
    non_prompt = next((stage for stage in before if stage not in prompts), None)
    if non_prompt is not None:
        no_prompt(ctx, non_prompt, last)
        return None
    model = await ctx.lower(AsModel(last, scope))
    for stage in reversed(prompts):
        options = options_of(ctx, STEPS["prompt"], stage, scope, {})
        if options is None or model is None:
            return None
        template = {"template": options.values["template"]}
        model = ctx.graph.node("prompted", (model,), template, stage.place)
        if not ctx.shallow(model, stage.place):
            return None
    return model


def _is_prompt(ctx: Context, stage: tree.Call) -> bool:
    """Say whether a stage is a prompt; that of a member is a template and nothing else."""
    system = next((argument for argument in stage.arguments if argument.name == "system"), None)
    if stage.function == "prompt" and system is not None:
        text = "the prompt of a member cannot have a system message"
        help_ = "put its text into the template"
        ctx.say("E203", text, system.place, "not used here", help=help_)
    return stage.function == "prompt"


def declared_model(ctx: Context, binding: Binding) -> Node | None:
    """Return the node of a declared model, made once."""
    key = ("declared", id(binding.statement), binding.scope)
    if key not in ctx.memo:
        ctx.memo[key] = _declare(ctx, binding)
    return ctx.memo[key]


def _declare(ctx: Context, binding: Binding) -> Node:
    statement = binding.statement
    assert isinstance(statement, tree.Model)
    call = statement.value
    if call.function not in BACKENDS:
        ctx.mistakes.append(
            unknown_name(call.function, call.function_place, list(BACKENDS), "backend")
        )
        return _misdeclared(ctx, statement)
    step, backend = STEPS["model"], BACKENDS[call.function]
    beside = [name for name in step.public_options if name not in backend.model_fields]
    try:
        declaration = ctx.values.typed(call, backend, binding.scope, beside)
    except BadValueError as bad:
        ctx.catch(bad)
        return _misdeclared(ctx, statement)
    model_arguments = tuple(argument for argument in call.arguments if argument.name in beside)
    hidden = {"declaration": declaration, "name": statement.name}
    options = options_of(ctx, step, replace(call, arguments=model_arguments), binding.scope, hidden)
    if options is None:
        return _misdeclared(ctx, statement)
    node = ctx.graph.written("model", (), options, statement.place)
    ctx.declared[node] = statement.name_place
    return node


def _misdeclared(ctx: Context, statement: tree.Model) -> Node:
    """Let a model whose declaration is a mistake stand, so that what asks it is checked too."""
    from composer.backends.fake import Fake

    options = {"declaration": Fake(), "name": statement.name}
    return ctx.graph.node("model", (), options, statement.place)
