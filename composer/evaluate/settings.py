"""What a cascade would do at other settings of what decides, replayed on every stage's answers."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from composer.evaluate.ahead import with_next
from composer.heavy import np
from composer.methods import Acceptance, One, Rule
from composer.methods.acceptances.base import SignalThresholds
from composer.methods.cascade_replay import accepting, choosing
from composer.methods.estimators.values import Estimates
from composer.methods.mistakes import PartError
from composer.methods.policies.base import expected_costs
from composer.methods.post_hoc.base import AfterAnswers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from composer.evaluate.stage_answers import StageAnswers
    from composer.evaluate.stages import Cascade
    from composer.methods import Policy
    from composer.methods.cascade_replay import Order, Replayed
    from composer.methods.estimators.values import Floats

__all__ = ["Settings", "settings_of"]

POINTS = 24
"""Settings that are replayed, beside the one that the recipe has."""


@dataclass(frozen=True, eq=False)
class Settings:
    """Decisions on n rows and m stages at p settings of what `moved` names; the first is as it is.

    `chosen` [p, n] is the stage whose answer is taken, `asked` [p, n, m] says which are asked.
    """

    moved: str
    labels: tuple[str, ...]
    values: Floats
    chosen: NDArray[np.intp]
    asked: NDArray[np.bool_]


def settings_of(cascade: Cascade, answers: StageAnswers) -> Settings | None:
    """Replay a cascade as it is and at other settings; None where a plain rule decides.

    Of an acceptance all thresholds move together, of a policy its tunable option moves.
    """
    match cascade.decides:
        case Rule():
            return None
        case Acceptance() as acceptance:
            settings = _thresholds(acceptance, answers)
            begun = with_next(settings.asked) if cascade.ahead else settings.asked
            return replace(settings, asked=begun)
        case _:
            return _policy(cascade, answers)


def _thresholds(acceptance: Acceptance, answers: StageAnswers) -> Settings:
    table = answers.table
    shifts, variants = [0.0], [acceptance]
    if isinstance(acceptance, SignalThresholds):
        shifts += _spread(acceptance.distances(table)[:, :-1])
        variants += [acceptance.shifted(shift) for shift in shifts[1:]]
    labels = [f"all thresholds {shift:+.3g}" for shift in shifts[1:]]
    replays = [accepting(table, each) for each in variants]
    return _settings("thresholds", ["as it is", *labels], shifts, replays)


def _policy(cascade: Cascade, answers: StageAnswers) -> Settings | None:
    options = cascade.node.values()
    policy: Policy = options.get("policy") or One()
    estimates = _estimates(cascade, answers)
    if estimates is None:
        return None
    table, choices = answers.table, cascade.choices

    def replay(variant: Policy) -> Replayed:
        return choosing(table, estimates, variant.begin(), choices, random.Random(0))

    first = [estimates(at, table.begun) for at in range(len(table.rows))]
    values = _policy_values(policy, first, [expected_costs(each, choices) for each in first])
    name = policy.tunable
    variants = [policy, *(policy.model_copy(update={name: value}) for value in values)]
    now = float(getattr(policy, name)) if name else 0.0
    labels = [f"{name} = {value:.4g}" for value in values]
    label = f"{name} = {now:.4g} (as it is)" if name else "as it is"
    return _settings("settings", [label, *labels], [now, *values], list(map(replay, variants)))


def _policy_values(
    policy: Policy, first: Sequence[Estimates], dollars: Sequence[Sequence[float]]
) -> list[float]:
    """Return some of the values of a policy's option at which decisions change."""
    if not policy.tunable or not np.isfinite(dollars).all():
        return []
    quality = np.array([each.quality for each in first])
    try:
        return _spread(policy.settings(quality, np.array(dollars)))
    except PartError:
        return []


def _estimates(cascade: Cascade, answers: StageAnswers) -> Callable[[int, Order], Estimates] | None:
    """Return the estimates of a row after some stages were asked; None where they are not known.

    An estimator that reads no answers says the same after each of them, so its decisions tell.
    """
    by, table = cascade.decides, answers.table
    if isinstance(by, AfterAnswers):
        after: dict[Order, list[Estimates]] = {}

        def judged(at: int, order: Order) -> Estimates:
            if order not in after:
                after[order] = by.judge([row.before(order) for row in table.rows])
            return after[order][at]

        return judged
    first = [next(iter(each), {}) for each in answers.notes]
    if not all("estimates" in note for note in first):
        return None
    by_row = [
        Estimates(
            tuple(note["estimates"][name] for name in table.names),
            cost=tuple(note["costs"][name] for name in table.names) if "costs" in note else (),
        )
        for note in first
    ]
    return lambda at, _: by_row[at]


def _spread(values: Floats) -> list[float]:
    """Return values that are spread evenly over the finite ones."""
    finite = np.unique(values[np.isfinite(values)])
    if not finite.size:
        return []
    quantiles = np.linspace(0, 1, min(POINTS, finite.size))
    return [float(each) for each in np.quantile(finite, quantiles, method="nearest")]


def _settings(
    moved: str, labels: Sequence[str], values: Sequence[float], replays: Sequence[Replayed]
) -> Settings:
    chosen = np.array([each.chosen for each in replays])
    asked = np.array([each.asked for each in replays])
    return Settings(moved, tuple(labels), np.array(values), chosen, asked)
