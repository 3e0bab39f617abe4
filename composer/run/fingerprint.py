"""The fingerprint of a recipe, in twelve digits: its graph, its models by content, its seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from composer.backends import Declaration
from composer.compiler.graph import topological
from composer.compiler.plan.option_text import declared_text, option_text
from composer.methods import Rule
from composer.specs.content import file_digest, json_digest
from composer.specs.option_models import OptionModel
from composer.steps.asking import PLACES
from composer.values import Trainable
from composer.values.flow import unique
from composer.values.typed import Typed, file_of, written_file_of

if TYPE_CHECKING:
    from pydantic import BaseModel

    from composer.compiler.graph import Node

DIGITS = 12

TIMING = frozenset({"timeout", "min", "ahead", *PLACES})
"""Options that say when or where there is an answer, or none, never which it is."""


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


Facts = dict[str, list[str]]
"""By what a recipe sets: how it is written, and a digest of it."""


def facts(root: Node, seed: int) -> Facts:
    """Return what a fingerprint is made of, so that a person can be told what has changed."""
    order = [node for node in topological(root) if not node.is_query]
    titles = unique(_title(node) for node in order)
    found: Facts = {
        "the seed": _fact(str(seed), seed),
        "the steps": _fact(", ".join(node.op for node in order if node.declaration is None), None),
    }
    for node, title in zip(order, titles, strict=True):
        if node.declaration is not None:
            text = declared_text(node.declaration)
            found[f"the model `{node.title}`"] = _fact(text, node.declaration.content())
            continue
        for name, plain in _relevant_options(node).items():
            found[f"`{name}` of `{title}`"] = _fact(option_text(node.values()[name]), plain)
    return found


def changes(before: Facts, now: Facts) -> list[str]:
    """Say in words what differs between two recipes."""
    lines = []
    for name in dict.fromkeys([*before, *now]):
        old, new = before.get(name), now.get(name)
        if old is None or new is None:
            lines.append(f"{name} is {'new' if old is None else 'gone'}")
        elif old[0] != new[0]:
            lines.append(f"{name}: {old[0]} before, {new[0]} now")
        elif old[1] != new[1]:
            lines.append(f"{name}: its content has changed")
    return lines


def _title(node: Node) -> str:
    models = ", ".join(each.title for each in node.direct_inputs if each.declaration is not None)
    return f"{node.op}({models})" if models else node.op


def _fact(text: str, content: object) -> list[str]:
    return [text, json_digest(content)[:DIGITS]]


def _relevant_options(node: Node) -> dict[str, object]:
    """Return the options on which an answer depends.

    Options without a value are left out, so a new option changes no fingerprint. So are those of
    timing.
    """
    options, values = node.options, node.values()
    names = [name for name, value in values.items() if value is not None and name not in TIMING]
    return {name: _field(options, name) for name in names} if options is not None else {}


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


def _field(options: BaseModel, name: str) -> object:
    path, written = file_of(options, name), written_file_of(options, name)
    if written is not None:
        return Path(written).name
    return _plain(getattr(options, name)) if path is None else file_digest(path)
