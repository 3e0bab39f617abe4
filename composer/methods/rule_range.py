"""What a rule can come to at all, from the limits of its signals: `confidence >= 1.5` never holds.

Arithmetic is that of intervals, so what is found here is certain, and some things are not found.
"""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING

from composer.methods.rule import Constant, Rule
from composer.methods.signals.base import Signal

if TYPE_CHECKING:
    from collections.abc import Collection

    from composer.methods.rule import Expression, Operation

__all__ = ["settled"]

Span = tuple[float, float]
"""The least and the greatest value."""

ANY: Span = (-math.inf, math.inf)


def settled(rule: Rule) -> bool | None:
    """Say that a rule always holds or never does, wherever it is known; None if it depends."""
    if not rule.signals():
        return None
    values = _truths(rule.expression)
    return None if len(values) > 1 else next(iter(values))


def _truths(node: Expression) -> Collection[bool]:
    """Return what a condition may come to."""
    if isinstance(node, Signal):
        return {True, False}
    if isinstance(node, Constant):
        return {bool(node.value)}
    if node.op == "not":
        return {not value for value in _truths(node.operands[0])}
    if node.op in ("and", "or"):
        join = all if node.op == "and" else any
        return {join(values) for values in product(*map(_truths, node.operands))}
    return _compared(node)


def _compared(node: Operation) -> Collection[bool]:
    """Return what a comparison of two numbers may come to."""
    if any(isinstance(side, Constant) and isinstance(side.value, str) for side in node.operands):
        return {True, False}
    (low, high), (least, most) = map(_span, node.operands)
    match node.op:
        case ">" | "<=":
            always, never = low > most, high <= least
        case ">=" | "<":
            always, never = low >= most, high < least
        case _:
            apart, equal = high < least or low > most, low == high == least == most
            always, never = (equal, apart) if node.op == "==" else (apart, equal)
    if node.op in ("<=", "<"):
        always, never = never, always
    return {True} if always else {False} if never else {True, False}


def _span(node: Expression) -> Span:
    """Return the least and the greatest value of a number."""
    if isinstance(node, Signal):
        return node.limits
    if isinstance(node, Constant):
        return (float(node.value), float(node.value)) if not isinstance(node.value, str) else ANY
    return _computed(node.op, [_span(each) for each in node.operands])


def _computed(op: str, spans: list[Span]) -> Span:
    """Return the span of a sum, a difference, a product or a quotient."""
    (low, high), *rest = spans
    if not rest:
        return -high, -low
    least, most = rest[0]
    match op:
        case "+":
            return low + least, high + most
        case "-":
            return low - most, high - least
        case _:
            return _scaled(op, spans[0], rest[0])


def _scaled(op: str, left: Span, right: Span) -> Span:
    """Return the span of a product or a quotient."""
    if op == "/" and right[0] <= 0 <= right[1]:
        return ANY
    ends = [a * b if op == "*" else a / b for a in left for b in right]
    return ANY if any(map(math.isnan, ends)) else (min(ends), max(ends))
