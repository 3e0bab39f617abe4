"""What is not lowered: behind a mistake, or never used. Its names and options are checked."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from composer.backends import BACKENDS
from composer.compiler.graph.model_mistakes import undeclared
from composer.compiler.graph.options import call_options, place_inputs
from composer.compiler.graph.scope import unknown_name
from composer.methods import parts
from composer.steps import STEPS
from composer.syntax import tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.compiler.graph.context import Context
    from composer.compiler.graph.scope import Binding, Scope


def check_unreached(
    ctx: Context, value: tree.Expr, scope: Scope, parameters: frozenset[str] | None = None
) -> None:
    """Record unknown names, and options that their steps do not take.

    `own` are the parameters of a `def` that nothing uses: what they stand for is not known, so
    that options are left alone.
    """
    for use in _named(value):
        name = use.function if isinstance(use, tree.Call) else use.id
        step = STEPS.get(name)
        if name in (parameters or ()) or name in scope.visible():
            continue
        if step is None or step.sign:
            _check_name(ctx, use, name, {*scope.visible(), *(parameters or ())})
        elif isinstance(use, tree.Call) and parameters is None:
            _, rest = place_inputs(step, use)
            call_options(ctx, step, rest, scope, use, {})


def _check_name(ctx: Context, at: tree.Call | tree.Name, name: str, visible: set[str]) -> None:
    if name in _others():
        return
    if isinstance(at, tree.Call) and name in BACKENDS:
        undeclared(ctx, at)
        return
    among = sorted({*visible, *(step for step in STEPS if not STEPS[step].sign)})
    if isinstance(at, tree.Call):
        ctx.mistakes.append(unknown_name(name, at.function_place, among, "step"))
    else:
        ctx.mistakes.append(unknown_name(name, at.place, among))


@cache
def _others() -> frozenset[str]:
    """Return the names that stand for no step: of parts, signals and templates."""
    from composer.methods import TEMPLATES

    named = (name for kind in parts().values() for name in kind)
    return frozenset({*named, *TEMPLATES, "env"})


def _named(value: tree.Expr) -> Iterator[tree.Call | tree.Name]:
    """Yield every call, and every name that stands where a step or a model does."""
    todo: list[tuple[tree.Expr, bool]] = [(value, True)]
    while todo:
        expr, runs = todo.pop()
        match expr:
            case tree.Chain(stages=inner) | tree.Fallback(choices=inner):
                todo += [(part, runs) for part in reversed(inner)]
            case tree.Branches(branches=branches):
                todo += [(branch.value, runs) for branch in reversed(branches)]
            case tree.Call(arguments=arguments):
                yield expr
                todo += [(argument.value, False) for argument in reversed(arguments)]
            case tree.Binary(left=left, right=right):
                todo += [(right, False), (left, False)]
            case tree.Unary(operand=operand):
                todo.append((operand, False))
            case tree.Name() if runs:
                yield expr
            case _:
                pass


def check_unused(ctx: Context, scope: Scope) -> None:
    """Check the names and options inside what nothing uses, which is never lowered."""
    for binding in list(scope.names.values()):
        statement = binding.statement
        if not _idle(binding):
            continue
        if isinstance(statement, tree.Let):
            check_unreached(ctx, statement.value, scope)
        elif isinstance(statement, tree.Def):
            parameters = frozenset(parameter.name for parameter in statement.parameters)
            check_unreached(ctx, statement.value, scope, parameters)
            if _calls_itself(statement, scope):
                text = f"the definition of `{statement.name}` uses itself"
                ctx.say("E205", text, statement.name_place, "uses itself")


def _calls_itself(definition: tree.Def, scope: Scope) -> bool:
    """Say whether a `def` leads back to itself, by way of whatever others of this file."""
    todo, visited = [definition], set[str]()
    while todo:
        current = todo.pop()
        own = {parameter.name for parameter in current.parameters}
        for use in _named(current.value):
            name = use.function if isinstance(use, tree.Call) else use.id
            if name == definition.name and name not in own:
                return True
            binding = scope.names.get(name)
            if name in own or name in visited or binding is None:
                continue
            visited.add(name)
            if isinstance(binding.statement, tree.Def):
                todo.append(binding.statement)
    return False


def warn_unused(ctx: Context, scope: Scope) -> None:
    """Warn of what nothing uses; a library's names are there for others."""
    if scope.answer is None:
        return
    for name, binding in scope.names.items():
        if _idle(binding) and not isinstance(binding.statement, tree.Use):
            ctx.say("W201", f"`{name}` is never used", binding.place, "defined here")


def _idle(binding: Binding) -> bool:
    """Say whether a name of this file was never looked up."""
    return not binding.used and binding.statement.place.source is binding.place.source
