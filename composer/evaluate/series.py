"""What a plot of quality over cost shows: curves, decisions, single models and baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from composer.evaluate.baselines import LENGTH, ORACLE, ZERO
from composer.evaluate.decisions import Decided
from composer.evaluate.sentences import unjudged
from composer.heavy import np
from composer.metrics import hull
from composer.run import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from composer.evaluate.report import Report
    from composer.evaluate.router import Router
    from composer.metrics import Interval

    Floats = NDArray[np.floating]

__all__ = ["Series", "series_of", "unit_of"]

Role = Literal["curve", "decision", "recipe", "member", "baseline"]
Points = tuple[tuple[float, float], ...]

MANY = 200
"""How many points a curve of mixtures has."""


@dataclass(frozen=True)
class Series:
    """A line through points (cost, quality), or one point with its interval."""

    role: Role
    name: str
    points: Points
    interval: Interval | None = None


def unit_of(reports: Sequence[Report | Decided]) -> str:
    """Return the unit of all costs, `$` or `calls`.

    Raises Failure (E712) where nothing has a cost, where costs are of several kinds, or where
    decisions were not judged.
    """
    for one in reports:
        if isinstance(one, Decided) and one.router is None:
            raise Failure("E712", f"there is nothing to plot for {one.recipe}", unjudged(one))
    units = {unit for one in reports if (unit := _unit(one))}
    if len(units) != 1:
        kinds = "costs of different kinds, dollars and calls" if units else "no costs"
        message = f"there is nothing to plot: the data and the recipes give {kinds}"
        raise Failure(
            "E712",
            message,
            "declare the `price` of the models, or record the `cost` of every answer",
        )
    return units.pop()


def series_of(one: Report | Decided) -> Iterator[Series]:
    """Yield what a plot shows of a report, or of decisions that were judged."""
    if one.chooser is not None:
        yield from _of_router(one.recipe, one.chooser)
    elif not isinstance(one, Decided) and one.interval is not None:
        yield _point("recipe", one.recipe, one.cost / one.rows, one.interval)
        for name, member in one.members.items():
            if member.cost is not None:
                yield _point("member", name, member.cost / member.rows, member.interval)


def _unit(one: Report | Decided) -> str:
    if one.chooser is not None:
        return one.chooser.unit
    if isinstance(one, Decided):
        return ""
    return "$" if any((one.cost, *(each.cost for each in one.members.values()))) else ""


def _of_router(recipe: str, router: Router) -> Iterator[Series]:
    curve, decided, oracle = router.curve, router.decided, router.baselines[ORACLE]
    if curve is not None:
        yield Series("curve", recipe, _points(np.stack([curve.cost, curve.quality], axis=1)))
    role: Role = "recipe" if curve is None else "decision"
    yield _point(role, recipe, decided.cost, decided.accuracy)
    for single, standing in router.singles.items():
        yield _point("member", single, standing.cost, standing.accuracy)
    yield _point("baseline", ORACLE, oracle.cost, oracle.accuracy)
    if curve is not None:
        yield Series("baseline", ZERO, _mixtures(curve.members))
        if curve.length is not None:
            yield Series("baseline", LENGTH, _points(curve.length))


def _mixtures(members: Floats) -> Points:
    """The zero-router: mixtures of members, then its best quality up to the dearest member.

    There are points enough for the straight lines to become curves on a logarithmic axis.
    """
    cost, quality = hull(*members.T).T
    least, most = float(cost[0]), float(members[:, 0].max())
    between = np.geomspace(least, most, MANY) if least > 0 else np.array([most])
    costs = np.union1d(cost, between)
    return _points(np.stack([costs, np.interp(costs, cost, quality)], axis=1))


def _point(role: Role, name: str, cost: float, quality: Interval) -> Series:
    return Series(role, name, ((cost, quality.mean),), quality)


def _points(rows: Floats) -> Points:
    return tuple((float(cost), float(quality)) for cost, quality in rows)
