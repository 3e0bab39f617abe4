"""By how far a rule holds: what lets its thresholds be moved after the signals were measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from composer.methods.rule import Constant, Operation, computed
from composer.methods.signals.base import Signal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composer.methods.cascade_state import Known
    from composer.methods.rule import Expression, Rule

__all__ = ["all_signals_read", "margin", "threshold"]


def margin(rule: Rule, signals: Mapping[str, Known]) -> float:
    """Say by how much all thresholds of a rule could rise before it stops to hold.

    `signals` has the value of each signal by its text. `a >= t` has the margin a - t and `a <= t`
    the margin t - a; `and` has the least of its terms, `or` the greatest. A rule that holds has a
    margin of 0 or more, one that cannot be known has minus infinity. `==`, `!=` and `true` have
    no threshold: plus infinity where they hold, else minus infinity.
    """
    return _margin(rule.expression, signals, holds=True)


def threshold(rule: Rule) -> tuple[str, str, float] | None:
    """Return the signal, the sign and the number of a rule `signal >= number`; None of others."""
    node = rule.expression
    if not isinstance(node, Operation) or node.op not in SIGNS:
        return None
    match node.operands:
        case (Signal() as signal, Constant(value=float() | int() as value)):
            return str(signal), node.op, float(value)
        case _:
            return None


SIGNS: Mapping[str, float] = {">=": 1.0, ">": 1.0, "<=": -1.0, "<": -1.0}
"""The comparisons that have a threshold, and in which direction they grow stricter."""


def all_signals_read(rule: Rule) -> Operation:
    """Return a condition that is always true, and that measures every signal of a rule."""
    reads = tuple(Operation("!=", (each, each)) for each in sorted(rule.signals(), key=str))
    return Operation("or", (*reads, Constant(True), Constant(True)))  # noqa: FBT003


def _margin(node: Expression, signals: Mapping[str, Known], *, holds: bool) -> float:
    """The margin of an expression, or, where `holds` is not set, of its contrary."""
    if isinstance(node, Operation) and node.op == "not":
        return _margin(node.operands[0], signals, holds=not holds)
    if isinstance(node, Operation) and node.op in ("and", "or"):
        each = [_margin(part, signals, holds=holds) for part in node.operands]
        return min(each) if (node.op == "and") is holds else max(each)
    if isinstance(node, Operation) and node.op in SIGNS:
        left, right = (_value(part, signals) for part in node.operands)
        if left is None or right is None:
            return -math.inf
        ahead = SIGNS[node.op] * (float(left) - float(right))
        return ahead if holds else -ahead
    value = _value(node, signals)
    return -math.inf if value is None or bool(value) is not holds else math.inf


def _value(node: Expression, signals: Mapping[str, Known]) -> Known:
    if isinstance(node, Constant):
        return node.value
    if isinstance(node, Signal):
        return signals.get(str(node))
    return computed(node.op, list(_values(node, signals)))


def _values(node: Operation, signals: Mapping[str, Known]) -> Iterator[Known]:
    for part in node.operands:
        yield _value(part, signals)
