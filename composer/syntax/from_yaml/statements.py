"""The keys of a YAML recipe as statements."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic, Mistakes, Place
from composer.syntax.from_yaml.expressions import YamlExpressions
from composer.syntax.from_yaml.mistakes import misshapen
from composer.syntax.from_yaml.nodes import Node, Scalar, YamlMapping, YamlSequence
from composer.syntax.from_yaml.scalar_lexemes import lexed
from composer.syntax.from_yaml.shapes import fields, keyed, named, shape, verbatim
from composer.syntax.lexemes import Lexeme
from composer.syntax.parsing import parse_lexemes
from composer.syntax.tree import (
    Answer,
    Call,
    Def,
    Default,
    Example,
    Expr,
    Imported,
    Let,
    Model,
    Param,
    Parameter,
    Statement,
    Use,
)

if TYPE_CHECKING:
    from collections.abc import Callable

USE = "write it like `use: [{file: zoo.ens, names: [A, B]}]`"
PARAM = "write it like `doubt: {type: float, value: 0.6}`"
DEF = "write it like `layer: {parameters: [members], value: [{prompt: [aggregate]}, members]}`"
MODEL = 'write it like `A: {hf: {of: [{text: "org/name"}], dtype: bf16}}`'
DEFAULT = "write it like `default: {generate: {temperature: 0}}`"
LET = "write it like `let: {fused: {token_fuse: [A, B]}}`"


class YamlStatements:
    """Reads what stands under each key, one statement after the other."""

    def __init__(self) -> None:
        self.expressions = YamlExpressions()
        self.mistakes: list[Diagnostic] = []
        self.statements: list[Statement] = []
        self.kinds: dict[str, Callable[[Place, Node], None]] = {
            "use": self._uses,
            "model": lambda _, node: self._read_named(node, "model", MODEL, self._model),
            "param": lambda _, node: self._read_named(node, "param", PARAM, self._param),
            "let": lambda _, node: self._read_named(node, "let", LET, self._let),
            "def": lambda _, node: self._read_named(node, "def", DEF, self._def),
            "default": self._defaults,
            "example": self._example,
            "answer": self._answer,
        }

    def read(self, key: str, place: Place, node: Node) -> None:
        """Read what stands under one key."""
        try:
            self.kinds[key](place, node)
        except Mistakes as error:
            self.mistakes += error.diagnostics

    def _read_named(
        self,
        node: Node,
        kind: str,
        example: str,
        read_statement: Callable[[str, Place, Node], Statement],
    ) -> None:
        """Read statements that stand under their names; each may be wrong by itself."""
        if not isinstance(node, YamlMapping):
            message = f"under `{kind}` there must be names, not {shape(node)}"
            raise misshapen(node.place, message, example)
        for name, place, value in keyed(node):
            self._try(partial(read_statement, name, place, value))

    def _try(self, read_statement: Callable[[], Statement]) -> None:
        try:
            self.statements.append(read_statement())
        except Mistakes as error:
            self.mistakes += error.diagnostics

    def _uses(self, _: Place, node: Node) -> None:
        for item in node.items if isinstance(node, YamlSequence) else (node,):
            self._try(partial(self._use, item))

    def _use(self, node: Node) -> Use:
        parts = fields(node, "a `use`", ("file", "names", "as"), USE)
        if "file" not in parts:
            raise misshapen(node.place, "the file to use is missing", USE)
        file = verbatim(parts["file"], "the file to use")
        if ("names" in parts) == ("as" in parts):
            both = "use a file by names or as a whole, not both"
            message = both if "as" in parts else "the names to use from the file are missing"
            raise misshapen(node.place, message, USE)
        names = self._names(parts["names"]) if "names" in parts else ()
        alias = named(parts["as"]) if "as" in parts else None
        return Use(file, names, alias, node.place, parts["file"].place)

    def _names(self, node: Node) -> tuple[Imported, ...]:
        items = node.items if isinstance(node, YamlSequence) else (node,)
        if not items:
            raise misshapen(node.place, "this list has no names", USE)
        return tuple(map(_imported, items))

    def _model(self, name: str, place: Place, node: Node) -> Model:
        call = _called(self.expressions.value(node), "a model must be a call", MODEL)
        return Model(name, call, place.to(node.place), place)

    def _let(self, name: str, place: Place, node: Node) -> Let:
        return Let(name, self.expressions.chain(node), place.to(node.place), place)

    def _param(self, name: str, place: Place, node: Node) -> Param:
        parts = fields(node, f"the param `{name}`", ("type", "value"), PARAM)
        if "type" not in parts:
            raise misshapen(node.place, f"the type of `{name}` is missing", PARAM)
        typed = _typed(name, place, parts["type"])
        value = self.expressions.value(parts["value"]) if "value" in parts else None
        return Param(name, typed.type, value, place.to(node.place), place)

    def _def(self, name: str, place: Place, node: Node) -> Def:
        parts = fields(node, f"the def `{name}`", ("parameters", "value"), DEF)
        if "value" not in parts:
            raise misshapen(node.place, f"the value of `{name}` is missing", DEF)
        parameters = self._parameters(parts["parameters"]) if "parameters" in parts else ()
        value = self.expressions.chain(parts["value"])
        return Def(name, parameters, value, place.to(node.place), place)

    def _parameters(self, node: Node) -> tuple[Parameter, ...]:
        items = node.items if isinstance(node, YamlSequence) else (node,)
        return tuple(map(self._parameter, items))

    def _parameter(self, node: Node) -> Parameter:
        if not isinstance(node, YamlMapping):
            return Parameter(named(node, "a parameter"), None, node.place)
        if len(node.entries) != 1:
            raise misshapen(node.place, "write a parameter with a default as `{name: value}`", DEF)
        ((key, value),) = node.entries
        return Parameter(named(key, "a parameter"), self.expressions.value(value), node.place)

    def _defaults(self, place: Place, node: Node) -> None:
        if isinstance(node, YamlSequence):
            for item in node.items:
                self.read("default", item.place, item)
            return
        if isinstance(node, YamlMapping):
            for name, at, inside in keyed(node):
                self._try(partial(self._default, name, at, inside))
            return
        call = _called(self.expressions.value(node), "a `default` must be a call", DEFAULT)
        self.statements.append(Default(call, place.to(node.place)))

    def _default(self, name: str, place: Place, inside: Node) -> Default:
        call = self.expressions.call(name, place, inside)
        return Default(call, call.place)

    def _example(self, place: Place, node: Node) -> None:
        text = verbatim(node, "an `example`")
        self.statements.append(Example(text, place.to(node.place)))

    def _answer(self, place: Place, node: Node) -> None:
        self.statements.append(Answer(self.expressions.chain(node), place.to(node.place)))


def _imported(node: Node) -> Imported:
    """Read `A` or `A as B`."""
    if not isinstance(node, Scalar) or " " not in node.value.strip():
        return Imported(named(node), None, node.place)
    words = node.value.split()
    if len(words) != 3 or words[1] != "as":
        message = "a name to use must be one word, or two words with `as` between them"
        raise misshapen(node.place, message, "write it like `A` or `A as B`")
    first, alias = (named(Scalar(word, True, node.place)) for word in words[::2])
    return Imported(first, alias, node.place)


def _typed(name: str, place: Place, node: Node) -> Param:
    """Read the type of a param as the other notation reads it."""
    if not isinstance(node, Scalar) or node.empty:
        raise misshapen(node.place, f"the type of `{name}` must be one word or `list[...]`", PARAM)
    head = [Lexeme("PARAM", "param", place), Lexeme("NAME", name, place)]
    colon = Lexeme("COLON", ":", Place(node.place.source, node.place.start, node.place.start))
    statements, _, mistakes = parse_lexemes([*head, colon, *lexed(node)])
    if mistakes:
        raise Mistakes(mistakes)
    if len(statements) == 1 and isinstance(statements[0], Param) and not statements[0].value:
        return statements[0]
    raise misshapen(node.place, f"the type of `{name}` must be one word or `list[...]`", PARAM)


def _called(value: Expr, message: str, help_: str) -> Call:
    if isinstance(value, Call):
        return value
    raise Mistakes([Diagnostic("E115", message, value.place, help=help_)])
