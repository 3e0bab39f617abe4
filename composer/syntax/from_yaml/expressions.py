"""Nodes of YAML as expressions: a mapping is a call, a list a bank, a scalar an expression."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic, Mistakes, Place
from composer.syntax.from_yaml.mistakes import TEXT_HELP, misshapen
from composer.syntax.from_yaml.nodes import Node, Scalar, YamlMapping, YamlSequence
from composer.syntax.from_yaml.scalar_lexemes import lexed
from composer.syntax.from_yaml.shapes import RESERVED, branch_name, keyed, named, verbatim
from composer.syntax.parsing import one_expression
from composer.syntax.tree import Argument, Branch, Branches, Call, Chain, Expr, String
from composer.syntax.yaml_scalars import TRAPS

if TYPE_CHECKING:
    from collections.abc import Iterable

JOINED = re.compile(r"(?![\d_.]+[eE]-\d+\Z)(?=.*[A-Za-z]|\d{4}-)[\w.]+(?:[-/][\w.]+)+", re.ASCII)
"""A word with `-` or `/` in it, but no number: rather a text than a difference or a quotient."""

TEXTLIKE = ("E101", "E103", "E107", "E109", "E111", "E112")
"""Mistakes that a text makes when it is read as an expression."""

MEANT = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false"}


class YamlExpressions:
    """Reads nodes; the comments inside of expressions are kept."""

    def __init__(self) -> None:
        self.comments: list[tuple[Place, str]] = []

    def chain(self, node: Node) -> Expr:
        """Read the value of an answer, a `let` or a `def`: a list there is a chain."""
        if not isinstance(node, YamlSequence):
            return self.value(node)
        stages = tuple(self._listed(node))
        if not stages:
            raise _missing(node)
        return Chain(stages, node.place) if len(stages) > 1 else stages[0]

    def value(self, node: Node) -> Expr:
        """Read any other value: a list is a bank."""
        match node:
            case Scalar():
                return self._scalar(node)
            case YamlSequence():
                return Branches(tuple(map(self._branch, node.items)), node.place)
            case YamlMapping():
                return self._mapping(node)

    def call(self, name: str, name_place: Place, inside: Node) -> Call:
        """Read a call from its key and what stands behind it."""
        start = name_place.to(inside.place)
        if isinstance(inside, Scalar) and inside.empty:
            return Call(name, (), name_place, name_place)
        arguments = tuple(self._arguments(inside))
        return Call(name, arguments, start, name_place)

    def _mapping(self, node: YamlMapping) -> Expr:
        """Read a call, or a text under its own key."""
        if len(node.entries) != 1:
            raise _several(node)
        ((key, inside),) = node.entries
        name = named(key)
        if name in ("text", "template"):
            text = verbatim(inside, f"the value of `{name}`")
            return String(text, name == "template", node.place)
        call = self.call(name, key.place, inside)
        return replace(call, place=node.place)

    def _arguments(self, inside: Node) -> Iterable[Argument]:
        """Read what a call is given: a list by position, a mapping by name, `of` by position."""
        match inside:
            case YamlMapping():
                for name, place, value in keyed(inside):
                    yield from self._argument(name, place, value)
            case YamlSequence():
                yield from map(self._position, inside.items)
            case Scalar():
                yield self._position(inside)

    def _argument(self, name: str, place: Place, value: Node) -> Iterable[Argument]:
        if name != "of":
            expression = self._named(name, value)
            yield Argument(name, expression, place.to(value.place), place)
        elif isinstance(value, YamlSequence):
            yield from map(self._position, value.items)
        else:
            yield self._position(value)

    def _named(self, name: str, value: Node) -> Expr:
        """Read an argument; one called `text` was perhaps meant as a text."""
        try:
            return self.value(value)
        except Mistakes as error:
            if name not in ("text", "template"):
                raise
            hint = f"write a text as first argument in a list: `[{{{name}: ...}}]`"
            raise Mistakes(
                [replace(diagnostic, help=hint) for diagnostic in error.diagnostics]
            ) from None

    def _position(self, node: Node) -> Argument:
        return Argument(None, self.value(node), node.place, node.place)

    def _listed(self, node: YamlSequence) -> Iterable[Expr]:
        for item in node.items:
            if _is_branch(item):
                raise misshapen(item.place, "a stage of a chain cannot have a name")
            yield self.value(_closed(item))

    def _branch(self, node: Node) -> Branch:
        """Read a branch; `{name: ..., value: ...}` is one with a name."""
        if not isinstance(node, YamlMapping) or not _is_branch(node):
            return Branch(None, self.value(_closed(node)), node.place)
        parts = {key: value for key, _, value in keyed(node)}
        name = branch_name(parts["name"])
        return Branch(name, self.value(parts["value"]), node.place)

    def _scalar(self, node: Scalar) -> Expr:
        """Read an expression of the language."""
        _refuse_trap(node)
        try:
            value, comments = one_expression(lexed(node), node.place)
        except Mistakes as error:
            raise Mistakes(map(_hinted, error.diagnostics)) from None
        self.comments += comments
        return value


def _is_branch(node: Node) -> bool:
    if not isinstance(node, YamlMapping):
        return False
    keys = {key.value for key, _ in node.entries if isinstance(key, Scalar)}
    return keys == {"name", "value"}


def _closed(node: Node) -> Node:
    """Refuse `[a, b: c]`, which means one thing to YAML and another in the other notation."""
    if isinstance(node, YamlMapping) and node.unbraced:
        key = node.entries[0][0]
        name = key.value if isinstance(key, Scalar) else "f"
        help_ = (
            f"write a branch with a name as `{{name: {name}, value: ...}}`, a call as `{{{name}: "
            "...}`"
        )
        raise misshapen(node.place, "write a mapping inside of a list with its own `{...}`", help_)
    return node


def _several(node: YamlMapping) -> Mistakes:
    if not node.entries:
        return Mistakes([Diagnostic("E102", "a call is missing between these", node.place)])
    help_ = "a chain is a list of calls; put the arguments of a call under its name"
    names = ", ".join(f"`{key.value}`" for key, _ in node.entries if isinstance(key, Scalar))
    return misshapen(
        node.place, f"a mapping is one call, but this one has several keys: {names}", help_
    )


def _missing(node: Node) -> Mistakes:
    return Mistakes([Diagnostic("E102", "an expression is missing", node.place)])


def _refuse_trap(node: Scalar) -> None:
    """Refuse what would be read otherwise than it was probably meant."""
    text = node.value
    if node.empty or not text.strip():
        help_ = f"`none` means no value; {TEXT_HELP}"
        raise Mistakes([Diagnostic("E102", "an expression is missing", node.place, help=help_)])
    if text in TRAPS:
        name = f", or `({text})` for a name" if text != "~" else ""
        expression = MEANT.get(text.lower(), "none")
        help_ = f'write `{expression}`, or `{{text: "{text}"}}` for the text{name}'
        message = f"`{text}` is a value for some YAML readers and a name for others"
        raise Mistakes([Diagnostic("E103", message, node.place, help=help_)])
    if text in RESERVED and text not in ("true", "false", "none"):
        message = f"`{text}` is a reserved word and cannot be a name"
        raise Mistakes([Diagnostic("E114", message, node.place)])
    if JOINED.fullmatch(text):
        sign = "/" if "/" in text else "-"
        help_ = (
            f'write `{{text: "{text}"}}` for the text, or put spaces around `{sign}` for the '
            "calculation"
        )
        message = f"`{text}` can be a text or an expression"
        raise Mistakes([Diagnostic("E107", message, node.place, help=help_)])


def _hinted(mistake: Diagnostic) -> Diagnostic:
    """Say how a text is written, where one was perhaps meant."""
    if mistake.code not in TEXTLIKE:
        return mistake
    return replace(mistake, values=(*mistake.values, f"this is read as an expression; {TEXT_HELP}"))
