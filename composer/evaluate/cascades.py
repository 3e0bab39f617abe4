"""A cascade as a route is seen: its stages are the choices, and stopping costs all before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.evaluate.outcomes import DOLLARS, Outcomes, choices_without_cost, costs_and_unit
from composer.heavy import np
from composer.methods.margins import SIGNS, threshold
from composer.metrics import Interval, drawn_interval, resampled_means, stops_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from composer.evaluate.members import Members
    from composer.evaluate.rows import EvaluationRow
    from composer.evaluate.stages import Cascade, Replay
    from composer.values import JSON

    Floats = NDArray[np.floating]

__all__ = ["StageUse", "ThresholdPoint", "cascade_outcomes", "stage_uses", "threshold_points"]

SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
"""The quantiles of the margins of the first stage at which the curve is printed."""


@dataclass(frozen=True)
class StageUse:
    """How often a stage was asked and answered, and what it took: calls and dollars a row."""

    name: str
    asked: float
    answered: float
    calls: float
    cost: float

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        return {
            "stage": self.name,
            "asked": self.asked,
            "answered": self.answered,
            "calls": self.calls,
            "cost": self.cost,
        }


@dataclass(frozen=True)
class ThresholdPoint:
    """What another threshold would give; `label` writes it, `shift` is its distance from today's.

    `passed` is the share of rows that go on after the first stage, `cost` the mean cost.
    """

    label: str
    shift: float
    passed: float
    accuracy: Interval
    cost: float

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        return {
            "threshold": self.label,
            "shift": self.shift,
            "passed_first_stage": self.passed,
            "accuracy": self.accuracy.mean,
            "interval": [self.accuracy.low, self.accuracy.high],
            "cost": self.cost,
        }


def cascade_outcomes(
    cascade: Cascade,
    rows: Sequence[EvaluationRow],
    replays: Mapping[str, Replay],
    members: Members,
) -> Outcomes | None:
    """Gather what stopping at each stage gives; None where no row has all of it.

    Where dollars are known, single models that are no stage by themselves stand beside.
    """
    kept = [row for row in rows if row.id in replays]
    if not kept:
        return None
    stages = [replays[row.id][1] for row in kept]
    quality = np.array([[one.quality for one in each] for each in stages])
    dollars = np.array([[one.cost for one in each] for each in stages])
    own = {name for name, lone in zip(cascade.names, cascade.lone, strict=True) if lone}
    beside = [
        name
        for name, judged in members.judged.items()
        if name not in own and all(row.id in judged for row in kept)
    ]
    alone = np.array(
        [[members.judged[name][row.id] for name in beside] for row in kept], dtype=np.float64
    ).reshape(len(kept), len(beside), 2)
    cost, unit = costs_and_unit(
        np.hstack([quality, alone[..., 0]]), np.hstack([dollars, alone[..., 1]])
    )
    if unit != DOLLARS:
        beside, alone = [], alone[:, :0]
        cost, unit = costs_and_unit(quality, dollars)
    count = len(cascade.stages)
    return Outcomes(
        ids=tuple(row.id for row in kept),
        names=(*cascade.names, *beside),
        quality=np.hstack([quality, alone[..., 0]]),
        cost=cost,
        unit=unit,
        estimates=np.array([[one.margin for one in each] for each in stages]),
        chosen=np.array([replays[row.id][0] for row in kept]),
        lengths=np.array([len(row.query) for row in kept]),
        tags=tuple(row.tags for row in kept),
        paid=None if cost is None else np.cumsum(cost[:, :count], axis=1),
        beside=len(beside),
        ladder=True,
        unpriced=choices_without_cost(cascade.names, dollars),
        filled=int(np.isnan(dollars).sum()) if unit == DOLLARS else 0,
    )


def stage_uses(outcomes: Outcomes, replays: Mapping[str, Replay]) -> tuple[StageUse, ...]:
    """Say how often each stage was asked, and what that took in the mean of all rows."""
    calls = np.array([[one.calls for one in replays[name][1]] for name in outcomes.ids])
    cost = np.zeros_like(outcomes.quality) if outcomes.cost is None else outcomes.cost
    uses = []
    for at, name in enumerate(outcomes.names[: outcomes.choices]):
        asked, answered = outcomes.chosen >= at, outcomes.chosen == at
        spent = float((cost[:, at] * asked).mean())
        mean_calls = float((calls[:, at] * asked).mean())
        uses.append(StageUse(name, float(asked.mean()), float(answered.mean()), mean_calls, spent))
    return tuple(uses)


def threshold_points(
    cascade: Cascade, outcomes: Outcomes, *, draws: int, seed: int = 0
) -> tuple[ThresholdPoint, ...]:
    """What the cascade would give at other thresholds, from the least strict to the strictest.

    The thresholds are quantiles of the first stage's signal. Of a rule with several comparisons
    all thresholds move by the same shift.
    """
    margins = outcomes.estimates[:, :-1]
    first = margins[:, 0][np.isfinite(margins[:, 0])]
    if not first.size:
        return ()
    shifts = np.unique([0.0, *np.quantile(first, SHARES, method="nearest")])
    picks = np.array([stops_at(margins, shift) for shift in shifts])
    quality, cost = outcomes.through(picks)
    drawn = resampled_means(quality.T, draws=draws, seed=seed)
    return tuple(
        ThresholdPoint(
            _label(cascade, float(shift)),
            float(shift),
            float((picks[at] > 0).mean()),
            drawn_interval(drawn[:, at]),
            float(cost[at].mean()),
        )
        for at, shift in enumerate(shifts)
    )


def _label(cascade: Cascade, shift: float) -> str:
    """Write a rule at another threshold."""
    simple = threshold(cascade.rule)
    if simple is None:
        return "as it is" if not shift else f"all thresholds {shift:+.3g}"
    signal, sign, value = simple
    return f"{signal} {sign} {value + SIGNS[sign] * shift:.6g}" + " (as it is)" * (not shift)
