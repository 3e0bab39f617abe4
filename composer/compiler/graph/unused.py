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
    from composer.compiler.graph.scope import Scope


def check_unused(ctx: Context, scope: Scope) -> None:
    """Warn of names that nothing uses, and check the calls inside them."""
    library = scope.answer is None
    for name, binding in scope.names.items():
        statement = binding.statement
        if binding.used or statement.place.source is not binding.place.source:
            continue
        if not library and isinstance(statement, tree.Let | tree.Def | tree.Param | tree.Model):
            ctx.say("W201", f"`{name}` is never used", binding.place, "defined here")
        if isinstance(statement, tree.Let | tree.Def):
            _check_calls(ctx, statement.value, scope)


def _check_calls(ctx: Context, value: tree.Expr, scope: Scope) -> None:
    known = {*scope.visible(), *(n for n, s in STEPS.items() if not s.sign), *_part_names(), "env"}
    for call in _calls(value):
        if call.function not in known and call.function not in SIGNALS:
            ctx.mistakes.append(unknown(call.function, call.function_place, sorted(known), "step"))


def _part_names() -> Iterator[str]:
    return (name for kind in parts().values() for name in kind)


def _calls(value: tree.Expr) -> Iterator[tree.Call]:
    todo = [value]
    while todo:
        expr = todo.pop()
        match expr:
            case tree.Chain(stages=inner) | tree.Fallback(choices=inner):
                todo.extend(inner)
            case tree.Bank(branches=branches):
                todo.extend(branch.value for branch in branches)
            case tree.Call(arguments=arguments):
                yield expr
                todo.extend(argument.value for argument in arguments)
            case tree.Binary(left=left, right=right):
                todo += [left, right]
            case tree.Unary(operand=operand):
                todo.append(operand)
            case _:
                pass
