"""Conditions over signals, as written `accept = confidence >= 0.6 and agreement > 0.5`.

A rule is a frozen tree. It is read with three-valued logic: a signal that nobody can know, or that
is no number, makes its comparison unknown, and `and` and `or` are unknown only where the other side
does not settle them. Terms are looked at from left to right, and none after the first that settles
the matter.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema

from composer.methods.signals.base import Signal
from composer.values.finite import finite

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from composer.methods.cascade_state import CascadeState, Known
    from composer.values import Asker, Candidates, Text

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_ARITHMETIC: dict[str, Callable[[Any, Any], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_LOGIC = frozenset({"and", "or", "not"})
_BINDS = {"or": 1, "and": 2, "not": 3, **dict.fromkeys(_COMPARISONS, 4)}
_BINDS |= {"+": 5, "-": 5, "*": 6, "/": 6}
_NEGATION, _LEAF = 7, 8


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, a text, `true` or `false`."""

    value: float | str | bool


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator and what it is applied to: `and`, `or`, `not`, a comparison, `+ - * /`.

    `and` and `or` take two operands or more, `not` takes one, `-` takes one or two.
    """

    op: str
    operands: tuple[Expression, ...]

    def __post_init__(self) -> None:
        if self.op not in _BINDS:
            raise ValueError(f"`{self.op}` is not an operator of conditions")


Expression = Signal | Constant | Operation


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a rule holds (None: it cannot be known) and the signals that were looked at."""

    holds: bool | None
    facts: Mapping[str, Known]


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition that decides over an answer, such as `confidence >= 0.6`."""

    expression: Expression

    async def holds(
        self, answer: Text | Candidates, ask: Asker, cascade: CascadeState | None = None
    ) -> Verdict:
        """Decide over an answer, or over the latest answer of a cascade."""
        reading = _Reading(answer, ask, cascade)
        value = await reading.of(self.expression)
        facts = {str(signal): value for signal, value in reading.seen.items()}
        return Verdict(None if value is None else bool(value), facts)

    def signals(self) -> frozenset[Signal]:
        """Return all signals that the rule mentions."""
        return frozenset(node for node in _walk(self.expression) if isinstance(node, Signal))

    def with_signals(self, change: Callable[[Signal], Signal]) -> Rule:
        """Return the rule with every signal changed, itself if none is."""
        expression = _changed(self.expression, change)
        return self if expression is self.expression else Rule(expression)

    def never_known(self, unknown: Collection[Signal]) -> bool:
        """Say whether the rule can never be decided while these signals are not known."""
        return _outcomes(self.expression, unknown) == {None}

    def mistake(self) -> str | None:
        """Say why this is no condition, such as a number where one is needed; None if it is one."""
        return _mistake(self.expression, condition=True)

    def written(self, signal: Callable[[Signal], str]) -> str:
        """Write the rule as a recipe would, signals with options as `signal` writes them."""
        return _Writing(signal).of(self.expression)

    def __str__(self) -> str:
        return self.written(str)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> Any:  # noqa: ANN401
        return core_schema.is_instance_schema(cls, serialization=core_schema.to_string_ser_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: object, _handler: object) -> dict[str, str]:
        return {"type": "string", "description": "a condition, such as `confidence >= 0.6`"}


class _Reading:
    """One evaluation: the answer, and the signals that were needed so far."""

    def __init__(self, answer: Text | Candidates, ask: Asker, cascade: CascadeState | None) -> None:
        self.answer = answer
        self.ask = ask
        self.cascade = cascade
        self.seen: dict[Signal, float | None] = {}

    async def of(self, node: Expression) -> Known:
        if isinstance(node, Constant):
            return node.value
        if isinstance(node, Signal):
            if node not in self.seen:
                self.seen[node] = finite(await self.measure(node))
            return self.seen[node]
        if node.op == "not":
            inner = await self.of(node.operands[0])
            return None if inner is None else not inner
        if node.op in _LOGIC:
            return await self.junction(node)
        return computed(node.op, [await self.of(operand) for operand in node.operands])

    async def measure(self, signal: Signal) -> float | None:
        if self.cascade is None:
            return await signal.value(self.answer, self.ask)
        return await signal.in_cascade(self.cascade, self.ask)

    async def junction(self, node: Operation) -> bool | None:
        settles = node.op == "or"
        unknown = False
        for operand in node.operands:
            value = await self.of(operand)
            if value is None:
                unknown = True
            elif bool(value) is settles:
                return settles
        return None if unknown else not settles


def computed(op: str, values: list[Any]) -> Known:
    """Return what a comparison or arithmetic comes to."""
    if any(value is None for value in values):
        return None
    if len(values) == 1:
        return float(-values[0])
    apply = _COMPARISONS.get(op) or _ARITHMETIC[op]
    try:
        value = apply(*values)
    except (ZeroDivisionError, OverflowError, TypeError):
        return None
    return value if isinstance(value, bool) else finite(value)


def _outcomes(node: Expression, unknown: Collection[Signal]) -> set[bool | None]:
    """Return what an expression may come to, in three-valued logic, while signals are not known."""
    if isinstance(node, Signal):
        return {None} if node in unknown else {True, False}
    if isinstance(node, Constant):
        return {node.value} if isinstance(node.value, bool) else {True, False}
    sides = [_outcomes(each, unknown) for each in node.operands]
    if node.op == "not":
        return {None if each is None else not each for each in sides[0]}
    if node.op not in _LOGIC:
        return {None} if {None} in sides else {True, False}
    settles = node.op == "or"
    outcomes: set[bool | None] = {settles} if any(settles in side for side in sides) else set()
    outcomes |= {None} if any(None in side for side in sides) else set()
    return outcomes | ({not settles} if all(settles not in side for side in sides) else set())


def _changed(node: Expression, change: Callable[[Signal], Signal]) -> Expression:
    if isinstance(node, Signal):
        return change(node)
    if isinstance(node, Constant):
        return node
    operands = tuple(_changed(each, change) for each in node.operands)
    same = all(a is b for a, b in zip(operands, node.operands, strict=True))
    return node if same else Operation(node.op, operands)


def _walk(node: Expression) -> Iterator[Expression]:
    yield node
    if isinstance(node, Operation):
        for operand in node.operands:
            yield from _walk(operand)


def _mistake(node: Expression, *, condition: bool) -> str | None:
    decides = isinstance(node, Operation) and (node.op in _LOGIC or node.op in _COMPARISONS)
    decides |= isinstance(node, Constant) and isinstance(node.value, bool)
    if condition and not decides:
        return f"`{_write(node)}` is a value, not a condition: compare it, as in `... >= 0.5`"
    if decides and not condition:
        return f"`{_write(node)}` is a condition, but a value is needed here"
    if not isinstance(node, Operation):
        return None
    texts = (part for part in node.operands if _is_text(part))
    if node.op not in ("==", "!=") and (text := next(texts, None)):
        return f"`{_write(text)}` is a text, but a number is needed here"
    inner = (_mistake(part, condition=node.op in _LOGIC) for part in node.operands)
    return next((signal for signal in inner if signal), None)


def _is_text(node: Expression) -> bool:
    return isinstance(node, Constant) and isinstance(node.value, str)


@dataclass(frozen=True, slots=True)
class _Writing:
    """Writes an expression with the fewest brackets; `signal` writes one that has options."""

    signal: Callable[[Signal], str]

    def of(self, node: Expression, around: int = 0) -> str:
        binds = _binds(node)
        text = self._plain(node, binds)
        return f"({text})" if binds < around else text

    def _plain(self, node: Expression, binds: int) -> str:
        if isinstance(node, Signal):
            return self.signal(node) if type(node).model_fields else node.name
        if isinstance(node, Constant):
            return _constant(node.value)
        if node.op == "not":
            return f"not {self.of(node.operands[0], binds)}"
        if binds == _NEGATION:
            return f"-{self.of(node.operands[0], binds)}"
        # Only `and` and `or` read the same however they are grouped; comparisons are never chained.
        first = binds + 1 if node.op in _COMPARISONS else binds
        rest = binds if node.op in _LOGIC else binds + 1
        left, *others = node.operands
        return f" {node.op} ".join([self.of(left, first), *(self.of(o, rest) for o in others)])


def _write(node: Expression) -> str:
    return _Writing(str).of(node)


def _binds(node: Expression) -> int:
    if not isinstance(node, Operation):
        return _LEAF
    return _NEGATION if node.op == "-" and len(node.operands) == 1 else _BINDS[node.op]


def _constant(value: float | str | bool) -> str:  # noqa: FBT001
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)
