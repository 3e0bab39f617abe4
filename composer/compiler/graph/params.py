"""Parameters: their values held against their types."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING

from composer.compiler.graph.arguments import BadValueError, match_arguments
from composer.compiler.graph.option_types import type_text
from composer.compiler.graph.scope import bound_value, follow
from composer.compiler.graph.value_mistakes import no_value
from composer.diagnostics import Note
from composer.syntax import tree

if TYPE_CHECKING:
    from composer.compiler.graph.context import Context
    from composer.compiler.graph.scope import Binding, Scope

TYPES: dict[str, object] = {"int": int, "float": float, "str": str, "bool": bool, "path": str}


def check_param(ctx: Context, binding: Binding, *, needed: bool = True) -> bool:
    """Say whether a parameter's value is of its type; record the mistake if it is not.

    A value given from outside that is wrong is put aside, so that it is reported once. One that
    is not `needed` may be missing, since whoever uses the recipe gives it.
    """
    param = binding.statement
    assert isinstance(param, tree.Param)
    value, hint = bound_value(binding), _hint(param.type)
    if value is None:
        if needed:
            ctx.mistakes.append(no_value(param))
        return not needed
    if hint is None:
        return True
    try:
        ctx.values.read(value, hint, binding.scope)
    except BadValueError as bad:
        inner, _ = follow(value, binding.scope)
        for diagnostic in bad.diagnostics:
            retyped = diagnostic.code == "E401"
            text = f"`{param.name}` must be {type_text(hint)}" if retyped else diagnostic.message
            place = inner.place if retyped else diagnostic.place
            ctx.say(diagnostic.code, text, place, diagnostic.label, help=diagnostic.help)
        binding.value = None
        return False
    return True


def given_params(ctx: Context, call: tree.Call, binding: Binding, scope: Scope) -> Scope | None:
    """Return the scope of one use of a recipe as a step, its parameters as the call gives them."""
    used = binding.scope.used[binding.name]
    params = [n for n, b in used.names.items() if isinstance(b.statement, tree.Param)]
    try:
        arguments = match_arguments(call, [], params)
    except BadValueError as bad:
        ctx.catch(bad)
        return None
    inner = used.copied({name: (argument.value, scope) for name, argument in arguments.items()})
    missing_param = next((name for name in params if bound_value(inner.names[name]) is None), None)
    if missing_param is not None:
        text = f"`{binding.name}` needs `{missing_param}`"
        notes = (Note(inner.names[missing_param].place, "has no default"),)
        ctx.say("E206", text, call.place, f"`{missing_param}` is missing", notes=notes)
        return None
    sound = [check_param(ctx, inner.names[name]) for name in arguments]
    return inner if all(sound) else None


def _hint(type_: tree.Type) -> object:
    if type_.name == "list":
        item = _hint(type_.item) if type_.item else None
        return types.GenericAlias(tuple, (item, ...)) if item else None
    return TYPES.get(type_.name)
