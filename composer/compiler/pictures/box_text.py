"""What a picture writes in a box: the options that matter, in few words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from composer.compiler.plan.option_text import option_text
from composer.methods import Rule, Template
from composer.values import Typed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.backends import Declaration
    from composer.compiler.graph import Node

WEIGHTS = "weights"
"""The option of a fuse that its members show."""


def facts(node: Node) -> tuple[str, ...]:
    """Return the options that a recipe or a rule has set, and those that always matter."""
    return tuple(_facts(node))


def _facts(node: Node) -> Iterator[str]:
    if node.declaration is not None:
        yield declared(node.declaration)
        return
    for name in node.step.public_options:
        inside = node.step.weighed and name == WEIGHTS
        value = node.get(name)
        if value is not None and not inside and (name in node.step.shown or _is_set(node, name)):
            yield f"{name} = {short(value)}"
    yield from _settled(node)


def _settled(node: Node) -> Iterator[str]:
    """Return what a rule settled: members in one pass, how a route weighs those of a fuse."""
    step, options = node.step, node.options
    assert options is not None
    yield from (f"{name} = {short(node.get(name))}" for name in step.set_by_rules if node.get(name))
    usual = step.settled(type(options).model_construct())
    for name, value in step.settled(options).items():
        if value != usual[name]:
            yield f"{name} = {short(value)}"


def _is_set(node: Node, name: str) -> bool:
    return node.options is not None and name in node.options.model_fields_set


def declared(declaration: Declaration) -> str:
    """Write a declared model by its backend and its first option alone: `zoo("large")`."""
    names = [name for name in type(declaration).model_fields if getattr(declaration, name)]
    first = short(getattr(declaration, names[0])) if names else ""
    return f"{declaration.name}({first})"


def short(value: object) -> str:
    """Write a value as a recipe would, parts with the options that are set, files by name."""
    match value:
        case Template():
            return option_text(value)
        case Rule():
            return str(value)
        case Typed():
            names = [name for name in type(value).model_fields if name in value.model_fields_set]
            options = (f"{name} = {short(getattr(value, name))}" for name in names)
            return f"{value.name}({', '.join(options)})"
        case str() if Path(value).is_absolute():
            return option_text(Path(value).name)
        case tuple():
            return f"[{', '.join(short(item) for item in value)}]"
        case _:
            return option_text(value)


def weight(value: float) -> str:
    """Write a member's weight."""
    return f"\N{MULTIPLICATION SIGN}{value:g}".replace("-", "\N{MINUS SIGN}")
