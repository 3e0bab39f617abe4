"""What a plot of quality over cost shows: curves, single models and baselines."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

from composer.evaluate.baselines import ORACLE
from composer.evaluate.decisions import Decided
from composer.evaluate.report import Report
from composer.evaluate.words import unjudged
from composer.metrics import hull
from composer.run import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from composer.evaluate.router import Router

    Floats = NDArray[np.floating]

__all__ = ["Chart", "Series", "chart_of"]

Point = tuple[float, float]

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Those of Okabe and Ito, which the colour-blind can tell apart; used in turn by recipes."""

GREY, INK = "#8c959f", "#24292f"

UNITS = {"$": "mean cost of a question in dollars", "calls": "share of calls to the strong model"}


@dataclass(frozen=True)
class Series:
    """Points of a name and a colour: joined by a line, dashed if they are a baseline, or apart.

    Points apart have a label each, on the plot; a line is named in the legend.
    """

    name: str
    points: tuple[Point, ...]
    color: str
    labels: tuple[str, ...] = ()
    dashed: bool = False

    @property
    def line(self) -> bool:
        """Whether the points are joined."""
        return not self.labels


@dataclass(frozen=True)
class Chart:
    """A plot: its axes in words, and what it shows, what lies behind first."""

    across: str
    up: str
    series: tuple[Series, ...]


def chart_of(reports: Sequence[Report | Decided]) -> Chart:
    """Gather what reports, or decisions, tell of quality and cost.

    Raises Failure (E712) where nothing has a cost, where costs are of several kinds, or where
    decisions were not judged.
    """
    silent = next((one for one in reports if isinstance(one, Decided) and not one.router), None)
    if silent is not None:
        raise Failure("E712", f"there is nothing to plot of {silent.recipe}", unjudged(silent))
    units = {unit for one in reports if (unit := _unit(one))}
    if len(units) != 1:
        kinds = "costs of different kinds, dollars and calls" if units else "no costs"
        said = f"there is nothing to plot: the data and the recipes give {kinds}"
        raise Failure("E712", said, "declare prices, or record the `cost` of every answer")
    series: dict[tuple[str, tuple[Point, ...]], Series] = {}
    color = cycle(COLORS)
    for one in reports:
        for each in _series(one, next(color)):
            series.setdefault((each.name, each.points), each)
    ordered = sorted(series.values(), key=lambda each: (not each.dashed, not each.line))
    quality = "score" if any(_graded(one) for one in reports) else "accuracy"
    return Chart(UNITS[units.pop()], quality, tuple(ordered))


def _unit(one: Report | Decided) -> str:
    if one.router is not None:
        return one.router.unit
    if not isinstance(one, Report):
        return ""
    costs = (one.cost, *(each.cost for each in one.members.values()))
    return "$" if any(costs) else ""


def _graded(one: Report | Decided) -> bool:
    return one.router.graded if one.router is not None else isinstance(one, Report) and one.graded


def _series(one: Report | Decided, color: str) -> Iterator[Series]:
    if one.router is not None:
        yield from _of_router(one.recipe, one.router, color)
    elif isinstance(one, Report) and one.accuracy is not None:
        yield Series("", ((one.cost / one.rows, one.accuracy),), color, (one.recipe,))
        alone = {name: (each.cost / each.rows, each.accuracy) for name, each in one.members.items()}
        yield Series("", tuple(alone.values()), INK, tuple(alone))


def _of_router(recipe: str, router: Router, color: str) -> Iterator[Series]:
    curve = router.curve
    if curve is not None:
        yield Series("zero-router", _zero(curve.members), GREY, dashed=True)
        if curve.length is not None:
            yield Series("prompt length", _points(curve.length), "#57606a", dashed=True)
        yield Series(recipe, tuple(zip(curve.cost, curve.quality, strict=True)), color)
    singles = {name: (one.cost, one.accuracy.mean) for name, one in router.singles.items()}
    yield Series("", tuple(singles.values()), INK, tuple(singles))
    oracle = router.baselines[ORACLE]
    yield Series("", ((oracle.cost, oracle.accuracy.mean),), GREY, (ORACLE,))
    decided = ((router.decided.cost, router.decided.accuracy.mean),)
    label = "as it decides" if curve is not None else recipe
    yield Series("", decided, color, (label,))


def _zero(members: Floats) -> tuple[Point, ...]:
    """The zero-router, level from its best point to the dearest member."""
    reached = _points(hull(*members.T))
    return (*reached, (float(members[:, 0].max()), reached[-1][1]))


def _points(rows: Floats) -> tuple[Point, ...]:
    return tuple((float(x), float(y)) for x, y in rows)
