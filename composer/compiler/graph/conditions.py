"""Conditions over signals, as cascades accept by them: an expression to a rule, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.compiler.graph.arguments import BadValueError, resolve
from composer.compiler.graph.numbers import is_number
from composer.compiler.graph.value_mistakes import acceptance_in_rule, leads_back, no_rule
from composer.diagnostics import Diagnostic, nearest
from composer.methods import Acceptance, Constant, Operation, Rule, Signal, find_part, kind_of
from composer.methods.table import parts_of
from composer.syntax import tree
from composer.trampoline import deep, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.compiler.graph.scope import Scope
    from composer.methods.rule import Expression
    from composer.values.typed import Typed


DEEPEST = 100
"""Names that may stand for each other inside of one rule."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Reads rules; `number` works out a number, and `part` builds a signal of its call."""

    number: Callable[[tree.Expr, Scope], float]
    part: Callable[[tree.Call, type[Typed], Scope], Typed]

    def rule(self, expr: tree.Expr, scope: Scope) -> Rule:
        """Return the rule that an expression is, or raise BadValueError."""
        rule = Rule(run(self._expression(expr, scope, ())))
        mistake = rule.mistake()
        if mistake:
            raise BadValueError(Diagnostic("E405", mistake, expr.place, "not a condition"))
        return rule

    @deep
    async def _expression(
        self, source: tree.Expr, scope: Scope, trail: tuple[int, ...]
    ) -> Expression:
        expr, scope = resolve(source, scope)
        if id(expr) in trail:
            raise BadValueError(leads_back(source))
        if len(trail) > DEEPEST:
            text = "this rule is nested too deep in other rules"
            raise BadValueError(Diagnostic("E116", text, source.place, "too deep"))
        trail = trail if expr is source else (*trail, id(expr))
        if isinstance(expr, tree.Binary | tree.Unary) and is_number(expr, scope):
            return Constant(self.number(expr, scope))
        match expr:
            case tree.Name(id=name, place=place):
                return self._signal(tree.Call(name, (), place, place), scope)
            case tree.Call():
                return self._signal(expr, scope)
            case tree.Number(value=value) | tree.Boolean(value=value):
                return Constant(value)
            case tree.Binary(op=op, left=left, right=right):
                first = await self._expression(left, scope, trail)
                return Operation(op, (first, await self._expression(right, scope, trail)))
            case tree.Unary(op=op, operand=operand):
                return Operation(op, (await self._expression(operand, scope, trail),))
            case _:
                raise BadValueError(no_rule(expr))

    def _signal(self, call: tree.Call, scope: Scope) -> Signal:
        part = find_part(kind_of(Signal), call.function)
        if part is not None:
            signal = self.part(call, part, scope)
            assert isinstance(signal, Signal)
            return signal
        if find_part(kind_of(Acceptance), call.function) is not None:
            raise BadValueError(acceptance_in_rule(call))
        signals = parts_of(Signal)
        near = nearest(call.function, [*signals, *scope.visible()])
        raise BadValueError(
            Diagnostic(
                "E405",
                f"unknown signal `{call.function}`",
                call.function_place,
                "not a signal or a parameter",
                help=f"did you mean `{near}`?" if near else f"signals: {', '.join(signals)}",
            )
        )
