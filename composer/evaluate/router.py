"""What the decisions of a route or a cascade are worth: beside baselines, and over the curve."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from composer.evaluate.baselines import CHANCE, LENGTH, ORACLE, ZERO, baselines, best_single
from composer.evaluate.cells import ends, plain
from composer.evaluate.sweep import APGR, GAIN, LENGTH_APGR, sweep
from composer.evaluate.worth import DRAWS, worth_of
from composer.heavy import np
from composer.metrics import Interval, drawn_interval, resampled_means

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from composer.evaluate.cascades import StageUse, ThresholdPoint
    from composer.evaluate.outcomes import Outcomes
    from composer.evaluate.sweep import Curve
    from composer.evaluate.worth import Worth
    from composer.values import JSON

    Floats = NDArray[np.floating]

__all__ = ["DRAWS", "Against", "Kind", "Router", "Standing", "study", "with_stages"]

Kind = Literal["route", "cascade"]


@dataclass(frozen=True)
class Standing:
    """How good and how dear something is in the mean of the rows; `cost` as the router's unit."""

    accuracy: Interval
    cost: float

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        return {"accuracy": self.accuracy.mean, "interval": ends(self.accuracy), "cost": self.cost}


@dataclass(frozen=True)
class Against:
    """By how much a router is better than a baseline, in some measure, with its interval."""

    than: str
    measure: str
    difference: Interval

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        return {
            "than": self.than,
            "measure": self.measure,
            "difference": plain(self.difference.mean),
            "interval": ends(self.difference),
            "settled": self.difference.settled,
        }


@dataclass(frozen=True)
class Router:
    """A route, or a cascade, on the `rows` where the outcome of every choice is known.

    `shares` says how often each choice was made, or each stage of a cascade answered. `singles` is
    what each reaches if it is always asked, `baselines` what needs no look at the query, `worth`
    the verdict. A cascade has its `stages`, and `thresholds` beside its own; `moved` says what is
    moved in these. `figures` are those
    of the curve: APGR, CPT and AIQ, where they are defined. `drawn` holds figures and accuracy
    over the resampled rows of `ids`.
    `unpriced` and `filled` are about unknown costs, as in `Outcomes`.
    """

    rows: int
    unit: str
    graded: bool
    decided: Standing
    shares: Mapping[str, float]
    best: str
    worth: Worth
    singles: Mapping[str, Standing]
    baselines: Mapping[str, Standing]
    against: tuple[Against, ...]
    figures: Mapping[str, Interval]
    curve: Curve | None
    ids: tuple[str, ...] = field(repr=False)
    drawn: Mapping[str, Floats] = field(repr=False)
    kind: Kind = "route"
    stages: tuple[StageUse, ...] = ()
    thresholds: tuple[ThresholdPoint, ...] = ()
    moved: str = "thresholds"
    unpriced: tuple[str, ...] = ()
    filled: int = 0

    @property
    def constant(self) -> bool:
        """Whether it makes the same choice for every query."""
        return max(self.shares.values()) == 1

    def without(self, *names: str) -> Router:
        """Leave out some figures of the curve."""
        figures = {name: each for name, each in self.figures.items() if name not in names}
        drawn = {name: each for name, each in self.drawn.items() if name not in names}
        return replace(self, figures=figures, drawn=drawn)

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        return {
            "rows": self.rows,
            "unit": self.unit,
            "choices_of_unknown_cost": list(self.unpriced),
            "answers_of_unknown_cost": self.filled,
            "decided": self.decided.as_dict(),
            "shares": dict(self.shares),
            "best_single": self.best,
            "worth": self.worth.as_dict(),
            "singles": {name: one.as_dict() for name, one in self.singles.items()},
            "baselines": {name: one.as_dict() for name, one in self.baselines.items()},
            "against": [one.as_dict() for one in self.against],
            "figures": {
                name: {"value": plain(one.mean), "interval": ends(one)}
                for name, one in self.figures.items()
            },
            "curve": self.curve.as_dict() if self.curve is not None else None,
            **self._of_cascade(),
        }

    def _of_cascade(self) -> dict[str, JSON]:
        if self.kind != "cascade":
            return {}
        return {
            "stages": [one.as_dict() for one in self.stages],
            "thresholds": [one.as_dict() for one in self.thresholds],
        }


def with_stages(
    router: Router, stages: tuple[StageUse, ...], thresholds: tuple[ThresholdPoint, ...]
) -> Router:
    """Add what only a cascade has."""
    return replace(router, stages=stages, thresholds=thresholds)


def study(outcomes: Outcomes, *, seed: int = 0) -> Router:
    """Set decisions beside their baselines, and measure the curve, all with intervals."""
    names, best = outcomes.names, best_single(outcomes)
    held = {name: outcomes.of(np.full(len(outcomes.ids), at)) for at, name in enumerate(names)}
    others = baselines(outcomes)
    decided = outcomes.decided()
    table = [decided, *held.values(), *others.values()]
    qualities = resampled_means(np.stack([each for each, _ in table], 1), draws=DRAWS, seed=seed)
    costs = [float(each.mean()) for _, each in table]
    stood = [
        Standing(drawn_interval(one), cost) for one, cost in zip(qualities.T, costs, strict=True)
    ]
    column = dict(zip((names[best], *others), (1 + best, *range(1 + len(names), 99)), strict=False))
    against = [
        Against(than, "accuracy", drawn_interval(qualities[:, 0] - qualities[:, column[than]]))
        for than in column
        if than != ORACLE
    ]
    curve, drawn = sweep(outcomes, draws=DRAWS, seed=seed)
    counts = np.bincount(outcomes.chosen, minlength=outcomes.choices) / len(outcomes.ids)
    dollars = outcomes.cost if outcomes.unit == "$" and not outcomes.filled else None
    spent = None if dollars is None else decided[1]
    alone = outcomes.quality, dollars
    return Router(
        rows=len(outcomes.ids),
        unit=outcomes.unit,
        graded=outcomes.graded,
        decided=stood[0],
        shares=dict(zip(names, map(float, counts), strict=False)),
        best=names[best],
        worth=worth_of(decided[0], spent, names, *alone, best, seed=seed),
        singles=dict(zip(names, stood[1:], strict=False)),
        baselines=dict(zip(others, stood[1 + len(names) :], strict=True)),
        against=(*against, *_over_curve(drawn)),
        figures={name: drawn_interval(values) for name, values in drawn.items()},
        curve=curve,
        ids=outcomes.ids,
        drawn=drawn | {"accuracy": qualities[:, 0]},
        moved="thresholds" if outcomes.settings is None else outcomes.settings.moved,
        kind="route" if outcomes.asked is None else "cascade",
        unpriced=outcomes.unpriced,
        filled=outcomes.filled,
    )


def _over_curve(drawn: Mapping[str, Floats]) -> list[Against]:
    """What the whole curve says: whatever threshold is set, how much the ranking is worth.

    Between choices that are equally good there is no gap, so nothing is said of recovering it.
    """
    found = []
    if APGR in drawn and np.isfinite(drawn[APGR][0]):
        over_length = drawn_interval(drawn[APGR] - drawn[LENGTH_APGR])
        found.append(Against(CHANCE, APGR, drawn_interval(drawn[APGR] - 0.5)))
        found.append(Against(LENGTH, APGR, over_length))
    if GAIN in drawn:
        found.append(Against(ZERO, GAIN, drawn_interval(drawn[GAIN])))
    return found
