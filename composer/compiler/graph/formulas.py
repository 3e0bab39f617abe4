"""Formulas inside a fuse: a sum of models with numbers before them, to coefficients."""

from __future__ import annotations

from math import isclose
from typing import TYPE_CHECKING

from composer.compiler.graph.arguments import BadValueError
from composer.compiler.graph.numbers import is_number
from composer.compiler.graph.scope import follow
from composer.compiler.graph.value_mistakes import leads_back
from composer.diagnostics import Diagnostic
from composer.syntax import tree, unparse
from composer.trampoline import deep, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.compiler.graph.scope import Scope
    from composer.compiler.graph.values import Values

Term = tuple[tree.Expr, "Scope", float]
"""An expression that is a model, the scope to read it in, and its coefficient."""


def is_formula(expr: tree.Expr) -> bool:
    """Say whether an expression is arithmetic over members."""
    return isinstance(expr, tree.Binary | tree.Unary)


def formula_terms(values: Values, expr: tree.Expr, scope: Scope) -> list[Term]:
    """Return the members of a formula, each once, with the sum of its coefficients.

    A formula is linear: models may be added, subtracted and multiplied by numbers, since it
    stands for a sum of log-probabilities (model arithmetic, arXiv:2311.14479).
    """
    sums: dict[tuple[object, int], Term] = {}
    for member, home, coefficient in run(_walk(values, expr, scope, 1.0, ())):
        key = (member.id if isinstance(member, tree.Name) else id(member), id(home))
        before = sums[key][2] if key in sums else 0.0
        sums[key] = (member, home, before + coefficient)
    if not any(coefficient for _, _, coefficient in sums.values()):
        text = f"in `{unparse(expr)}` all models cancel"
        raise BadValueError(Diagnostic("E402", text, expr.place, "nothing is left"))
    return list(sums.values())


Leaf = tuple[str, float]
"""A model as it is written, and what it is multiplied by."""


def subtracted(values: Values, expr: tree.Expr, scope: Scope, base: str) -> str | None:
    """Return a model that a formula subtracts though it is not the `base`, if it does.

    In a formula of differences from the base, such as `base + 0.5 * (A - base)`, nothing else is
    subtracted; a difference as a whole may be.
    """
    sums = _Sums(values, base)
    own, inner = run(sums.level(expr, scope, 1.0))
    if sums.has_several(own + inner):
        sums.subtract(own)
    return next(iter(sums.odd), None)


class _Sums:
    """A walk through the sums of a formula; `odd` has the models that they subtract."""

    def __init__(self, values: Values, base: str) -> None:
        self._values, self._base = values, base
        self.odd: list[str] = []

    @deep
    async def level(
        self, source: tree.Expr, scope: Scope, factor: float
    ) -> tuple[list[Leaf], list[Leaf]]:
        """Return the models of a sum, and those of the sums that it is made of."""
        expr, home = follow(source, scope)
        match expr:
            case tree.Binary(op="+" | "-" as op, left=left, right=right):
                own, inner = await self.level(left, home, factor)
                more, deeper = await self._operand(right, home, factor if op == "+" else -factor)
                return own + more, inner + deeper
            case tree.Binary():
                member, by = _scaled(self._values, expr, home)
                return await self._operand(member, home, factor * by)
            case tree.Unary(operand=operand):
                return await self._operand(operand, home, -factor)
            case _:
                return [(unparse(source), factor)], []

    @deep
    async def _operand(
        self, source: tree.Expr, scope: Scope, factor: float
    ) -> tuple[list[Leaf], list[Leaf]]:
        """Do the same for what is added or multiplied; a sum there stands for itself."""
        expr, _ = follow(source, scope)
        if not (isinstance(expr, tree.Binary) and expr.op in ("+", "-")):
            return await self.level(source, scope, factor)
        own, inner = await self.level(source, scope, 1.0)
        whole = own + inner
        is_difference = isclose(sum(by for _, by in whole), 0, abs_tol=1e-9)
        if not is_difference or self.has_several(whole):
            self.subtract(own)
        scaled = [(name, by * factor) for name, by in whole]
        if not is_difference and factor < 0:
            self.subtract(scaled)
        return [], scaled

    def has_several(self, leaves: Sequence[Leaf]) -> bool:
        """Say whether there are several models besides the base."""
        return len({name for name, _ in leaves} - {self._base}) > 1

    def subtract(self, leaves: Sequence[Leaf]) -> None:
        """Note the models below zero that are not the base."""
        self.odd += [name for name, by in leaves if name != self._base and by < 0]


@deep
async def _walk(
    values: Values, source: tree.Expr, scope: Scope, factor: float, trail: tuple[int, ...]
) -> list[Term]:
    expr, home = follow(source, scope)
    if id(expr) in trail:
        raise BadValueError(leads_back(source))
    if expr is not source:
        if not is_formula(expr):
            return [(source, scope, factor)]
        trail = (*trail, id(expr))
    match expr:
        case tree.Binary(op="+" | "-" as op, left=left, right=right):
            sign = 1.0 if op == "+" else -1.0
            first = await _walk(values, left, home, factor, trail)
            return first + await _walk(values, right, home, factor * sign, trail)
        case tree.Binary(op="*" | "/"):
            member, by = _scaled(values, expr, home)
            return await _walk(values, member, home, factor * by, trail)
        case tree.Unary(op="-", operand=operand):
            return await _walk(values, operand, home, -factor, trail)
        case _:
            _check_member(expr)
            return [(expr, home, factor)]


def _scaled(values: Values, expr: tree.Binary, scope: Scope) -> tuple[tree.Expr, float]:
    """Return the side of a product that holds models, and the number beside it."""
    if is_number(expr.right, scope):
        by = values.number(expr.right, scope)
        if expr.op == "*":
            return expr.left, by
        if by == 0:
            raise BadValueError(Diagnostic("E402", "division by zero", expr.right.place, "is 0"))
        return expr.left, 1 / by
    if expr.op == "*" and is_number(expr.left, scope):
        return expr.right, values.number(expr.left, scope)
    raise BadValueError(_product(expr))


def _check_member(expr: tree.Expr) -> None:
    """Refuse what can be no member of a formula, whatever names stand for."""
    if isinstance(expr, tree.Number):
        text = "a number cannot be a term of a formula of models"
        raise BadValueError(Diagnostic("E405", text, expr.place, "not a model"))
    if isinstance(expr, tree.Binary | tree.Unary | tree.Boolean | tree.String | tree.Null):
        text = "a formula can only add and subtract models, and multiply them by numbers"
        raise BadValueError(Diagnostic("E405", text, expr.place, "not allowed in a formula"))


def _product(expr: tree.Binary) -> Diagnostic:
    word = "multiplied" if expr.op == "*" else "divided"
    return Diagnostic(
        "E405",
        f"models cannot be {word} by models",
        expr.place,
        "not a sum of models",
        help="multiply by numbers: `base + 0.8 * (expert - novice)`",
    )
