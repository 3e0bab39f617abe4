"""LLMRouterBench's figures (arXiv:2601.07206, sections 3.2 and 6): gains, savings and distances."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from composer.evaluate.benchmarks.figures import MAIN, Figures, Published, average
from composer.heavy import np
from composer.metrics import tradeoff_switches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from composer.evaluate.benchmarks.run import BenchmarkRun

    Floats = NDArray[np.floating]

__all__ = ["llmrouterbench", "pareto_distance"]

GAINS = {"AvgAcc": "share", "Gain@R": "share", "Gain@B": "share", "Gap@O": "share"}
TRADES = {"PerfGain": "share", "CostSave": "share", "ParetoDist": "number"}
LEAST = 1e-12
POINTS = 50

Point = tuple[float, float]
"""A mean accuracy over data sets, and a mean cost of a query in dollars."""


def llmrouterbench(run: BenchmarkRun) -> Published:
    """Compare with a random member, the best single one and the oracle, over means of data sets.

    Gain@R and Gain@B are A / A_other - 1, Gap@O is 1 - A / A_oracle. PerfGain is the greatest
    accuracy of the recipe over the best single member's, less 1; CostSave is 1 less the share of
    its cost at which the recipe is as good. A route is measured at all trade-offs of its estimates.
    """
    sets = _datasets(run)
    accuracy = {label: _macro(_qualities(run, label), sets) for label in run.answers}
    whole = {name: each for name in run.alone if (each := _whole(run, name, sets)) is not None}
    best = max(whole, key=lambda name: (whole[name], -(_cost(run, name) or 0)), default=None)
    pools = [_qualities(run, name) for name in run.alone]
    by_row = {row.id: pool for row in run.rows if (pool := _pool(pools, row.id))}
    chance = _macro({row: sum(pool) / len(pool) for row, pool in by_row.items()}, sets)
    oracle = _macro({row: max(pool) for row, pool in by_row.items()}, sets)
    single = whole[best] if best is not None else None
    rows = {
        label: (each, _gain(each, chance), _gain(each, single), _gap(each, oracle))
        for label, each in accuracy.items()
    }
    tables = [Figures(MAIN, GAINS, rows)]
    trades = _trades(run, sets, best)
    if trades is not None:
        tables.append(Figures("accuracy and cost", TRADES, {run.recipe: trades}))
    return Published("LLMRouterBench", tuple(tables), tuple(_notes(run, sets, best)))


def _datasets(run: BenchmarkRun) -> dict[str, list[str]]:
    sets: dict[str, list[str]] = defaultdict(list)
    for row in run.rows:
        sets[str(row.facts.get("dataset", ""))].append(row.id)
    return sets


def _macro(quality: Mapping[str, float], sets: Mapping[str, list[str]]) -> float | None:
    """Return the mean over data sets of the mean quality of their rows."""
    means = [average([quality[row] for row in rows if row in quality]) for rows in sets.values()]
    return average([each for each in means if each is not None])


def _whole(run: BenchmarkRun, name: str, sets: Mapping[str, list[str]]) -> float | None:
    """Return the accuracy of a member that has answers in every data set."""
    quality = _qualities(run, name)
    return _macro(quality, sets) if not _missing_sets(quality, sets) else None


def _missing_sets(quality: Mapping[str, float], sets: Mapping[str, list[str]]) -> list[str]:
    return [name for name, rows in sets.items() if not any(row in quality for row in rows)]


def _pool(pools: list[dict[str, float]], row: str) -> list[float]:
    return [quality[row] for quality in pools if row in quality]


def _qualities(run: BenchmarkRun, label: str) -> dict[str, float]:
    """Return the qualities of a label's answers; a recorded model has none in a missing cell."""
    quality, answers = run.qualities(label), run.answers[label]
    if label == run.recipe or not answers:
        return quality
    return {row: each for row, each in quality.items() if row in answers}


def _gain(ours: float | None, other: float | None) -> float | None:
    return ours / other - 1 if ours is not None and other else None


def _gap(ours: float | None, oracle: float | None) -> float | None:
    return 1 - ours / oracle if ours is not None and oracle else None


def _cost(run: BenchmarkRun, label: str) -> float | None:
    costs = list(run.costs(label).values())
    paid = [each for each in costs if each is not None]
    return average(paid) if len(paid) == len(costs) else None


def _trades(
    run: BenchmarkRun, sets: Mapping[str, list[str]], best: str | None
) -> tuple[float | None, ...] | None:
    singles = [_point(run, name, sets) for name in run.alone]
    if best is None or any(point is None or point[1] <= 0 for point in singles):
        return None
    ours = [point for point in (_point(run, run.recipe, sets), *_sweep(run, sets)) if point]
    others = [point for point in singles if point is not None]
    if not ours:
        return None
    top = _point(run, best, sets)
    assert top is not None
    cheap = [cost for accuracy, cost in ours if accuracy >= top[0]]
    gain = max(accuracy for accuracy, _ in ours) / top[0] - 1 if top[0] else None
    save = 1 - min(cheap) / top[1] if cheap else None
    return gain, save, pareto_distance(ours, others)


def _point(run: BenchmarkRun, label: str, sets: Mapping[str, list[str]]) -> Point | None:
    accuracy, cost = _macro(_qualities(run, label), sets), _cost(run, label)
    return (accuracy, cost) if accuracy is not None and cost is not None else None


def _sweep(run: BenchmarkRun, sets: Mapping[str, list[str]]) -> list[Point]:
    """Return the points of a route at every trade-off of its estimates with mean costs."""
    decided = run.routed.estimates
    names = [name for name in run.alone if all(name in one for one in decided.values())]
    rows = [row for row in decided if all(row in run.alone[name] for name in names)]
    if len(names) < 2 or not rows:  # noqa: PLR2004 - a choice
        return []
    estimates = np.array([[decided[row][name] for name in names] for row in rows])
    outcomes = np.array([[run.alone[name][row] for name in names] for row in rows], dtype=float)
    if np.isnan(outcomes).any():
        return []
    at = np.arange(len(rows))
    switches = tradeoff_switches(estimates, outcomes[..., 1].mean(axis=0))
    picks = switches.picks(switches.spread(POINTS))
    taken = [outcomes[at, each] for each in picks]
    points = [(_macro(dict(zip(rows, one[:, 0], strict=True)), sets), one[:, 1]) for one in taken]
    return [(float(acc), float(cost.mean())) for acc, cost in points if acc is not None]


def pareto_distance(ours: list[Point], others: list[Point]) -> float:
    """Return the mean L1 distance of our points to the frontier of all.

    Accuracy and the logarithm of cost are scaled to lie between 0 and 1 over all points.
    """
    points = np.array([*ours, *others])
    points[:, 1] = np.log(np.maximum(points[:, 1], LEAST))
    span = np.ptp(points, axis=0)
    scaled = (points - points.min(axis=0)) / np.where(span > 0, span, 1)
    better = (scaled[:, None, 0] >= scaled[None, :, 0]) & (scaled[:, None, 1] <= scaled[None, :, 1])
    strict = (scaled[:, None, 0] > scaled[None, :, 0]) | (scaled[:, None, 1] < scaled[None, :, 1])
    frontier = scaled[~(better & strict).any(axis=0)]
    apart = np.abs(scaled[: len(ours), None, :] - frontier[None, :, :]).sum(axis=-1)
    return float(apart.min(axis=1).mean())


def _notes(run: BenchmarkRun, sets: Mapping[str, list[str]], best: str | None) -> list[str]:
    missing = {name: _missing_sets(_qualities(run, name), sets) for name in run.alone}
    notes = [
        f"{name} has no answers to {', '.join(sets_missing)}, so it is not the best single model."
        for name, sets_missing in missing.items()
        if sets_missing
    ]
    return notes + ([f"The best single model (B) is {best}."] if best is not None else [])
