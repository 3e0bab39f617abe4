"""A cascade as a route is seen: its stages are the choices, and all that was asked is paid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.evaluate.ahead import with_next
from composer.evaluate.outcomes import DOLLARS, Outcomes, choices_without_cost, costs_and_unit
from composer.heavy import np
from composer.methods import Rule
from composer.methods.margins import SIGNS, margin, threshold
from composer.metrics import Interval, drawn_interval, resampled_means, stops_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from composer.evaluate.members import Members
    from composer.evaluate.rows import EvaluationRow
    from composer.evaluate.settings import Settings
    from composer.evaluate.stage_answers import StageAnswers
    from composer.evaluate.stages import Cascade
    from composer.values import JSON

    Floats = NDArray[np.floating]

__all__ = ["StageUse", "ThresholdPoint", "cascade_outcomes", "stage_uses", "threshold_points"]

SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
"""The quantiles of the margins of the first stage at which the curve is printed."""


@dataclass(frozen=True)
class StageUse:
    """How often a stage was asked and answered, and what it took: calls and dollars a row.

    `seconds` are those a row, None where the answers are not recorded with theirs.
    """

    name: str
    asked: float
    answered: float
    calls: float
    cost: float
    seconds: float | None = None

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        return {
            "stage": self.name,
            "asked": self.asked,
            "answered": self.answered,
            "calls": self.calls,
            "cost": self.cost,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class ThresholdPoint:
    """What another setting would give; `label` writes it, `shift` is its distance from today's.

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
    answers: StageAnswers,
    settings: Settings | None,
    members: Members,
) -> Outcomes | None:
    """Gather what every stage gives, and what was decided; None where no row has all of it.

    Where dollars are known, single models that are no stage by themselves stand beside.
    """
    by_id, table = {row.id: row for row in rows}, answers.table
    if not answers.ids:
        return None
    own = {name for name, lone in zip(cascade.names, cascade.lone, strict=True) if lone}
    beside = [
        name
        for name, judged in members.judged.items()
        if name not in own and all(row in judged for row in answers.ids)
    ]
    alone = np.array(
        [[members.judged[name][row] for name in beside] for row in answers.ids], dtype=np.float64
    ).reshape(len(answers.ids), len(beside), 2)
    lone = _lone_costs(cascade, answers, members)
    quality = np.hstack([table.quality, alone[..., 0]])
    cost, unit = costs_and_unit(quality, np.hstack([lone, alone[..., 1]]))
    if unit != DOLLARS:
        beside, quality = [], table.quality
        cost, unit = costs_and_unit(quality, lone)
    count = len(cascade.names)
    spent = cost
    if cost is not None and unit == DOLLARS:
        spent = np.where(np.isnan(table.cost), cost[:, :count], table.cost)
    chosen, asked = _decided(cascade, answers, settings)
    rule = cascade.decides if isinstance(cascade.decides, Rule) else None
    return Outcomes(
        ids=answers.ids,
        names=(*cascade.names, *beside),
        quality=quality,
        cost=cost,
        unit=unit,
        estimates=np.zeros_like(table.quality) if rule is None else _margins(rule, answers),
        chosen=chosen,
        lengths=np.array([len(by_id[row].query) for row in answers.ids]),
        tags=tuple(by_id[row].tags for row in answers.ids),
        paid=None if spent is None or rule is None else _paid(cascade, spent[:, :count]),
        beside=len(beside),
        ladder=rule is not None,
        asked=asked,
        spent=spent,
        settings=settings,
        unpriced=choices_without_cost(cascade.names, lone),
        filled=int(np.isnan(lone).sum()) if unit == DOLLARS else 0,
    )


def _paid(cascade: Cascade, spent: Floats) -> Floats:
    """Return what stopping at each stage costs [n, m]: all that has begun until then."""
    upto = np.tri(spent.shape[1], dtype=bool)
    return spent @ (with_next(upto) if cascade.ahead else upto).T


def _lone_costs(cascade: Cascade, answers: StageAnswers, members: Members) -> Floats:
    """Return the dollars of each stage by itself [n, m].

    A model that also takes part in a stage before costs nothing more in the cascade, but alone.
    """
    costs = answers.table.cost.copy()
    for at, (name, lone) in enumerate(zip(cascade.names, cascade.lone, strict=True)):
        judged = members.judged.get(name, {}) if lone else {}
        for row, row_id in enumerate(answers.ids):
            if row_id in judged and not np.isnan(judged[row_id][1]):
                costs[row, at] = judged[row_id][1]
    return costs


def _margins(rule: Rule, answers: StageAnswers) -> Floats:
    """Return by how much a rule holds for each stage's answer [n, m], 0 of the last."""
    table = answers.table
    last = len(table.names) - 1
    return np.array(
        [
            [
                0.0 if stage == last else margin(rule, row.state.answers[stage].signals)
                for stage in range(last + 1)
            ]
            for row in table.rows
        ]
    )


def _decided(
    cascade: Cascade, answers: StageAnswers, settings: Settings | None
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return whose answer was taken [n] and which stages were asked [n, m], as in the run.

    Of a run that is only known by its trace, a rule's verdicts tell; else its decisions are
    replayed.
    """
    count = len(cascade.names)
    chosen = np.zeros(len(answers.ids), dtype=np.intp)
    asked = np.zeros((len(answers.ids), count), dtype=bool)
    for at, (state, notes) in enumerate(zip(answers.states, answers.notes, strict=True)):
        if state is not None and state.taken is not None:
            chosen[at] = state.taken
            asked[at, list(state.answers)] = True
        elif settings is not None:
            chosen[at], asked[at] = settings.chosen[0, at], settings.asked[0, at]
        else:
            accepted = bool(notes) and notes[-1]["accepted"]
            chosen[at] = len(notes) - 1 if accepted else count - 1
            asked[at, : chosen[at] + 1] = True
    return chosen, with_next(asked) if cascade.ahead else asked


def stage_uses(outcomes: Outcomes, answers: StageAnswers) -> tuple[StageUse, ...]:
    """Say how often each stage was asked, and what that took in the mean of all rows."""
    assert outcomes.asked is not None
    states = [row.state for row in answers.table.rows]
    count = outcomes.choices
    calls = np.array([[state.answers[at].calls for at in range(count)] for state in states])
    recorded = all("seconds" in one.text.facts for each in states for one in each.answers.values())
    cost = np.zeros_like(outcomes.quality) if outcomes.spent is None else outcomes.spent
    uses = []
    for at, name in enumerate(outcomes.names[:count]):
        asked = outcomes.asked[:, at]
        seconds = float((answers.table.seconds[:, at] * asked).mean()) if recorded else None
        uses.append(
            StageUse(
                name,
                float(asked.mean()),
                float((outcomes.chosen == at).mean()),
                float((calls[:, at] * asked).mean()),
                float((cost[:, at] * asked).mean()),
                seconds,
            )
        )
    return tuple(uses)


def threshold_points(
    cascade: Cascade, outcomes: Outcomes, *, draws: int, seed: int = 0
) -> tuple[ThresholdPoint, ...]:
    """What the cascade would give at other settings, from the least use of later stages on.

    The thresholds of a rule are quantiles of the first stage's signal. Where there are several
    thresholds, all move by the same shift.
    """
    if outcomes.settings is not None:
        return _points_of_settings(outcomes, outcomes.settings, draws, seed)
    margins = outcomes.estimates[:, :-1]
    first = margins[:, 0][np.isfinite(margins[:, 0])]
    if not first.size or not isinstance(cascade.decides, Rule):
        return ()
    shifts = np.unique([0.0, *np.quantile(first, SHARES, method="nearest")])
    picks = np.array([stops_at(margins, shift) for shift in shifts])
    labels = [_label(cascade.decides, float(shift)) for shift in shifts]
    passed = (picks > 0).mean(axis=1)
    return _points(labels, shifts, passed, *outcomes.through(picks), draws, seed)


def _points_of_settings(
    outcomes: Outcomes, settings: Settings, draws: int, seed: int
) -> tuple[ThresholdPoint, ...]:
    """Choose some settings, with the one as it is, the cheapest first."""
    if len(settings.labels) == 1:
        return ()
    spent = outcomes.after(settings.chosen, settings.asked)[1].mean(axis=1)
    order = np.argsort(spent if spent.any() else settings.asked.sum(axis=(1, 2)), kind="stable")
    shown = {0, *(int(order[int(share * (len(order) - 1))]) for share in SHARES)}
    places = [int(at) for at in order if at in shown]
    chosen, asked = settings.chosen[places], settings.asked[places]
    labels = [settings.labels[at] for at in places]
    shifts = settings.values[places] - settings.values[0]
    passed = (asked.sum(axis=2) > 1).mean(axis=1)
    return _points(labels, shifts, passed, *outcomes.after(chosen, asked), draws, seed)


def _points(  # noqa: PLR0913 - the columns of a table
    labels: Sequence[str],
    shifts: Floats,
    passed: Floats,
    quality: Floats,
    cost: Floats,
    draws: int,
    seed: int,
) -> tuple[ThresholdPoint, ...]:
    drawn = resampled_means(quality.T, draws=draws, seed=seed)
    return tuple(
        ThresholdPoint(
            label,
            float(shifts[at]),
            float(passed[at]),
            drawn_interval(drawn[:, at]),
            float(cost[at].mean()),
        )
        for at, label in enumerate(labels)
    )


def _label(rule: Rule, shift: float) -> str:
    """Write a rule at another threshold."""
    simple = threshold(rule)
    if simple is None:
        return "as it is" if not shift else f"all thresholds {shift:+.3g}"
    signal, sign, value = simple
    return f"{signal} {sign} {value + SIGNS[sign] * shift:.6g}" + " (as it is)" * (not shift)
