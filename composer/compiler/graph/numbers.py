"""Numbers that expressions come to: arithmetic over numbers and parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.compiler.graph.arguments import BadValueError, resolve
from composer.compiler.graph.option_types import type_text
from composer.compiler.graph.scope import Scope, follow
from composer.compiler.graph.value_mistakes import leads_back, wrong_type
from composer.diagnostics import Diagnostic, nearest
from composer.syntax import tree
from composer.trampoline import deep, run

if TYPE_CHECKING:
    from collections.abc import Callable


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


@dataclass(frozen=True, slots=True)
class Numbers:
    """Works out numbers, each once.

    `known` are those that were worked out, with what they stand for, and `pending` those that are
    being worked out.
    """

    known: dict[tuple[int, int], tuple[tree.Expr, Scope, float]] = field(default_factory=dict)
    pending: set[tuple[int, int]] = field(default_factory=set)

    def of(self, expr: tree.Expr, scope: Scope, hint: object = float) -> float:
        """Return the number that an expression of numbers and parameters comes to."""
        number = run(self._number(expr, scope, hint))
        try:
            finite = math.isfinite(float(number))
        except OverflowError:
            finite = False
        if not finite:
            raise BadValueError(
                Diagnostic("E402", "this number is too large", expr.place, "cannot be used")
            )
        return number

    @deep
    async def _number(self, source: tree.Expr, scope: Scope, hint: object) -> float:
        expr, home = resolve(source, scope)
        key = (id(expr), id(home))
        if key in self.pending:
            raise BadValueError(leads_back(source))
        if key not in self.known:
            self.pending.add(key)
            try:
                self.known[key] = (expr, home, await self._arithmetic(expr, home, hint))
            finally:
                self.pending.discard(key)
        return self.known[key][2]

    async def _arithmetic(self, expr: tree.Expr, scope: Scope, hint: object) -> float:
        match expr:
            case tree.Number(value=value):
                return value
            case tree.Unary(op="-", operand=operand):
                return -(await self._number(operand, scope, hint))
            case tree.Binary(op=op, left=left, right=right) if op in ARITHMETIC:
                a = await self._number(left, scope, hint)
                b = await self._number(right, scope, hint)
                if op == "/" and b == 0:
                    raise BadValueError(Diagnostic("E402", "division by zero", right.place, "is 0"))
                try:
                    return ARITHMETIC[op](a, b)
                except OverflowError:
                    text = "this number is too large"
                    raise BadValueError(
                        Diagnostic("E402", text, expr.place, "cannot be used")
                    ) from None
            case tree.Name(id=name) if scope.find(name) is None:
                near = nearest(name, scope.visible())
                raise BadValueError(
                    wrong_type(
                        expr, type_text(hint), help_=f"did you mean `{near}`?" if near else ""
                    )
                )
            case _:
                raise BadValueError(wrong_type(expr, type_text(hint)))


def is_number(expr: tree.Expr, scope: Scope) -> bool:
    """Say whether an expression is made of numbers alone, whatever its names stand for."""
    todo, visited = [(expr, scope)], set()
    while todo:
        inner, home = follow(*todo.pop())
        if (id(inner), id(home)) in visited:
            continue
        visited.add((id(inner), id(home)))
        if isinstance(inner, tree.Binary) and inner.op in ARITHMETIC:
            todo += [(inner.left, home), (inner.right, home)]
        elif isinstance(inner, tree.Unary) and inner.op == "-":
            todo.append((inner.operand, home))
        elif not isinstance(inner, tree.Number):
            return False
    return True
