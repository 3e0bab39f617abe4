"""Arguments of a call: each is assigned to an option, and pydantic checks the values."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from composer.compiler.graph.scope import Scope, bound_value, follow
from composer.compiler.graph.value_mistakes import (
    EMPTY,
    given_twice,
    leads_back,
    no_value,
    too_many,
    unknown_option,
    validation_mistake,
)
from composer.syntax import tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from composer.diagnostics import Diagnostic


M = TypeVar("M", bound=BaseModel)


class BadValueError(Exception):
    """A value that cannot be used; carries what to tell the user."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__(diagnostics)
        self.diagnostics = diagnostics

    def within(self, arguments: Mapping[str, tree.Argument]) -> BadValueError:
        """Return only what is wrong with a value that is written in one of these arguments."""
        places = {argument.value.place for argument in arguments.values()}
        return BadValueError(*(each for each in self.diagnostics if each.place in places))


def resolve(expr: tree.Expr, scope: Scope) -> tuple[tree.Expr, Scope]:
    """Follow a name to its value; raise BadValueError for a parameter without a value."""
    expr, scope = follow(expr, scope)
    binding = scope.find(expr.id) if isinstance(expr, tree.Name) else None
    if binding is not None and isinstance(binding.statement, tree.Param):
        if bound_value(binding) is None:
            raise BadValueError(no_value(binding.statement))
        raise BadValueError(leads_back(expr))
    return expr, scope


def match_arguments(
    call: tree.Call, positional: Iterable[str], options: Iterable[str]
) -> dict[str, tree.Argument]:
    """Assign a call's arguments to option names, or raise BadValueError with every mistake."""
    free, names = list(positional), list(options)
    arguments: dict[str, tree.Argument] = {}
    mistakes: list[Diagnostic] = []
    for argument in call.arguments:
        name = argument.name
        if name is None:
            name = next((option for option in free if option not in arguments), None)
        if name is None:
            mistakes.append(too_many(call, argument, len(free), names))
        elif name not in names:
            mistakes.append(unknown_option(call.function, argument, names))
        elif name in arguments:
            mistakes.append(given_twice(call, name, argument, arguments[name]))
        else:
            arguments[name] = argument
    if mistakes:
        raise BadValueError(*mistakes)
    return arguments


def validated(
    kind: type[M],
    values: dict[str, object],
    call: tree.Call | tree.Name,
    arguments: dict[str, tree.Argument],
) -> M:
    """Construct a pydantic model; its complaints become ours."""
    try:
        return kind(**values)
    except ValidationError as error:
        short = {problem["loc"][:1] for problem in error.errors() if problem["type"] == EMPTY}
        problems = [
            problem
            for problem in error.errors()
            if problem["type"] == EMPTY
            or problem["loc"][:1] not in short  # not what else it might be
        ]
        raise BadValueError(
            *(validation_mistake(problem, kind, call, arguments) for problem in problems)
        ) from None
