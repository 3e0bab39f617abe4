"""Statements of the tree made ready for printing as `.ens` text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from composer.syntax.formatting.ens_expressions import EnsExpressions, after, template
from composer.syntax.formatting.layout import LayoutGroup, LayoutItem, LayoutValue, Style, span
from composer.syntax.literals import quoted
from composer.syntax.tree import (
    Answer,
    Def,
    Default,
    Example,
    Let,
    Model,
    Param,
    Parameter,
    Statement,
    Type,
    Use,
)

if TYPE_CHECKING:
    from composer.diagnostics import Place

CLOSES = re.compile(r"(?:[\s,(]|#[^\n]*)*\)")
"""From the last parameter of a `def` up to the bracket behind it."""


class EnsStatements:
    """Makes statements ready; with `as_written`, literals keep their spelling in the source."""

    def __init__(self, *, as_written: bool) -> None:
        self.as_written = as_written
        self.expressions = EnsExpressions(as_written=as_written)

    def item(self, statement: Statement) -> LayoutItem:
        """Give a statement as it is printed."""
        return LayoutItem("", self._value(statement), *span(statement.place))

    def _value(self, statement: Statement) -> LayoutValue:
        value = self.expressions.value
        match statement:
            case Use():
                return _use(statement)
            case Model():
                return after(f"model {statement.name} = ", value(statement.value))
            case Let():
                return after(f"let {statement.name} = ", value(statement.value))
            case Param():
                return self._param(statement)
            case Def():
                return self._def(statement)
            case Default():
                return after("default ", value(statement.value))
            case Example():
                return LayoutValue(f"example {self._text(statement)}")
            case Answer():
                return value(statement.value)

    def _param(self, param: Param) -> LayoutValue:
        head = f"param {param.name}: {type_text(param.type)}"
        if param.value is None:
            return LayoutValue(head)
        return after(f"{head} = ", self.expressions.value(param.value))

    def _def(self, define: Def) -> LayoutValue:
        start = span(define.name_place)[1]
        end = self._parameters_end(define)
        items = [self._parameter(parameter) for parameter in define.parameters]
        head = LayoutValue(f"def {define.name}", LayoutGroup(Style.LIST, items, start, end, "()"))
        body = after(" = ", self.expressions.value(define.value))
        parts = [
            LayoutItem("", head, span(define.place)[0], end),
            LayoutItem("", body, *span(define.value.place)),
        ]
        return LayoutValue("", LayoutGroup(Style.JOIN, parts, *span(define.place)))

    def _parameters_end(self, define: Def) -> int:
        end = span(define.parameters[-1].place if define.parameters else define.name_place)[1]
        if not self.as_written or define.place is None:
            return end
        closed = CLOSES.match(define.place.source.text, end)
        return closed.end() if closed else end

    def _parameter(self, parameter: Parameter) -> LayoutItem:
        if parameter.default is None:
            return LayoutItem("", LayoutValue(parameter.name), *span(parameter.place))
        default = self.expressions.value(parameter.default)
        return LayoutItem(f"{parameter.name} = ", default, *span(parameter.place))

    def _text(self, example: Example) -> str:
        """Keep the quotes of an example; one of several lines is written as a template."""
        place: Place | None = example.place
        if self.as_written and place is not None and place.text.endswith('"""'):
            return place.text[place.text.index('"""') :]
        return template_or_string(example.text)


def template_or_string(text: str) -> str:
    """Write a text of several lines as a template where that reads back as the same."""
    if "\n" not in text.strip("\n") or text.startswith("\n") or text.endswith("\\"):
        return quoted(text)
    return template(text)


def type_text(kind: Type) -> str:
    """Write the type of a `param`."""
    return kind.name if kind.item is None else f"{kind.name}[{type_text(kind.item)}]"


def _use(use: Use) -> LayoutValue:
    if use.alias:
        return LayoutValue(f"use {quoted(use.file)} as {use.alias}")
    items = [
        LayoutItem("", LayoutValue(f"{name} as {alias}" if alias else name), *span(place))
        for name, alias, place in use.names
    ]
    start, end = span(use.file_place)[1], span(use.place)[1]
    return LayoutValue(f"use {quoted(use.file)} ", LayoutGroup(Style.LIST, items, start, end, "()"))
