"""The fingerprint of a recipe, in twelve digits: its graph, its models by content, its seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.backends import Declaration
from composer.compiler.graph import topological
from composer.methods import Rule
from composer.specs.content import file_digest, json_digest
from composer.specs.option_models import OptionModel
from composer.values import Trainable
from composer.values.typed import Typed, file_of

if TYPE_CHECKING:
    from composer.compiler.graph import Node

DIGITS = 12

GIVES_UP = frozenset({"timeout", "min"})
"""Options that say when there is no answer, never which it is."""


def fingerprint(root: Node, seed: int) -> str:
    """Return a hash of all that the answers of a graph depend on, except the queries.

    Comments, names of files and where models lie do not matter; options, prompts and the
    contents of models and data files do.
    """
    order = topological(root)
    numbers = {node: at for at, node in enumerate(order)}
    nodes = [
        [node.op, [numbers[source] for source in node.inputs], _relevant_options(node)]
        for node in order
    ]
    return json_digest([seed, nodes])[:DIGITS]


def _relevant_options(node: Node) -> object:
    """Return the options on which an answer depends.

    Options without a value are left out, so a new option changes no fingerprint. So are those that
    only say when to give up.
    """
    options = node.values().items()
    return _plain(
        {name: value for name, value in options if value is not None and name not in GIVES_UP}
    )


def _plain(value: object) -> object:
    """Return an option's value as plain JSON, with digests for models and files."""
    match value:
        case Declaration():
            return value.content()
        case Typed():
            fields = {name: _field(value, name) for name in type(value).model_fields}
            fitted = value.fitted if isinstance(value, Trainable) else None
            return [value.name, fields, *([fitted.digest] if fitted else [])]
        case dict():
            return {str(name): _plain(item) for name, item in value.items()}
        case tuple() | list():
            return [_plain(item) for item in value]
        case str() | int() | float() | None:
            return value
        case _:
            return _text(value)


def _text(value: object) -> object:
    """Return the text of a value; an option's model keeps the text that users' files hold."""
    if isinstance(value, OptionModel):
        return f"Held(name={value.name!r}, at={value.at})"
    return _rule(value) if isinstance(value, Rule) else str(value)


def _rule(rule: Rule) -> object:
    """Write a rule as its text, and with its signals where these have options."""
    signals_with_options = sorted(
        (signal for signal in rule.signals() if type(signal).model_fields), key=str
    )
    return [str(rule), *map(_plain, signals_with_options)] if signals_with_options else str(rule)


def _field(part: Typed, name: str) -> object:
    path = file_of(part, name)
    return _plain(getattr(part, name)) if path is None else file_digest(path)
