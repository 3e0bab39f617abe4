"""Cost-quality curves of routers, as the papers measure them: pure functions over arrays.

A score is how much a router expects to gain from the strong model on a query; qualities are what
the answers were worth, from 0 to 1. Every curve runs from the cheapest point to the dearest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.heavy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]
    Numbers = NDArray[np.number]
    Point = tuple[float, float]

__all__ = [
    "aiq",
    "apgr",
    "cascade_picks",
    "cost_at",
    "cpt",
    "full_apgr",
    "gain_over",
    "hull",
    "hull_places",
    "mixture",
    "quality_at",
    "stops_at",
    "threshold_picks",
]

BINS = 10
"""RouteLLM cuts the scores into ten equally filled bins."""


def threshold_picks(scores: Numbers, bins: int = BINS) -> NDArray[np.bool_]:
    """Who goes to the strong model at each threshold, [thresholds, n], fewest first.

    The thresholds are the edges of equally filled bins of the scores, linearly interpolated; a
    query is strong where its score reaches the edge, for the last edge where it exceeds it
    (RouteLLM, arXiv:2406.18665, `qcut`). RouteLLM's code fails on equal edges. Here they count
    once, and of no more different scores than bins each is a threshold. So a curve also knows
    the queries that share the highest score.
    """
    # Ranks part the queries as the scores do, and infinite scores cannot overflow.
    finite = np.unique(np.nan_to_num(np.asarray(scores, dtype=np.float64)), return_inverse=True)[1]
    levels = np.unique(finite)
    few = levels.size <= bins
    edges = levels if few else np.unique(np.quantile(finite, np.linspace(0, 1, bins + 1))[:-1])
    reached = [finite >= edge for edge in edges]
    return np.array([np.zeros(finite.shape, dtype=bool), *reversed(reached)])


def cascade_picks(margins: Floats, points: int = 50) -> NDArray[np.intp]:
    """The stage at which each query stops for each shift of the thresholds, [points, n].

    `margins` [n, stages - 1] say by how much the rule holds for the answer of each stage but the
    last. With a shift t a query stops at the first stage whose margin is t or more, else at the
    last. The shifts are quantiles of the margins, from one that all reach to one that none does.
    """
    finite = margins[np.isfinite(margins)]
    edges = (
        np.unique(np.quantile(finite, np.linspace(0, 1, max(points - 2, 2)))) if finite.size else ()
    )
    reached = [stops_at(margins, each) for each in edges]
    never = np.full(len(margins), margins.shape[1])
    return np.array([np.zeros_like(never), *reached, never])


def stops_at(margins: Floats, shift: float) -> NDArray[np.intp]:
    """The stage at which each query stops where the thresholds of a cascade's rule are shifted."""
    accepts = np.concatenate([margins >= shift, np.ones((len(margins), 1), dtype=bool)], axis=1)
    stages: NDArray[np.intp] = np.argmax(accepts, axis=1)
    return stages


def apgr(share: Floats, quality: Floats, weak: float, strong: float) -> float:
    """Average performance gap recovered, over a curve of shares of strong calls (RouteLLM).

    (A - weak) / (strong - weak), A the area under the quality by the trapezoid rule over the
    range of shares: 0 for the weak model, 1 for the strong one, 1/2 for chance. NaN without a gap.
    """
    width = float(share[-1] - share[0])
    gap = (strong - weak) * width
    area = float(np.trapezoid(quality, share))
    return (area - weak * width) / gap if gap else float("nan")


def full_apgr(scores: Floats, weak: Floats, strong: Floats) -> float:
    """APGR over every threshold; queries of equal score move to the strong model together.

    `weak` and `strong` are the qualities of the two models' answers to each query, [n].
    """
    finite = np.nan_to_num(np.asarray(scores, dtype=np.float64))
    order = np.argsort(-finite, kind="stable")
    last = np.append(np.flatnonzero(np.diff(finite[order])), finite.size - 1)
    gains = np.cumsum((strong - weak)[order])[last] / finite.size
    share = np.concatenate([[0.0], (last + 1) / finite.size])
    floor, top = float(np.mean(weak)), float(np.mean(strong))
    return apgr(share, floor + np.concatenate([[0.0], gains]), floor, top)


def cpt(share: Floats, quality: Floats, weak: float, strong: float, recovered: float) -> float:
    """Call-performance threshold: the share of strong calls that recovers so much of the gap.

    Interpolated in quality along the curve, as RouteLLM does (`numpy.interp`); where the curve
    falls on its way up, what that gives depends on numpy, as it does there. NaN without a gap.
    """
    if strong == weak:
        return float("nan")
    return float(np.interp(weak + recovered * (strong - weak), quality, share))


def hull(cost: Floats, quality: Floats) -> Floats:
    """The non-decreasing concave hull of points as rows of (cost, quality), cheapest first.

    It holds what mixing the points by chance can reach: of single models it is the zero-router
    of RouterBench (arXiv:2403.12031). It begins at the cheapest point and ends at the best.
    """
    hull = hull_places(cost, quality)
    return np.stack([np.asarray(cost)[hull], np.asarray(quality)[hull]], axis=1)


def mixture(cost: Floats, quality: Floats, at: float) -> Floats:
    """How often the zero-router asks each single model, [m], so as to cost `at` in the mean.

    Below its cheapest model's cost it always asks that, above its best model's always the best.
    """
    hull = hull_places(cost, quality)
    weights, places = np.zeros(len(cost)), np.asarray(cost)[hull]
    right = int(np.clip(np.searchsorted(places, at), 1, max(len(hull) - 1, 1)))
    if len(hull) == 1:
        weights[hull[0]] = 1.0
        return weights
    left = right - 1
    share = (at - places[left]) / (places[right] - places[left])
    weights[hull[right]] = np.clip(share, 0, 1)
    weights[hull[left]] = 1 - weights[hull[right]]
    return weights


def hull_places(cost: Floats, quality: Floats) -> list[int]:
    """The indices of the points of the hull, cheapest first."""
    places, values = np.asarray(cost, dtype=float), np.asarray(quality, dtype=float)
    hull: list[int] = []
    for at in np.lexsort((-values, places)):
        if hull and values[at] <= values[hull[-1]]:
            continue
        point = (places[at], values[at])
        while len(hull) > 1:
            left, middle = ((places[each], values[each]) for each in hull[-2:])
            if not _below(left, middle, point):
                break
            hull.pop()
        hull.append(int(at))
    return hull


def _below(left: Point, middle: Point, right: Point) -> bool:
    """Whether a point lies on or under the line between two others."""
    rise = (right[1] - left[1]) * (middle[0] - left[0])
    return bool((middle[1] - left[1]) * (right[0] - left[0]) <= rise)


def quality_at(points: Floats, cost: float) -> float:
    """The quality that a hull reaches at a cost; at less than its cheapest point, that point's."""
    return float(np.interp(cost, points[:, 0], points[:, 1]))


def cost_at(points: Floats, quality: float) -> float:
    """The least cost at which a hull reaches a quality, infinite where it never does."""
    if quality > points[-1, 1]:
        return float("inf")
    return float(np.interp(quality, points[:, 1], points[:, 0]))


def aiq(points: Floats, most: float) -> float:
    """Average improvement in quality: the area under a hull, divided by `most`, a cost.

    As in RouterBench's code the hull goes on level to `most`, the dearest point of all that are
    compared, and what lies left of its cheapest point does not count: a router loses a little
    area for each dollar that its cheapest answers cost. NaN where nothing costs anything.
    """
    cost, quality = points[:, 0], points[:, 1]
    if most <= 0:
        return float("nan")
    level = float(quality[-1]) * max(0.0, most - float(cost[-1]))
    return (float(np.trapezoid(quality, cost)) + level) / most


def gain_over(cost: Floats, quality: Floats, points: Floats) -> float:
    """How far a curve lies above a hull in the mean of the costs that it spans, in quality.

    (1 / (b - a)) integral of (curve - hull) from the curve's least cost a to its greatest b, by
    the trapezoid rule; of a curve of one cost, the difference there. The curve is taken as it
    runs: its hull would pick the points that luck favours, and no scores could lie below chance.
    """
    order = np.lexsort((quality, cost))
    own, values = np.asarray(cost)[order], np.asarray(quality)[order]
    if own[0] == own[-1]:
        return float(np.max(values) - np.interp(own[0], points[:, 0], points[:, 1]))
    inner = points[(points[:, 0] > own[0]) & (points[:, 0] < own[-1]), 0]
    grid = np.union1d(own, inner)
    above = np.interp(grid, own, values) - np.interp(grid, points[:, 0], points[:, 1])
    return float(np.trapezoid(above, grid) / (own[-1] - own[0]))
