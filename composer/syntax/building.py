# ruff: noqa: D102 - each method is named for the rule of the grammar that it builds
"""The tree, built from the bottom as the parser reduces; nothing here recurses."""

from __future__ import annotations

from typing import Any, NamedTuple

from composer.diagnostics import Diagnostic, Mistakes, Place, did_you_mean
from composer.syntax.literals import number, string, template
from composer.syntax.tree import (
    Answer,
    Argument,
    Binary,
    Boolean,
    Branch,
    Branches,
    Call,
    Chain,
    Def,
    Default,
    Example,
    Expr,
    Fallback,
    Imported,
    Let,
    Model,
    Name,
    Null,
    Number,
    Param,
    Parameter,
    String,
    Type,
    Unary,
    Use,
)

TYPES = ("int", "float", "bool", "str", "path", "model", "list")
"""The types that a `param` can have."""

STRANGE = {"string": "str", "text": "str", "integer": "int", "number": "float", "boolean": "bool"}
"""What other languages call them."""


class Bracketed(NamedTuple):
    """An expression in round brackets: the brackets count for places only."""

    node: Expr
    place: Place


Part = Any
"""A lexeme, a node or a group, as the parser hands them over."""


def without_brackets(part: Part) -> Any:  # noqa: ANN401 - whatever node the group holds
    """Take an expression out of its round brackets."""
    return part.node if type(part) is Bracketed else part


class Builder:
    """One method a rule of the grammar; each is given the parts and gives the node."""

    def name(self, parts: list[Part]) -> Name:
        return Name(parts[0].text, parts[0].place)

    def number(self, parts: list[Part]) -> Number:
        return Number(number(parts[0]), parts[0].place)

    def string(self, parts: list[Part]) -> String:
        return String(string(parts[0]), False, parts[0].place)

    def template(self, parts: list[Part]) -> String:
        return String(template(parts[0]), True, parts[0].place)

    def true(self, parts: list[Part]) -> Boolean:
        return Boolean(True, parts[0].place)

    def false(self, parts: list[Part]) -> Boolean:
        return Boolean(False, parts[0].place)

    def none(self, parts: list[Part]) -> Null:
        return Null(parts[0].place)

    def group(self, parts: list[Part]) -> Bracketed:
        return Bracketed(without_brackets(parts[1]), parts[0].place.to(parts[2].place))

    def chain(self, parts: list[Part]) -> Chain:
        return Chain(tuple(map(without_brackets, parts)), _cover(parts))

    def fallback(self, parts: list[Part]) -> Fallback:
        return Fallback(tuple(map(without_brackets, parts)), _cover(parts))

    def binary(self, parts: list[Part]) -> Binary:
        left, sign, right = parts
        return Binary(sign.text, without_brackets(left), without_brackets(right), _cover(parts))

    def unary(self, parts: list[Part]) -> Expr:
        sign, operand = parts[0], without_brackets(parts[1])
        if sign.text == "-" and isinstance(operand, Number):
            return Number(-operand.value, _cover(parts))
        return Unary(sign.text, operand, _cover(parts))

    def call(self, parts: list[Part]) -> Call:
        return Call(parts[0].text, tuple(parts[2:-1]), _cover(parts), parts[0].place)

    def argument(self, parts: list[Part]) -> Argument:
        return Argument(None, without_brackets(parts[0]), parts[0].place, parts[0].place)

    def named_argument(self, parts: list[Part]) -> Argument:
        return Argument(parts[0].text, without_brackets(parts[1]), _cover(parts), parts[0].place)

    def bank(self, parts: list[Part]) -> Branches:
        return Branches(tuple(parts[1:-1]), _cover(parts))

    def branch(self, parts: list[Part]) -> Branch:
        return Branch(None, without_brackets(parts[0]), parts[0].place)

    def named_branch(self, parts: list[Part]) -> Branch:
        return Branch(parts[0].text, without_brackets(parts[1]), _cover(parts))

    def imported(self, parts: list[Part]) -> Imported:
        return Imported(parts[0].text, parts[2].text if len(parts) > 1 else None, _cover(parts))

    def use_names(self, parts: list[Part]) -> Use:
        names = tuple(parts[2:-1])
        return Use(string(parts[1]), names, None, _cover(parts), parts[1].place)

    def use_alias(self, parts: list[Part]) -> Use:
        return Use(string(parts[1]), (), parts[3].text, _cover(parts), parts[1].place)

    def model(self, parts: list[Part]) -> Model:
        return Model(parts[1].text, _called(parts[2], "model"), _cover(parts), parts[1].place)

    def param(self, parts: list[Part]) -> Param:
        value = without_brackets(parts[3]) if len(parts) > 3 else None
        return Param(parts[1].text, parts[2], value, _cover(parts), parts[1].place)

    def type(self, parts: list[Part]) -> Type:
        name, item = parts[0].text, parts[2] if len(parts) > 1 else None
        if name not in TYPES:
            hint = f"did you mean `{STRANGE[name]}`?" if name in STRANGE else ""
            raise _mistake(
                "E118",
                f"unknown type `{name}`",
                parts[0].place,
                hint or did_you_mean(name, TYPES),
            )
        if (name == "list") != bool(item):
            what = "needs the type of its items" if name == "list" else "cannot have items"
            raise _mistake("E118", f"`{name}` {what}", _cover(parts), "write a list as `list[str]`")
        return Type(name, item, _cover(parts))

    def let(self, parts: list[Part]) -> Let:
        return Let(parts[1].text, without_brackets(parts[2]), _cover(parts), parts[1].place)

    def define(self, parts: list[Part]) -> Def:
        name = parts[1]
        return Def(
            name.text, tuple(parts[2:-1]), without_brackets(parts[-1]), _cover(parts), name.place
        )

    def parameter(self, parts: list[Part]) -> Parameter:
        default = without_brackets(parts[1]) if len(parts) > 1 else None
        return Parameter(parts[0].text, default, _cover(parts))

    def default(self, parts: list[Part]) -> Default:
        return Default(_called(parts[1], "default"), _cover(parts))

    def example(self, parts: list[Part]) -> Example:
        read = template if parts[1].type == "TEMPLATE" else string
        return Example(read(parts[1]), _cover(parts))

    def answer(self, parts: list[Part]) -> Answer:
        return Answer(without_brackets(parts[0]), parts[0].place)


def _cover(parts: list[Part]) -> Place:
    place: Place = parts[0].place
    return place.to(parts[-1].place)


def _called(part: Part, statement: str) -> Call:
    """Ask for a call, where a statement takes nothing else."""
    value = without_brackets(part)
    if isinstance(value, Call):
        return value
    example = {"model": 'model A = hf("name")', "default": "default generate(temperature = 0)"}
    message = f"a `{statement}` takes a call"
    raise _mistake("E115", message, part.place, f"write for example `{example[statement]}`")


def _mistake(code: str, message: str, place: Place, help_: str) -> Mistakes:
    return Mistakes([Diagnostic(code, message, place, help=help_)])
