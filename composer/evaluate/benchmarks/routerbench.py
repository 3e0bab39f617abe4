"""RouterBench's cascade arm (arXiv:2403.12031): a judge that errs, and a highest cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.evaluate.benchmarks.figures import MAIN, Figures, Published, average
from composer.evaluate.cells import plain
from composer.heavy import np
from composer.metrics import aiq, hull

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from composer.evaluate.benchmarks.run import BenchmarkRun
    from composer.evaluate.rows import EvaluationRow

    Floats = NDArray[np.floating]

__all__ = ["cascade", "routerbench"]

ERRORS = (0.0, 0.1, 0.2, 0.4)
"""The judge's error rates that are shown."""

GOOD = 0.95
"""An answer is accepted if its score is in the top 5 % of all scores of its data set."""

CAPS = 20
COLUMNS = {"quality": "share", "mean cost": "dollars", "AIQ": "number"}


def routerbench(run: BenchmarkRun) -> Published:
    """Set the recipe beside cascades over its members, from the cheapest to the dearest.

    A judge accepts an answer that is good enough, and errs at a rate. Quality and cost are
    expectations without a highest cost; AIQ is that of the curve over twenty highest costs.
    """
    paid = [cost for cost in run.costs(run.recipe).values() if cost is not None]
    ours = average(list(run.quality.values()))
    rows: dict[str, tuple[float | None, ...]] = {run.recipe: (ours, average(paid), None)}
    complete = [row for row in run.rows if _is_complete(run, row)]
    if complete:
        pairs = [[run.alone[name][row.id] for name in run.alone] for row in complete]
        values = np.array(pairs, dtype=np.float64)
        order = np.argsort(values[..., 1].mean(axis=0), kind="stable")
        quality, cost = values[:, order, 0], values[:, order, 1]
        good = _thresholds(complete, quality)
        for error in ERRORS:
            rows[f"cascade, the judge errs {100 * error:.0f} %"] = _arm(quality, cost, good, error)
    left = len(run.rows) - len(complete)
    message = f"The cascades leave out {left:,} rows where a score or a cost is not known."
    notes = (message,) if left else ()
    return Published("RouterBench", (Figures(MAIN, COLUMNS, rows),), notes)


def _is_complete(run: BenchmarkRun, row: EvaluationRow) -> bool:
    outcomes = [row.recorded.get(name) for name in _names(run, row)]
    return len(outcomes) == len(run.alone) > 0 and all(
        one is not None and one.get("cost") is not None for one in outcomes
    )


def _names(run: BenchmarkRun, row: EvaluationRow) -> list[str]:
    judged = [name for name, each in run.alone.items() if row.id in each]
    return [run.answers[name][row.id] for name in judged if row.id in run.answers[name]]


def _thresholds(rows: list[EvaluationRow], quality: Floats) -> Floats:
    """Return the score from which an answer is good, by row: a quantile of its data set's."""
    tags = np.array([row.tags[0] if row.tags else "" for row in rows])
    good = np.zeros(len(rows))
    for tag in np.unique(tags):
        good[tags == tag] = np.quantile(quality[tags == tag], GOOD)
    return good


def _arm(quality: Floats, cost: Floats, good: Floats, error: float) -> tuple[float | None, ...]:
    caps = [*np.geomspace(max(cost.min(), 1e-9), max(cost.sum(axis=1).max(), 1e-9), CAPS), np.inf]
    points = [cascade(quality, cost, good, error, cap) for cap in caps]
    reached, spent = points[-1]
    costs, qualities = np.array([c for _, c in points]), np.array([q for q, _ in points])
    area = aiq(hull(costs, qualities), max(float(cost.mean(axis=0).max()), float(costs.max())))
    return reached, spent, plain(area)


def cascade(
    quality: Floats, cost: Floats, good: Floats, error: float, cap: float = float("inf")
) -> tuple[float, float]:
    """Return the expected quality and cost of a cascade over models in order, [n, m] each.

    A model is not asked if its cost reaches what is left of `cap` and something was spent already.
    An answer is accepted if its quality reaches `good`, [n]; the judge errs at the rate `error`.
    """
    asked, spent, left = np.ones(len(quality)), np.zeros(len(quality)), np.full(len(quality), cap)
    total, dollars, last = np.zeros(len(quality)), np.zeros(len(quality)), np.zeros(len(quality))
    for values, prices in zip(quality.T, cost.T, strict=True):
        stops = (prices >= left) & (spent > 0)
        total += np.where(stops, asked * last, 0)
        asked = np.where(stops, 0, asked)
        dollars += asked * prices
        spent, left = spent + prices, left - prices
        accepts = np.where(values >= good, 1 - error, error)
        total += asked * accepts * values
        asked, last = asked * (1 - accepts), values
    return float((total + asked * last).mean()), float(dollars.mean())
