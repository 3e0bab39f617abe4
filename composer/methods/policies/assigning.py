"""Assignment of many queries to choices under one budget: the integer program and its dual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.heavy import np, scipy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

_ROUNDS = 60
_CLOSE = 1e-9
_LEAST = -1e6
"""Stands for minus infinity, the quality of what is not known, which no program can hold."""


def assign(quality: Floats, cost: Floats, budget: float) -> NDArray[np.intp]:
    """Return each query's choice, so that the summed quality is greatest within a budget.

    max sum_ij q_ij x_ij with sum_j x_ij = 1 for every query i, sum_ij c_ij x_ij <= budget and x
    in {0, 1}: a multiple-choice knapsack, solved by HiGHS (FORC, arXiv:2308.06077). `quality` and
    `cost` are [n, m]. A budget below the cheapest assignment gets the cheapest one.
    """
    quality = np.maximum(quality, _LEAST)
    cheapest = _first(cost, -quality)
    rows = np.arange(len(quality))
    if cost[rows, cheapest].sum() >= budget - _CLOSE:
        return cheapest
    free = _first(-quality, cost)
    if cost[rows, free].sum() <= budget + _CLOSE:
        return free
    return _program(quality, cost, budget)


def multiplier(quality: Floats, cost: Floats, budget: float) -> float:
    """Return the least lambda at which argmax q - lambda c spends no more than the budget.

    This is the Lagrangian dual of `assign`, found by bisection: the spending falls as lambda
    grows. Infinity where even the cheapest assignment costs more.
    """
    rows = np.arange(len(quality))

    def spent(price: float) -> float:
        return float(cost[rows, _first(price * cost - quality, cost)].sum())

    if spent(0.0) <= budget + _CLOSE:
        return 0.0
    if float(cost.min(axis=1).sum()) > budget + _CLOSE:
        return float("inf")
    low, high = 0.0, 1.0
    while spent(high) > budget + _CLOSE:
        low, high = high, 2 * high
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if spent(middle) > budget + _CLOSE else (low, middle)
    return high


def _program(quality: Floats, cost: Floats, budget: float) -> NDArray[np.intp]:
    count, choices = quality.shape
    each = scipy.sparse.kron(
        scipy.sparse.eye(count, format="csr"), np.ones((1, choices)), format="csr"
    )
    solution = scipy.optimize.milp(
        -quality.ravel(),
        integrality=np.ones(count * choices),
        bounds=scipy.optimize.Bounds(0, 1),
        constraints=[
            scipy.optimize.LinearConstraint(each, 1, 1),
            scipy.optimize.LinearConstraint(cost.reshape(1, -1), -np.inf, budget),
        ],
        options={"mip_rel_gap": 1e-6, "time_limit": 60.0},
    )
    if solution.x is None:
        raise ArithmeticError(solution.message)
    chosen: NDArray[np.intp] = solution.x.reshape(count, choices).argmax(axis=1)
    return chosen


def _first(least: Floats, then: Floats) -> NDArray[np.intp]:
    """Return where each row is least, and among equals where `then` is least."""
    ties = least <= least.min(axis=1, keepdims=True)
    chosen: NDArray[np.intp] = np.where(ties, then, np.inf).argmin(axis=1)
    return chosen
