"""What is defined and never used: its names are checked all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph.scope import unknown
from composer.parts import SIGNALS, parts
from composer.steps import STEPS
from composer.syntax import tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.compiler.graph.context import Context
    from composer.compiler.graph.scope import Binding, Scope


def check_unused(ctx: Context, scope: Scope) -> None:
    """Check the names inside what nothing uses, which is never lowered."""
    values = [
        (binding.statement, binding.statement.value)
        for binding in scope.names.values()
        if isinstance(binding.statement, tree.Let | tree.Def) and _idle(binding)
    ]
    if not values:
        return
    from composer.parts import TEMPLATES

    known = {*scope.visible(), *_steps(), *_part_names(), *SIGNALS, *TEMPLATES, "env"}
    for statement, value in values:
        _check_names(ctx, statement, value, known, scope)


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


def _check_names(
    ctx: Context,
    statement: tree.Let | tree.Def,
    value: tree.Expr,
    known: set[str],
    scope: Scope,
) -> None:
    own = {each.name for each in statement.parameters} if isinstance(statement, tree.Def) else set()
    for each in _named(value):
        name = each.function if isinstance(each, tree.Call) else each.id
        if name in known or name in own:
            continue
        called = isinstance(each, tree.Call)
        place = each.function_place if isinstance(each, tree.Call) else each.place
        among = sorted({*scope.visible(), *_steps(), *own})
        ctx.mistakes.append(unknown(name, place, among, "step" if called else "name"))


def _steps() -> Iterator[str]:
    return (name for name, step in STEPS.items() if not step.sign)


def _part_names() -> Iterator[str]:
    return (name for kind in parts().values() for name in kind)


def _named(value: tree.Expr) -> Iterator[tree.Call | tree.Name]:
    """Yield every call, and every name that stands where a step or a model does."""
    todo: list[tuple[tree.Expr, bool]] = [(value, True)]
    while todo:
        expr, runs = todo.pop()
        match expr:
            case tree.Chain(stages=inner) | tree.Fallback(choices=inner):
                todo += [(each, runs) for each in reversed(inner)]
            case tree.Bank(branches=branches):
                todo += [(branch.value, runs) for branch in reversed(branches)]
            case tree.Call(arguments=arguments):
                yield expr
                todo += [(each.value, False) for each in reversed(arguments)]
            case tree.Binary(left=left, right=right):
                todo += [(right, False), (left, False)]
            case tree.Unary(operand=operand):
                todo.append((operand, False))
            case tree.Name() if runs:
                yield expr
            case _:
                pass
