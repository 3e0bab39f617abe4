"""Statements of the tree made ready for printing as YAML."""

from __future__ import annotations

from composer.syntax.formatting.ens_statements import type_text
from composer.syntax.formatting.layout import LayoutGroup, LayoutItem, LayoutValue, Style, span
from composer.syntax.formatting.yaml_expressions import arguments, chain, expression, written
from composer.syntax.tree import (
    Answer,
    Call,
    Def,
    Default,
    Example,
    Imported,
    Let,
    Model,
    Param,
    Parameter,
    Statement,
    Use,
)
from composer.syntax.yaml_scalars import block, plain, quoted


def kind(statement: Statement) -> str:
    """Give the key that a statement stands under."""
    return type(statement).__name__.lower()


def name(statement: Statement) -> str | None:
    """Give what tells a statement from others under the same key; None if it stands alone."""
    match statement:
        case Use():
            return ""
        case Default():
            return statement.value.function if _in_parts(statement.value) else None
        case Example() | Answer():
            return None
        case _:
            return statement.name


def item(statement: Statement) -> LayoutItem:
    """Give a statement as it stands under its key."""
    lead, value = _led(statement)
    return LayoutItem(lead, value, *span(statement.place))


def _led(statement: Statement) -> tuple[str, LayoutValue]:
    match statement:
        case Use():
            return "", _use(statement)
        case Model():
            return f"{statement.name}: ", expression(statement.value)
        case Let():
            return f"{statement.name}: ", chain(statement.value)
        case Param():
            return f"{statement.name}: ", _param(statement)
        case Def():
            return f"{statement.name}: ", _def(statement)
        case Default():
            return _default(statement.value)
        case Example():
            return "example: ", LayoutValue(quoted(statement.text), None, block(statement.text))
        case Answer():
            return "answer: ", chain(statement.value)


def _use(use: Use) -> LayoutValue:
    parts = [LayoutItem("file: ", LayoutValue(plain(use.file)), *span(use.file_place))]
    if use.alias:
        end = span(use.file_place)[1]
        parts.append(LayoutItem("as: ", LayoutValue(plain(use.alias)), end, end))
    else:
        names = [_imported(name) for name in use.names]
        start, end = span(use.names[0].place)[0], span(use.names[-1].place)[1]
        value = LayoutValue("", LayoutGroup(Style.SEQUENCE, names, start, end, "[]"))
        parts.append(LayoutItem("names: ", value, start, end))
    return LayoutValue("", LayoutGroup(Style.MAPPING, parts, *span(use.place), "{}"))


def _imported(imported: Imported) -> LayoutItem:
    text = f"{imported.name} as {imported.alias}" if imported.alias else plain(imported.name)
    return LayoutItem("", LayoutValue(text), *span(imported.place))


def _param(param: Param) -> LayoutValue:
    parts = [LayoutItem("type: ", LayoutValue(_type(param)), *span(param.type.place))]
    if param.value is not None:
        parts.append(LayoutItem("value: ", expression(param.value), *span(param.value.place)))
    start, end = span(param.name_place)[1], span(param.place)[1]
    return LayoutValue("", LayoutGroup(Style.MAPPING, parts, start, end, "{}"))


def _type(param: Param) -> str:
    text = type_text(param.type)
    return quoted(text) if param.type.item else text


def _def(define: Def) -> LayoutValue:
    parts = []
    if define.parameters:
        names = [_parameter(parameter) for parameter in define.parameters]
        ends = span(define.parameters[0].place)[0], span(define.parameters[-1].place)[1]
        value = LayoutValue("", LayoutGroup(Style.SEQUENCE, names, *ends, "[]"))
        parts.append(LayoutItem("parameters: ", value, *ends))
    parts.append(LayoutItem("value: ", chain(define.value), *span(define.value.place)))
    start, end = span(define.name_place)[1], span(define.place)[1]
    return LayoutValue("", LayoutGroup(Style.MAPPING, parts, start, end, "{}"))


def _parameter(parameter: Parameter) -> LayoutItem:
    here = span(parameter.place)
    if parameter.default is None:
        return LayoutItem("", LayoutValue(plain(parameter.name)), *here)
    end = span(parameter.default.place)[1]
    inner = LayoutItem(f"{parameter.name}: ", expression(parameter.default), here[0], end)
    return LayoutItem("", LayoutValue("", LayoutGroup(Style.MAPPING, [inner], *here, "{}")), *here)


def _in_parts(call: Call) -> bool:
    return not call.arguments or arguments(call, 1) is not None


def _default(call: Call) -> tuple[str, LayoutValue]:
    if not call.arguments:
        return f"{call.function}: ", LayoutValue("[]")
    inside = arguments(call, 1)
    return ("default: ", written(call)) if inside is None else (f"{call.function}: ", inside)
