"""What the expressions of a class's `__init__` make, as far as that is plain."""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from composer.checkpoints.blueprint import (
    CONFIG,
    NOTHING,
    OPEN,
    Blueprint,
    Expected,
    Shape,
    Sign,
    Value,
    layer,
    shape_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Expressions", "Makes", "is_plain", "last_of"]

OPERATORS: Mapping[type[ast.AST], Callable[..., Value]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Not: operator.not_,
    ast.USub: operator.neg,
}


class Makes(Protocol):
    """What knows the classes of a file and the values of a configuration."""

    @property
    def most(self) -> int:
        """How many parts a list of modules may have."""

    @property
    def classes(self) -> Mapping[str, ast.ClassDef]:
        """The classes of the file by name."""

    def value(self, name: str) -> Value:
        """Return a value of the configuration."""

    def made(self, kind: str, positional: Sequence[Value], named: Mapping[str, Value]) -> Blueprint:
        """Return the tensors of a class that is made with arguments."""


@dataclass
class Expressions:
    """What expressions are within a module whose attributes are known."""

    source: Makes
    own: dict[str, Value] = field(default_factory=dict)

    def arguments(
        self, call: ast.Call, names: Mapping[str, Value]
    ) -> tuple[list[Value], dict[str, Value]]:
        """Return what a call is given, by place and by name."""
        positional = [self.value(each, names) for each in call.args]
        return positional, {k.arg: self.value(k.value, names) for k in call.keywords if k.arg}

    def value(self, node: ast.expr, names: Mapping[str, Value]) -> Value:
        """Return what an expression is, `OPEN` where it is not plain."""
        match node:
            case ast.Constant(value=found):
                return found
            case ast.Name(id=name):
                return names.get(name, OPEN)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return self.own.get(name, OPEN)
            case ast.Attribute(value=inner, attr=name):
                return self.source.value(name) if self.value(inner, names) is CONFIG else OPEN
            case ast.Call():
                return self._made(node, names)
            case _:
                return self._reckoned(node, names)

    def _reckoned(self, node: ast.expr, names: Mapping[str, Value]) -> Value:
        """Return what operators make of plain values."""
        match node:
            case ast.Compare(left=left, ops=[sign], comparators=[ast.Constant(value=None)]):
                left_value = self.value(left, names)
                return (
                    OPEN if left_value is OPEN else (left_value is None) is isinstance(sign, ast.Is)
                )
            case (
                ast.BinOp(left=left, op=sign, right=right)
                | ast.Compare(left=left, ops=[sign], comparators=[right])
            ):
                return _operated(sign, self.value(left, names), self.value(right, names))
            case ast.UnaryOp(op=sign, operand=inner):
                return _operated(sign, self.value(inner, names))
            case ast.BoolOp(op=sign, values=parts):
                return _joined(sign, [self.value(each, names) for each in parts])
            case ast.IfExp(test=test, body=yes, orelse=no):
                holds = self.value(test, names)
                return self.value(yes if holds else no, names) if is_plain(holds) else OPEN
            case _:
                return OPEN

    def _made(self, call: ast.Call, names: Mapping[str, Value]) -> Value:
        """Return what a call makes: a module, a parameter, or a value."""
        kind = last_of(call.func)
        if kind in {"ModuleList", "Sequential"}:
            return self._list(call.args, names)
        if kind == "Parameter":
            return Blueprint({"": Expected(required=True, shape=self._sizes(call, names))})
        positional, named = self.arguments(call, names)
        if kind == "getattr" and positional[:1] == [CONFIG]:
            return self.source.value(str(positional[1]))
        if kind in self.source.classes:
            return self.source.made(kind, positional, named)
        module = layer(kind, positional, named)
        return OPEN if module is None else module

    def _list(self, elements: Sequence[ast.expr], names: Mapping[str, Value]) -> Value:
        """Return modules by their places: of a list, or made for each number of a range."""
        whole = Blueprint()
        match elements:
            case [
                ast.ListComp(
                    elt=each,
                    generators=[
                        ast.comprehension(
                            target=ast.Name(id=name),
                            iter=ast.Call(func=ast.Name(id="range"), args=[count]),
                            ifs=[],
                        )
                    ],
                )
            ]:
                number = self.value(count, names)
                if type(number) is not int:
                    return OPEN
                for place in range(min(number, self.source.most)):
                    part = self.value(each, {**names, name: place})
                    if not isinstance(part, Blueprint):
                        return OPEN
                    whole.put(str(place), part, sure=True)
                return whole
            case [ast.List(elts=parts)]:
                pass
            case _:
                parts = list(elements)
        for place, node in enumerate(parts):
            part = self.value(node, names)
            if part is not NOTHING:
                if not isinstance(part, Blueprint):
                    return OPEN
                whole.put(str(place), part, sure=True)
        return whole

    def _sizes(self, call: ast.Call, names: Mapping[str, Value]) -> Shape:
        """Return the shape of a parameter that is made of ones, of zeros, or of nothing yet."""
        match call.args:
            case [ast.Call(func=ast.Attribute(attr="ones" | "zeros" | "empty"), args=sizes)]:
                match sizes:
                    case [ast.Tuple(elts=parts)]:
                        sizes = parts
                return shape_of(*(self.value(each, names) for each in sizes))
        return None


def is_plain(value: Value) -> bool:
    """Say whether a value is known, and no module."""
    return not isinstance(value, Sign | Blueprint)


def _operated(sign: ast.AST, *operands: Value) -> Value:
    """Return what an operator gives for plain values."""
    reckon = OPERATORS.get(type(sign))
    if reckon is None or not all(isinstance(each, int | float | str) for each in operands):
        return OPEN
    try:
        return reckon(*operands)
    except (ArithmeticError, TypeError, ValueError):
        return OPEN


def _joined(sign: ast.AST, parts: Sequence[Value]) -> Value:
    """Return what `and` and `or` give: the first side that settles it, as long as all are plain."""
    stops = isinstance(sign, ast.Or)
    for each in parts:
        if not is_plain(each) or bool(each) is stops:
            return OPEN if isinstance(each, Sign) else each
    return parts[-1]


def last_of(node: ast.expr) -> str:
    """Return the last part of a name: `Linear` for `nn.Linear`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
