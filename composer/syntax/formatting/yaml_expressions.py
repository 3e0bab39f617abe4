"""Expressions of the tree made ready for printing as YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.syntax.formatting.layout import LayoutGroup, LayoutItem, LayoutValue, Style, span
from composer.syntax.tree import (
    Boolean,
    Branch,
    Branches,
    Call,
    Chain,
    Expr,
    Name,
    Null,
    Number,
    String,
)
from composer.syntax.unparse import unparse
from composer.syntax.yaml_scalars import TRAPS, block, operator, plain, quoted

if TYPE_CHECKING:
    from composer.syntax.tree import Argument

DEEPEST = 12
"""What nests deeper is written as a string of the expression grammar."""

TEXTS = ("text", "template")
"""The keys of a mapping that is a text and no call."""


def chain(node: Expr) -> LayoutValue:
    """Give the value of an answer, a `let` or a `def`: a list there is a chain."""
    stages = node.stages if isinstance(node, Chain) else (node,)
    if not isinstance(node, Chain | Branches):
        return expression(node)
    items = [LayoutItem("", expression(stage, 1), *span(stage.place)) for stage in stages]
    return LayoutValue("", LayoutGroup(Style.SEQUENCE, items, *span(node.place), "[]"))


def expression(node: Expr, depth: int = 0) -> LayoutValue:
    """Give a value: a list is a bank, a mapping a call, and what has an operator a string."""
    match node:
        case Name():
            return LayoutValue(f"({node.id})" if node.id in TRAPS else node.id)
        case Number() | Boolean() | Null():
            return LayoutValue(unparse(node))
        case String():
            return _text(node)
        case Branches() if depth < DEEPEST:
            items = [_branch(branch, depth + 1) for branch in node.branches]
            return LayoutValue("", LayoutGroup(Style.SEQUENCE, items, *span(node.place), "[]"))
        case Call() if depth < DEEPEST and node.arguments:
            inside = arguments(node, depth + 1) if node.function not in TEXTS else None
            end = span(node.arguments[-1].place)[1]
            return mapping(node.function, inside, node, end) if inside else written(node)
        case _:
            return written(node)


def mapping(key: str, inside: LayoutValue, node: Call | String, end: int) -> LayoutValue:
    """Give a mapping with one key; its only item ends where its value does, before any brace."""
    here = span(node.place)
    return LayoutValue(
        "", LayoutGroup(Style.MAPPING, [LayoutItem(f"{key}: ", inside, here[0], end)], *here, "{}")
    )


def arguments(call: Call, depth: int) -> LayoutValue | None:
    """Give what stands behind a call's key; None if only the other notation can say it."""
    names = [argument.name for argument in call.arguments if argument.name]
    runs = _runs(call.arguments)
    if len(set(names)) < len(names) or "of" in names or sum(not run[0].name for run in runs) > 1:
        return None
    start, end = span(call.function_place)[1], span(call.place)[1]
    if not names:
        return _positions(list(call.arguments), depth)
    items = []
    for run in runs:
        value = expression(run[0].value, depth) if run[0].name else _positions(run, depth)
        ends = span(run[0].place)[0], span(run[-1].place)[1]
        items.append(LayoutItem(f"{run[0].name or 'of'}: ", value, *ends))
    return LayoutValue("", LayoutGroup(Style.MAPPING, items, start, end, "{}"))


def written(node: Expr) -> LayoutValue:
    """Give an expression as a string."""
    text = unparse(node)
    if isinstance(node, Call) and not node.arguments:
        return LayoutValue(text)
    return LayoutValue(operator(text), None, block(text))


def _positions(run: list[Argument], depth: int) -> LayoutValue:
    items = [
        LayoutItem("", expression(argument.value, depth), *span(argument.place)) for argument in run
    ]
    ends = span(run[0].place)[0], span(run[-1].place)[1]
    return LayoutValue("", LayoutGroup(Style.SEQUENCE, items, *ends, "[]"))


def _runs(listed: tuple[Argument, ...]) -> list[list[Argument]]:
    """Put arguments without names that stand side by side together."""
    runs: list[list[Argument]] = []
    for argument in listed:
        if runs and not argument.name and not runs[-1][-1].name:
            runs[-1].append(argument)
        else:
            runs.append([argument])
    return runs


def _branch(branch: Branch, depth: int) -> LayoutItem:
    here = span(branch.place)
    value = expression(branch.value, depth)
    if branch.name is None:
        return LayoutItem("", value, *here)
    inner = span(branch.value.place)
    parts = [
        LayoutItem("name: ", LayoutValue(plain(branch.name)), here[0], here[0] + len(branch.name)),
        LayoutItem("value: ", value, *inner),
    ]
    return LayoutItem("", LayoutValue("", LayoutGroup(Style.MAPPING, parts, *here, "{}")), *here)


def _text(node: String) -> LayoutValue:
    inside = LayoutValue(quoted(node.value), None, block(node.value))
    return mapping(TEXTS[node.template], inside, node, span(node.place)[1] - 1)
