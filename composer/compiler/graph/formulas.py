"""Formulas inside a fuse: a sum of models with numbers before them, to coefficients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph.values import Bad, Values, follow
from composer.syntax import tree
from composer.words import Diagnostic

if TYPE_CHECKING:
    from composer.compiler.graph.scope import Scope

Term = tuple[tree.Expr, "Scope", float]
"""An expression that is a model, the scope to read it in, and its coefficient."""


def is_formula(expr: tree.Expr) -> bool:
    """Say whether an expression is arithmetic over members."""
    return isinstance(expr, tree.Binary | tree.Unary)


def terms(values: Values, expr: tree.Expr, scope: Scope) -> list[Term]:
    """Return the members of a formula, each once, with the sum of its coefficients.

    A formula is linear: models may be added, subtracted and multiplied by numbers, since it
    stands for a sum of log-probabilities (model arithmetic, arXiv:2311.14479).
    """
    sums: dict[tuple[object, int], Term] = {}
    for member, home, coefficient in _walk(values, expr, scope, 1.0):
        key = (member.id if isinstance(member, tree.Name) else id(member), id(home))
        before = sums[key][2] if key in sums else 0.0
        sums[key] = (member, home, before + coefficient)
    return list(sums.values())


def _walk(values: Values, expr: tree.Expr, scope: Scope, factor: float) -> list[Term]:
    match expr:
        case tree.Binary(op="+" | "-" as op, left=left, right=right):
            sign = 1.0 if op == "+" else -1.0
            return [
                *_walk(values, left, scope, factor),
                *_walk(values, right, scope, factor * sign),
            ]
        case tree.Binary(op="*", left=left, right=right):
            if _is_number(values, left, scope):
                return _walk(values, right, scope, factor * values.number(left, scope))
            if _is_number(values, right, scope):
                return _walk(values, left, scope, factor * values.number(right, scope))
            raise Bad(_product(expr))
        case tree.Binary(op="/", left=left, right=right):
            if not _is_number(values, right, scope):
                raise Bad(_product(expr))
            return _walk(values, left, scope, factor / values.number(right, scope))
        case tree.Unary(op="-", operand=operand):
            return _walk(values, operand, scope, -factor)
        case tree.Binary() | tree.Unary() | tree.Boolean() | tree.String() | tree.Null():
            text = "a formula adds, subtracts and scales models"
            raise Bad(Diagnostic("E405", text, expr.place, "does something else"))
        case tree.Number():
            text = "a number alone adds nothing to a distribution"
            raise Bad(Diagnostic("E405", text, expr.place, "not a model"))
        case _:
            return [(expr, scope, factor)]


def _is_number(values: Values, expr: tree.Expr, scope: Scope) -> bool:
    inner, home = follow(expr, scope)
    if isinstance(inner, tree.Binary):
        sides = (inner.left, inner.right)
        return all(_is_number(values, side, home) for side in sides)
    if isinstance(inner, tree.Unary):
        return _is_number(values, inner.operand, home)
    return isinstance(inner, tree.Number)


def _product(expr: tree.Binary) -> Diagnostic:
    word = "multiplied" if expr.op == "*" else "divided"
    return Diagnostic(
        "E405",
        f"models cannot be {word} by models",
        expr.place,
        "not a sum of models",
        help="multiply by numbers: `base + 0.8 * (expert - novice)`",
    )
