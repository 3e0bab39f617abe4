"""What a node of YAML has to be: a name, a text, a mapping of known keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic, Mistakes, Note, Place, did_you_mean
from composer.syntax.from_yaml.mistakes import SHARED, foreign, misshapen
from composer.syntax.from_yaml.nodes import Node, Scalar, YamlMapping, YamlSequence
from composer.syntax.lexemes import STATEMENTS, WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
RESERVED = {*STATEMENTS.values(), *(word.lower() for word in WORDS)}


def keyed(node: YamlMapping) -> Iterable[tuple[str, Place, Node]]:
    """Give the keys of a mapping, each of which has to be a name and stand once."""
    places: dict[str, Place] = {}
    for key, value in node.entries:
        name = named(key, "a key")
        if name in places:
            raise twice(name, key.place, places[name])
        places[name] = key.place
        yield name, key.place, value


def twice(name: str, place: Place, first: Place, help_: str = "") -> Mistakes:
    """Refuse a key that stands twice in one mapping."""
    message = f"`{name}` is given twice"
    note = (Note(first, "the first one"),)
    return Mistakes([Diagnostic("E204", message, place, "the second one", note, help_)])


BRANCH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*([-.][A-Za-z0-9_]+)+")
"""The name of a branch that is no name elsewhere: `gpt-4o`."""


def branch_name(node: Node) -> str:
    """Read the name of a branch, which may be that of a model, such as `llama-3.1-8b`."""
    if isinstance(node, Scalar) and BRANCH.fullmatch(node.value):
        return node.value
    return named(node)


def named(node: Node, what: str = "a name", *, free: bool = False) -> str:
    """Read a name, one of the reserved words only where it is free."""
    if not isinstance(node, Scalar):
        help_ = 'write a template as `{template: "{{ query }}"}`' if _in_braces(node) else ""
        raise misshapen(node.place, f"{what} must be one word, not {shape(node)}", help_)
    text = node.value
    if text in RESERVED and not free:
        message = f"`{text}` is a reserved word and cannot be {what}"
        raise Mistakes([Diagnostic("E114", message, node.place)])
    if NAME.fullmatch(text):
        return text
    if text == "<<":
        raise Mistakes([foreign(node.place, "merge keys of YAML", SHARED)])
    help_ = "names consist of a to z, A to Z, 0 to 9 and `_`"
    message = f"`{text}` cannot be {what}" if text else f"{what} is missing"
    raise Mistakes([Diagnostic("E108" if text else "E102", message, node.place, help=help_)])


def verbatim(node: Node, what: str) -> str:
    """Read a text as it stands."""
    if not isinstance(node, Scalar):
        raise misshapen(node.place, f"{what} must be a text, not {shape(node)}")
    if node.empty:
        raise Mistakes([Diagnostic("E102", f"{what} is missing", node.place, help='write `""`')])
    return node.value


def fields(node: Node, what: str, known: tuple[str, ...], example: str) -> dict[str, Node]:
    """Read a mapping of which all keys are known."""
    if not isinstance(node, YamlMapping):
        raise misshapen(node.place, f"{what} must be a mapping, not {shape(node)}", example)
    values = {}
    for name, place, value in keyed(node):
        if name not in known:
            raise misshapen(place, f"{what} has no `{name}`", did_you_mean(name, known))
        values[name] = value
    return values


def shape(node: Node) -> str:
    """Say what kind of thing a node is."""
    match node:
        case YamlMapping():
            return "a mapping"
        case YamlSequence():
            return "a list"
        case _:
            return "a word or a text" if node.value else "nothing"


def _in_braces(node: Node) -> bool:
    return isinstance(node, YamlMapping) and node.place.text.startswith("{")
