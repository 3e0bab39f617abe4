"""Expressions of the tree made ready for printing as `.ens` text."""

from __future__ import annotations

import re
from textwrap import dedent, indent
from typing import TypeAlias

from composer.syntax.formatting.layout import LayoutGroup, LayoutItem, LayoutValue, Style, span
from composer.syntax.literals import HELD_BACK, quoted, templated
from composer.syntax.tree import (
    Argument,
    Binary,
    Branch,
    Branches,
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

Leveled: TypeAlias = "tuple[int, LayoutValue]"


class EnsExpressions:
    """Makes expressions ready; with `as_written`, literals keep their spelling in the source."""

    def __init__(self, *, as_written: bool) -> None:
        self.as_written = as_written

    def value(self, node: Expr, least: int = CHAIN) -> LayoutValue:
        """Give an expression, in brackets where it would bind too loosely."""
        level, value = self._leveled(node)
        if level >= least:
            return value
        inner = LayoutItem("", value, *span(node.place))
        return LayoutValue("", LayoutGroup(Style.PAREN, [inner], *span(node.place), "()"))

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
            case Branches():
                items = [self._item(branch, ": ") for branch in node.branches]
                return ATOM, LayoutValue(
                    "", LayoutGroup(Style.LIST, items, *span(node.place), "[]")
                )
            case Number():
                return NEGATIVE if node.value < 0 else ATOM, LayoutValue(self._number(node))
            case String():
                return ATOM, LayoutValue(self._string(node))
            case _:
                return ATOM, LayoutValue(unparse(node))

    def _row(self, style: Style, node: Expr, parts: tuple[Expr, ...], least: int) -> LayoutValue:
        items = [LayoutItem("", self.value(part, least), *span(part.place)) for part in parts]
        return LayoutValue("", LayoutGroup(style, items, *span(node.place)))

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
            LayoutItem("", self.value(operand, level + 1), *span(operand.place), tail)
            for operand, tail in reversed(operands)
        ]
        return level, LayoutValue("", LayoutGroup(Style.OPERATORS, items, *span(node.place)))

    def _call(self, node: Call) -> LayoutValue:
        items = [self._item(argument, " = ") for argument in node.arguments]
        start = span(node.function_place)[1]
        return LayoutValue(
            node.function, LayoutGroup(Style.LIST, items, start, span(node.place)[1], "()")
        )

    def _item(self, part: Argument | Branch, sign: str) -> LayoutItem:
        lead = f"{part.name}{sign}" if part.name else ""
        return LayoutItem(lead, self.value(part.value), *span(part.place))

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


def after(text: str, value: LayoutValue) -> LayoutValue:
    """Put text before a value."""
    return LayoutValue(text + value.text, value.group)


def template(text: str) -> str:
    """Write a template; one of several lines begins on a new line, and is indented."""
    if "\n" in text and not text.startswith("\n"):
        escaped = HELD_BACK.sub(lambda match: '\\"' * len(match[0]), text)
        inside = "\n" + indent(escaped, "  ")
        if dedent(inside[1:]).replace('\\"', '"') == text and not inside.endswith("\\"):
            return f'"""{inside}"""'
    return templated(text)
