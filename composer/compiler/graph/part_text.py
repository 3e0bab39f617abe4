"""A part that is written by itself, such as the value of `--how`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from composer.compiler.graph.arguments import BadValueError
from composer.compiler.graph.context import Context
from composer.compiler.graph.files import Loader, root_of
from composer.compiler.graph.lower import lowering
from composer.compiler.graph.scope import Scope
from composer.diagnostics import Diagnostic, Mistakes
from composer.syntax import parse_expression
from composer.values import Model

if TYPE_CHECKING:
    from composer.values import Typed

P = TypeVar("P", bound="Typed")

__all__ = ["read_part"]


def read_part(text: str, kind: type[P], name: str, folder: Path | None = None) -> P:
    """Read a part of a kind as a recipe would write it: `numeric`, `regex("a|b")`.

    `name` says in messages where the text stands; files are looked up from `folder`, by default
    the working folder. Raises Mistakes, with the place in the text.
    """
    home = folder or Path.cwd()
    context = Context(Loader(root_of(home)), lowering)
    expression = parse_expression(text, name)
    try:
        part = context.values.read(expression, kind, Scope(home))
    except BadValueError as bad:
        raise Mistakes(list(bad.diagnostics)) from None
    assert isinstance(part, kind)
    if any(isinstance(getattr(part, option), Model) for option in type(part).model_fields):
        message = f"`{part.name}` takes a model, and there is none outside of a recipe"
        raise Mistakes([Diagnostic("E402", message, expression.place, "cannot be used here")])
    return part
