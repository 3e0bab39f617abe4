"""What is defined and never used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph.unreached import survey
from composer.syntax import tree

if TYPE_CHECKING:
    from composer.compiler.graph.context import Context
    from composer.compiler.graph.scope import Binding, Scope


def check_unused(ctx: Context, scope: Scope) -> None:
    """Check the names and options inside what nothing uses, which is never lowered."""
    for binding in list(scope.names.values()):
        statement = binding.statement
        if not _idle(binding):
            continue
        if isinstance(statement, tree.Let):
            survey(ctx, statement.value, scope)
        elif isinstance(statement, tree.Def):
            own = frozenset(parameter.name for parameter in statement.parameters)
            survey(ctx, statement.value, scope, own)


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
