"""What a recipe is worth: quality and money in one verdict, beside single models and mixtures."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from composer.evaluate.best import best_place
from composer.evaluate.cells import plain
from composer.evaluate.outcomes import DOLLARS, costs_and_unit
from composer.heavy import np
from composer.metrics import Interval, drawn_interval, mixture, resampled_means

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from composer.evaluate.members import Members
    from composer.values import JSON

    Floats = NDArray[np.floating]

__all__ = ["DRAWS", "Rival", "Worth", "worth_beside", "worth_of"]

DRAWS = 1000
"""Resamplings of the rows; all figures over the same rows share them."""

AS_CHEAP = 0.999
"""From this ratio of costs on a mixture costs no more than the recipe, up to rounding."""

FEWEST = 2

Place = Literal["front", "dominated", "open", "unknown"]


@dataclass(frozen=True)
class Rival:
    """What a recipe is set against: by how much the recipe is better, and its cost beside it.

    `ratio` is the recipe's cost divided by the rival's, None where a cost is unknown or 0.
    """

    name: str
    difference: Interval
    ratio: float | None

    @property
    def beats(self) -> bool:
        """Whether the rival is surely better, and no dearer."""
        return self.difference.high < 0 and self.ratio is not None and self.ratio >= 1

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        return {
            "than": self.name,
            "difference": self.difference.mean,
            "interval": [self.difference.low, self.difference.high],
            "settled": self.difference.settled,
            "cost_ratio": None if self.ratio is None else plain(self.ratio),
        }


@dataclass(frozen=True)
class Worth:
    """A recipe beside single models and their mixtures, over rows where all are judged.

    `best` is the best single model. `zero` is the zero-router, the mixture of single models at the
    recipe's mean cost, and `mixture` how often it asks each; both are there where costs are known.
    """

    rows: int
    best: Rival
    singles: tuple[Rival, ...] = field(repr=False)
    zero: Rival | None
    mixture: Mapping[str, float]

    @property
    def dominating(self) -> Rival | None:
        """The best of the single models that are surely better and no dearer."""
        rivals = [one for one in self.singles if one.beats]
        return min(rivals, key=lambda one: one.difference.mean, default=None)

    @property
    def place(self) -> Place:
        """Whether it is surely above all mixtures of its cost, surely below, or neither."""
        if self.zero is None:
            return "unknown"
        as_cheap = self.zero.ratio is None or self.zero.ratio > AS_CHEAP
        if self.dominating is not None or (self.zero.difference.high < 0 and as_cheap):
            return "dominated"
        return "front" if self.zero.difference.low > 0 else "open"

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        dominating = self.dominating
        return {
            "rows": self.rows,
            "best_single": self.best.as_dict(),
            "zero_router": None if self.zero is None else self.zero.as_dict(),
            "mixture": dict(self.mixture),
            "dominated_by": None if dominating is None else dominating.name,
            "pareto": self.place,
        }


def worth_of(  # noqa: PLR0913 - two tables, and whose they are
    quality: Floats,
    cost: Floats | None,
    names: tuple[str, ...],
    qualities: Floats,
    costs: Floats | None,
    best: int,
    *,
    seed: int = 0,
) -> Worth:
    """Set a recipe's qualities and costs [n] against those of single models [n, m].

    The rows are resampled in pairs; the mixture and the best model stay those of the rows as they
    are. Without costs only the differences in quality are there.
    """
    weights: Floats = np.zeros(len(names))
    if cost is not None and costs is not None:
        weights = mixture(costs.mean(axis=0), qualities.mean(axis=0), float(cost.mean()))
    columns = np.column_stack([quality, qualities, qualities @ weights])
    drawn = resampled_means(columns, draws=DRAWS, seed=seed)

    def rival(name: str, column: int, spent: float | None) -> Rival:
        known = cost is not None and spent is not None and spent > 0
        ratio = float(cost.mean()) / spent if known and cost is not None and spent else None
        return Rival(name, drawn_interval(drawn[:, 0] - drawn[:, 1 + column]), ratio)

    means = [None] * len(names) if costs is None else costs.mean(axis=0).tolist()
    singles = tuple(rival(*each) for each in zip(names, range(len(names)), means, strict=True))
    zero = None
    if cost is not None and costs is not None:
        zero = rival("zero-router", len(names), float(costs.mean(axis=0) @ weights))
    used = {name: float(each) for name, each in zip(names, weights, strict=True) if each}
    return Worth(len(quality), singles[best], singles, zero, used)


def worth_beside(
    judged: Mapping[str, float], spent: Mapping[str, float], members: Members
) -> Worth | None:
    """Set a recipe against its members alone; None where it has fewer than two.

    `judged` and `spent` are the qualities and the dollars of its answers by row. Where the cost of
    an answer is not known, costs are not compared.
    """
    names = tuple(name for name, each in members.judged.items() if each)
    alone = [members.judged[name] for name in names]
    rows = [row for row in judged if all(row in each for each in alone)]
    if len(names) < FEWEST or not rows:
        return None
    own = {row: (judged[row], spent[row]) for row in rows}
    values = np.array([[each[row] for each in (own, *alone)] for row in rows])
    quality, dollars = values[..., 0], values[..., 1]
    costs, unit = costs_and_unit(quality, dollars)
    if costs is None or unit != DOLLARS or np.isnan(dollars).any():
        costs = None
    known = [column[~np.isnan(column)] for column in dollars[:, 1:].T]
    means = [float(each.mean()) if each.size else math.nan for each in known]
    best = best_place(quality[:, 1:].mean(axis=0).tolist(), means)
    return worth_of(
        quality[:, 0],
        None if costs is None else costs[:, 0],
        names,
        quality[:, 1:],
        None if costs is None else costs[:, 1:],
        best,
    )
