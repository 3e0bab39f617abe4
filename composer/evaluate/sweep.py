"""A router's curve: what its estimates would reach at every threshold or trade-off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.evaluate.baselines import ranked
from composer.evaluate.cells import plain
from composer.heavy import np
from composer.metrics import (
    aiq,
    apgr,
    cascade_picks,
    cost_at,
    cpt,
    full_apgr,
    gain_over,
    hull,
    hull_places,
    resampled_means,
    threshold_picks,
    threshold_switches,
    tradeoff_switches,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from composer.evaluate.outcomes import Outcomes
    from composer.evaluate.settings import Settings
    from composer.metrics import Switches
    from composer.values import JSON

    Floats = NDArray[np.floating]
    Picks = NDArray[np.intp]

__all__ = ["AIQ", "APGR", "EQUAL", "GAIN", "LENGTH_APGR", "ZERO_AIQ", "Curve", "sweep"]

APGR, LENGTH_APGR, AIQ, ZERO_AIQ = "apgr", "apgr_length", "aiq", "aiq_zero_router"
EQUAL, GAIN = "cost_at_equal_quality", "gain_over_zero_router"
"""The figures of a curve by name; `cpt_20`, `cpt_50` and `cpt_80` are the others."""

RECOVERED = (0.2, 0.5, 0.8)
POINTS = 100
"""Points that are resampled, apart from those of the hull."""

PAIR = 2


@dataclass(frozen=True, eq=False)
class Curve:
    """Mean costs and qualities from the least use of the better choices to the most, [points] each.

    `share` is that of the stronger of two choices, None of more. `members` holds (cost, quality)
    of the single choices, [m, 2]. Of two choices, `whole` is the APGR over every threshold and
    `length` holds (cost, quality) of routing by prompt length, [points, 2].
    """

    cost: Floats
    quality: Floats
    share: Floats | None
    members: Floats
    whole: float | None = None
    length: Floats | None = None

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        return {
            "cost": self.cost.tolist(),
            "quality": self.quality.tolist(),
            "strong_share": None if self.share is None else self.share.tolist(),
            "apgr_all_thresholds": None if self.whole is None else plain(self.whole),
        }


def sweep(
    outcomes: Outcomes, *, draws: int, seed: int = 0
) -> tuple[Curve | None, dict[str, Floats]]:
    """Sweep the estimates of a route; return its curve, and its figures over resampled rows.

    Between two choices the threshold on the difference of their estimates is swept, among more
    the trade-off of estimate and mean cost; of a cascade the threshold of its rule. Without costs
    more than two choices have no curve. The first of a figure's values is that of the rows as they
    are; thresholds stay as they are.
    """
    if outcomes.settings is not None:
        return _replayed(outcomes, outcomes.settings, draws, seed)
    if outcomes.choices == PAIR:
        return _pair(outcomes, draws, seed)
    if outcomes.cost is None:
        return None, {}
    if outcomes.ladder:
        picks = cascade_picks(outcomes.estimates[:, :-1], POINTS)
        spread = np.ones(len(picks), dtype=bool)
    else:
        switches = tradeoff_switches(outcomes.estimates, outcomes.cost.mean(axis=0))
        picks, spread = _thinned(outcomes, switches)
    means = _means(outcomes, outcomes.through(picks), draws, seed)
    return Curve(*_at(means[0]), None, _members(outcomes)), dict(_hulls(means, spread))


def _replayed(
    outcomes: Outcomes, settings: Settings, draws: int, seed: int
) -> tuple[Curve | None, dict[str, Floats]]:
    """The curve of a cascade over settings that were replayed, between its ends where it has two.

    The ends are always taking the weaker stage, and always the stronger one.
    """
    if len(settings.labels) == 1 or (outcomes.cost is None and outcomes.choices != PAIR):
        return None, {}
    quality, cost = outcomes.after(settings.chosen, settings.asked)
    order = np.argsort(cost.mean(axis=1), kind="stable")
    found: dict[str, Floats] = {}
    share = None
    if outcomes.choices == PAIR:
        weak, strong = _ends(outcomes)
        taken = settings.chosen[order] == strong
        shares = taken.mean(axis=1)
        share = shares
        rising = np.argsort(shares, kind="stable")
        never = np.zeros((1, taken.shape[1]), dtype=bool)
        picked = np.concatenate([never, taken[rising], ~never])
        ends = outcomes.quality[:, [weak, strong]]
        through = outcomes.of(np.where(picked, strong, weak))[0]
        found |= _recovered(picked, through, ends, draws, seed)
        found |= _by_length(outcomes, (weak, strong), draws, seed)
    if outcomes.cost is None:
        return None, found
    means = _means(outcomes, (quality[order], cost[order]), draws, seed)
    curve = Curve(*_at(means[0]), share, _members(outcomes))
    return curve, dict(_hulls(means, np.ones(len(order), dtype=bool))) | found


def _ends(outcomes: Outcomes) -> tuple[int, int]:
    """The weaker and the stronger of two choices."""
    weak, strong = (int(at) for at in ranked(outcomes) if at < PAIR)
    return weak, strong


def _thinned(outcomes: Outcomes, switches: Switches) -> tuple[Picks, NDArray[np.bool_]]:
    """The choices at the points of the whole curve's hull and some between; which are the latter.

    So the hull is that of all thresholds, and what is read off the curve itself is not taken at
    the points that luck favours.
    """
    cost = switches.means(_costs(outcomes))
    spread = switches.spread(POINTS)
    points = np.union1d(spread, hull_places(cost, switches.means(outcomes.quality)))
    return switches.picks(points), np.isin(points, spread)


def _pair(outcomes: Outcomes, draws: int, seed: int) -> tuple[Curve, dict[str, Floats]]:
    weak, strong = _ends(outcomes)
    scores = outcomes.estimates[:, strong] - outcomes.estimates[:, weak]
    fine, spread = _thinned(outcomes, threshold_switches(scores, weak, strong))
    coarse = np.where(threshold_picks(scores), strong, weak)
    length = np.where(threshold_picks(outcomes.lengths), strong, weak)
    means = _means(outcomes, outcomes.through(fine), draws, seed)
    whole = full_apgr(scores, outcomes.quality[:, weak], outcomes.quality[:, strong])
    share = (fine == strong).mean(axis=1)
    by_length = outcomes.of(length)
    along = np.stack([by_length[1].mean(axis=1), by_length[0].mean(axis=1)], axis=1)
    curve = Curve(*_at(means[0]), share, _members(outcomes), whole, along)
    found = dict(_hulls(means, spread))
    ends = outcomes.quality[:, [weak, strong]]
    found |= _recovered(coarse == strong, outcomes.of(coarse)[0], ends, draws, seed)
    return curve, found | _by_length(outcomes, (weak, strong), draws, seed)


def _by_length(
    outcomes: Outcomes, pair: tuple[int, int], draws: int, seed: int
) -> dict[str, Floats]:
    """The APGR of the length of the prompt, between a weak and a strong choice."""
    weak, strong = pair
    length = np.where(threshold_picks(outcomes.lengths), strong, weak)
    ends = outcomes.quality[:, [weak, strong]]
    recovered = _recovered(length == strong, outcomes.of(length)[0], ends, draws, seed)
    return {LENGTH_APGR: recovered[APGR]}


Means = tuple["Floats", "Floats", "Floats", "Floats"]
"""The costs and qualities of a curve's points, and of the single choices."""


def _means(outcomes: Outcomes, points: tuple[Floats, Floats], draws: int, seed: int) -> list[Means]:
    """Those of the rows as they are, then of resampled rows, from qualities and costs [p, n]."""
    quality, cost = points
    alone = _costs(outcomes)
    columns = np.concatenate([cost.T, quality.T, alone, outcomes.quality], axis=1)
    cuts = np.cumsum([len(cost), len(quality), alone.shape[1]])
    drawn = resampled_means(columns, draws=draws, seed=seed)
    return [_four(row, cuts) for row in drawn]


def _costs(outcomes: Outcomes) -> Floats:
    return np.zeros_like(outcomes.quality) if outcomes.cost is None else outcomes.cost


def _four(row: Floats, cuts: NDArray[np.intp]) -> Means:
    cost, quality, costs, qualities = np.split(row, cuts)
    return cost, quality, costs, qualities


def _at(means: Means) -> tuple[Floats, Floats]:
    return means[0], means[1]


def _members(outcomes: Outcomes) -> Floats:
    assert outcomes.cost is not None
    return np.stack([outcomes.cost.mean(axis=0), outcomes.quality.mean(axis=0)], axis=1)


def _hulls(means: list[Means], spread: NDArray[np.bool_]) -> Iterator[tuple[str, Floats]]:
    """The figures that stand on hulls: AIQ, that of the single choices, and two against these."""
    values = [_hull_figures(*each, spread) for each in means]
    for at, name in enumerate((AIQ, ZERO_AIQ, EQUAL, GAIN)):
        yield name, np.array([each[at] for each in values])


def _hull_figures(
    cost: Floats, quality: Floats, costs: Floats, qualities: Floats, spread: NDArray[np.bool_]
) -> tuple[float, float, float, float]:
    """The third is a share of what the best single choice costs, the cheapest of equals."""
    ours, zero = hull(cost, quality), hull(costs, qualities)
    most = max(float(cost.max()), float(costs.max()))
    best = int(np.lexsort((costs, -qualities))[0])
    reached = cost_at(ours, float(qualities[best]))
    equal = reached / float(costs[best]) if costs[best] > 0 else float("nan")
    return aiq(ours, most), aiq(zero, most), equal, gain_over(cost[spread], quality[spread], zero)


def _recovered(
    strong: NDArray[np.bool_], quality: Floats, ends: Floats, draws: int, seed: int
) -> dict[str, Floats]:
    """APGR and CPT at RouteLLM's thresholds, [thresholds, n], between a weak and a strong end."""
    columns = np.concatenate([strong.T, quality.T, ends], axis=1)
    drawn = resampled_means(columns, draws=draws, seed=seed)
    size = len(strong)
    rows = [(row[:size], row[size:-2], float(row[-2]), float(row[-1])) for row in drawn]
    figures = {APGR: np.array([apgr(*row) for row in rows])}
    for each in RECOVERED:
        figures[f"cpt_{100 * each:.0f}"] = np.array([cpt(*row, each) for row in rows])
    return figures
