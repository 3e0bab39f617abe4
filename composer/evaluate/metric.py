"""What `compose tune` maximises: a sum of measured figures with factors."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.diagnostics import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FIGURES", "Metric", "metric_of"]

ACCURACY = "accuracy"
FIGURES = (ACCURACY, "cost", "tokens", "calls")
"""What a question's answer is measured by: its grade, its dollars, its tokens, its calls."""

_EXAMPLE = "write for example `accuracy - 20 * cost`"
_SIGNS = {ast.Add: 1.0, ast.Sub: -1.0}


@dataclass(frozen=True)
class Metric:
    """A linear formula over the figures of a question. `sign` is -1 where less is better."""

    text: str
    factors: Mapping[str, float]

    @property
    def sign(self) -> float:
        """1 where more is better, -1 for a metric of costs alone."""
        return 1.0 if self.factors.get(ACCURACY, 0.0) > 0 or self._rewards else -1.0

    @property
    def _rewards(self) -> bool:
        return min(self.factors.values()) < 0

    @property
    def points(self) -> bool:
        """Whether it is a share of right answers, which is shown in points."""
        return dict(self.factors) == {ACCURACY: 1.0}

    def of(self, figures: Mapping[str, float]) -> float:
        """Return the metric of one question."""
        return sum(factor * figures[name] for name, factor in self.factors.items())

    def shown(self, value: float) -> str:
        """Write a value of the metric."""
        return f"{100 * value:.1f} %" if self.points else f"{value:.4g}"


def metric_of(text: str) -> Metric:
    """Read a metric such as `accuracy - 20 * cost`; raises ValueError."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError):
        raise ValueError(f"`{text}` is no formula: {_EXAMPLE}") from None
    factors: dict[str, float] = {}
    for name, factor in _terms(tree.body, 1.0):
        factors[name] = factors.get(name, 0.0) + factor
    factors = {name: factor for name, factor in factors.items() if factor}
    if not factors:
        raise ValueError(f"`{text}` measures nothing: {_EXAMPLE}")
    return Metric(text.strip(), factors)


def _terms(node: ast.expr, factor: float) -> list[tuple[str, float]]:
    """Return the names of a sum with their factors."""
    match node:
        case ast.Name(id=name):
            if name not in FIGURES:
                near = did_you_mean(name, FIGURES, keep_order=True)
                raise ValueError(f"a metric knows no `{name}`: {near}")
            return [(name, factor)]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _terms(operand, -factor)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            return _terms(left, factor) + _terms(right, factor * _SIGNS[type(op)])
        case ast.BinOp(left=ast.Constant(value=int() | float() as value), op=ast.Mult(), right=of):
            return _terms(of, factor * value)
        case ast.BinOp(left=of, op=ast.Mult(), right=ast.Constant(value=int() | float() as value)):
            return _terms(of, factor * value)
    raise ValueError(
        f"`{ast.unparse(node)}` cannot stand in a metric, which adds figures with factors: "
        f"{_EXAMPLE}"
    )
