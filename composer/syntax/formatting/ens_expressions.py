"""Expressions of the tree made ready for printing as `.ens` text."""

from __future__ import annotations

import re
from textwrap import dedent, indent
from typing import TypeAlias

from composer.syntax.formatting.layout import Group, Item, Style, Value, span
from composer.syntax.literals import HELD_BACK, quoted, templated
from composer.syntax.tree import (
    Argument,
    Bank,
    Binary,
    Branch,
    Call,
    Chain,
    Expr,
    Fallback,
    Number,
    String,
    Unary,
)
from composer.syntax.unparse import (
    ATOM,
    CHAIN,
    COMPARISON,
    FALLBACK,
    LEVELS,
    NEGATIVE,
    NOT,
    OR,
    unparse,
)

WRITTEN = re.compile(r"-?\d+(?:_\d+)*(?:\.\d+)?(?:e[+-]?\d+)?", re.ASCII)
"""How a number may stay as it was written."""

Leveled: TypeAlias = "tuple[int, Value]"


class Expressions:
    """Makes expressions ready; with `as_written`, literals keep their spelling in the source."""

    def __init__(self, *, as_written: bool) -> None:
        self.as_written = as_written

    def value(self, node: Expr, least: int = CHAIN) -> Value:
        """Give an expression, in brackets where it would bind too loosely."""
        level, value = self._leveled(node)
        if level >= least:
            return value
        inner = Item("", value, *span(node.place))
        return Value("", Group(Style.PAREN, [inner], *span(node.place), "()"))

    def _leveled(self, node: Expr) -> Leveled:
        match node:
            case Chain():
                return CHAIN, self._row(Style.CHAIN, node, node.stages, FALLBACK)
            case Fallback():
                return FALLBACK, self._row(Style.FALLBACK, node, node.choices, OR)
            case Binary():
                return self._binary(node)
            case Unary():
                level = NOT if node.op == "not" else NEGATIVE
                sign = "not " if node.op == "not" else "-"
                return level, after(sign, self.value(node.operand, level))
            case _:
                return self._atom(node)

    def _atom(self, node: Expr) -> Leveled:
        match node:
            case Call():
                return ATOM, self._call(node)
            case Bank():
                items = [self._item(branch, ": ") for branch in node.branches]
                return ATOM, Value("", Group(Style.LIST, items, *span(node.place), "[]"))
            case Number():
                return NEGATIVE if node.value < 0 else ATOM, Value(self._number(node))
            case String():
                return ATOM, Value(self._string(node))
            case _:
                return ATOM, Value(unparse(node))

    def _row(self, style: Style, node: Expr, parts: tuple[Expr, ...], least: int) -> Value:
        items = [Item("", self.value(part, least), *span(part.place)) for part in parts]
        return Value("", Group(style, items, *span(node.place)))

    def _binary(self, node: Binary) -> Leveled:
        """Take operators that bind alike as one row, so that they break alike."""
        level = LEVELS.get(node.op, COMPARISON)
        operands: list[tuple[Expr, str]] = [(node.right, "")]
        first: Expr = node.left
        sign = node.op
        while isinstance(first, Binary) and LEVELS.get(first.op) == level:
            operands.append((first.right, f" {sign}"))
            sign = first.op
            first = first.left
        operands.append((first, f" {sign}"))
        items = [
            Item("", self.value(each, level + 1), *span(each.place), tail)
            for each, tail in reversed(operands)
        ]
        return level, Value("", Group(Style.OPERATORS, items, *span(node.place)))

    def _call(self, node: Call) -> Value:
        items = [self._item(argument, " = ") for argument in node.arguments]
        start = span(node.function_place)[1]
        return Value(node.function, Group(Style.LIST, items, start, span(node.place)[1], "()"))

    def _item(self, part: Argument | Branch, sign: str) -> Item:
        lead = f"{part.name}{sign}" if part.name else ""
        return Item(lead, self.value(part.value), *span(part.place))

    def _number(self, node: Number) -> str:
        if self.as_written and node.place is not None:
            text = re.sub(r"\s", "", node.place.text).lower()
            if WRITTEN.fullmatch(text):
                return text
        return repr(node.value)

    def _string(self, node: String) -> str:
        if not node.template:
            return quoted(node.value)
        if self.as_written and node.place is not None and node.place.text.startswith('"""'):
            return node.place.text
        return template(node.value)


def after(text: str, value: Value) -> Value:
    """Put text before a value."""
    return Value(text + value.text, value.group)


def template(text: str) -> str:
    """Write a template; one of several lines begins on a new line, and is indented."""
    if "\n" in text and not text.startswith("\n"):
        held = HELD_BACK.sub(lambda match: '\\"' * len(match[0]), text)
        inside = "\n" + indent(held, "  ")
        if dedent(inside[1:]).replace('\\"', '"') == text and not inside.endswith("\\"):
            return f'"""{inside}"""'
    return templated(text)
