"""Calibration: the setting of a policy at which decisions meet what a person asked for."""

from __future__ import annotations

import random
from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Self

from composer.compiler.fits import CalibratedOption, specification
from composer.diagnostics import Diagnostic, Mistakes
from composer.diagnostics.amounts import counted, number_text
from composer.fit.cascade_gains import cascade_gains
from composer.fit.decisions import RoutedOutcomes, cascade_outcomes, decide, outcomes
from composer.fit.gains import gains
from composer.fit.settings import Target, not_trainable
from composer.heavy import np
from composer.methods import parts
from composer.methods.cascade_replay import choosing
from composer.methods.estimators.folds import halves
from composer.methods.estimators.values import Predictions, as_estimates
from composer.methods.mistakes import PartError
from composer.methods.policies.base import Policy, costs, expected_costs
from composer.metrics import mean_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from composer.fit.cascade_gains import Baselines
    from composer.methods.cascade_replay import EstimatesAfter, Order
    from composer.methods.cascade_table import CascadeTable
    from composer.methods.estimators.values import Choice, Estimates, Floats, Labels

STEPS = 24
"""Settings that are tried, and again around the best of them."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """What calibration sees: policy, choices, and labels of rows that are left out in turn."""

    policy: Policy
    choices: tuple[Choice, ...]
    labels: Labels

    @abstractmethod
    def outcomes(self, policy: Policy) -> RoutedOutcomes:
        """Return what a policy's decisions come to on the rows."""

    @abstractmethod
    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return the decisions over some of the rows."""

    @abstractmethod
    def estimates(self) -> Sequence[Estimates]:
        """Return the estimates by which is decided, as policies take them."""

    @abstractmethod
    def gains(
        self, results: RoutedOutcomes, halves: Sequence[NDArray[np.intp]]
    ) -> dict[str, list[float]]:
        """Return what decisions are worth beside what knows less."""

    @property
    @abstractmethod
    def seed(self) -> int:
        """The seed of what is drawn."""


@dataclass(frozen=True, eq=False)
class Route(Decisions):
    """A route: predictions of left-out rows decide once."""

    predictions: Predictions
    seed: int = 0

    @cached_property
    def _estimates(self) -> list[Estimates]:
        return as_estimates(self.predictions)

    def estimates(self) -> Sequence[Estimates]:
        """Return the predictions as policies take them."""
        return self._estimates

    def outcomes(self, policy: Policy) -> RoutedOutcomes:
        """Return what a policy's decisions come to on the route's rows."""
        return outcomes(decide(policy, self._estimates, self.choices, self.seed), self.labels)

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return the route over some of the rows."""
        cost = None if self.predictions.cost is None else self.predictions.cost[rows]
        predictions = Predictions(self.predictions.mean[rows], self.predictions.spread[rows], cost)
        return replace(self, labels=self.labels.take(rows), predictions=predictions)

    def gains(
        self, results: RoutedOutcomes, halves: Sequence[NDArray[np.intp]]
    ) -> dict[str, list[float]]:
        """Return what decisions are worth beside what knows nothing of the query."""
        return gains(self.labels, results.chosen, halves, self.seed)


@dataclass(frozen=True, eq=False)
class Cascade(Decisions):
    """A cascade that decides by estimates, again after each answer.

    `after` gives the estimates of all rows of the whole table; `rows` are those of this view.
    """

    table: CascadeTable
    after: EstimatesAfter
    baselines: Baselines
    rows: NDArray[np.intp]
    seed: int = 0

    def _after(self, at: int, order: Order) -> Estimates:
        return self.after(int(self.rows[at]), order)

    def estimates(self) -> Sequence[Estimates]:
        """Return the estimates before each stage, when the stages are asked in their order."""
        orders = [tuple(range(at)) for at in range(len(self.table.begun), len(self.choices))]
        return [
            replace(self._after(at, order), answered=frozenset(order))
            for order in orders
            for at in range(len(self.rows))
        ]

    def outcomes(self, policy: Policy) -> RoutedOutcomes:
        """Return what a policy's decisions come to on the cascade's rows."""
        rng = random.Random(self.seed)
        results = choosing(self.table, self._after, policy.begin(), self.choices, rng)
        return cascade_outcomes(results, self.labels)

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return the cascade over some of the rows."""
        return replace(
            self,
            labels=self.labels.take(rows),
            table=self.table.taken(rows),
            baselines=self.baselines.take(rows),
            rows=self.rows[rows],
        )

    def gains(
        self, results: RoutedOutcomes, halves: Sequence[NDArray[np.intp]]
    ) -> dict[str, list[float]]:
        """Return what decisions are worth beside cascades and routes that know less."""
        del halves
        return cascade_gains(results, self.baselines, self.seed)


def calibrated_to(
    decisions: Decisions, written: Policy | None, target: Target | None
) -> tuple[CalibratedOption | None, dict[str, object]]:
    """Calibrate decisions to a target, or say what they are worth as they are written."""
    if target is None:
        return None, as_written(decisions)
    return calibrate(decisions, written, target)


def calibrate(
    decisions: Decisions, written: Policy | None, target: Target
) -> tuple[CalibratedOption, dict[str, object]]:
    """Set the policy's tunable option so that decisions on left-out predictions meet a target.

    Returns the setting from all rows, and what was reached: the option is set on one half of the
    rows and checked on the other, both ways, with a bootstrap interval; so is `at_target`, what
    the decisions are worth there (see `worth`). Raises Mistakes (E509) where the policy has no
    tunable option or no setting meets the target.
    """
    option = _tunable_option(decisions.policy)
    value = _setting(decisions, option, target)
    sides, rows = halves(decisions.labels.queries, decisions.seed), len(decisions.labels.queries)
    results = RoutedOutcomes.unknown(rows)
    for training, held_out in (sides, sides[::-1]):
        half = _setting(decisions.take(training), option, target, strict=False)
        side = decisions.take(held_out)
        results.put(held_out, side.outcomes(_with_option(decisions.policy, option, half)))
    checked = getattr(results, target.what)
    reached = mean_interval(checked[~np.isnan(checked)].tolist(), seed=decisions.seed)
    specified = None if written is None else specification(written)
    calibrated = CalibratedOption(policy=specified, option=option, value=value, target=str(target))
    report: dict[str, object] = {
        "reached": [reached.mean, reached.low, reached.high],
        "at_target": decisions.gains(results, sides),
    }
    return calibrated, report


def as_written(decisions: Decisions) -> dict[str, object]:
    """Return what the policy's decisions on left-out predictions are worth, without a target.

    Nothing is said of a policy that takes several choices at once.
    """
    if decisions.policy.many:
        return {}
    results = decisions.outcomes(decisions.policy)
    return {"at_target": decisions.gains(results, [np.arange(len(results.chosen))])}


def _tunable_option(policy: Policy) -> str:
    if not policy.tunable:
        named = (kind for kind in parts()["policy"].values() if issubclass(kind, Policy))
        known = sorted((kind for kind in named if kind.tunable), key=attrgetter("tunable"))
        text = f"the policy `{policy.name}` cannot be calibrated to a target"
        these = ", ".join(f"`{kind.name}`" for kind in known)
        raise not_trainable(text, f"these policies can: {these}")
    return policy.tunable


def _setting(decisions: Decisions, option: str, target: Target, *, strict: bool = True) -> float:
    """Return the best setting of an option, tried on a grid and again around the best."""
    ratings: dict[float, tuple[float, float]] = {}
    values = _settings(decisions)
    places = np.linspace(0, len(values) - 1, STEPS)
    for _ in range(2):
        at = np.unique(places.round().astype(int))
        for value in values[at].tolist():
            if value not in ratings:
                outcomes = decisions.outcomes(_with_option(decisions.policy, option, value))
                ratings[value] = _rating(outcomes, target)
        best = min(ratings, key=lambda value: (*ratings[value], value))
        middle = int(np.searchsorted(values, best))
        reach = max(1, len(values) // STEPS)
        places = np.linspace(max(0, middle - reach), min(len(values) - 1, middle + reach), STEPS)
    if strict and ratings[best][0] > _allowed(target, len(decisions.labels.queries)):
        raise _unreached(decisions, option, target, np.array([*ratings, values[0], values[-1]]))
    return float(best)


def _rating(outcomes: RoutedOutcomes, target: Target) -> tuple[float, float]:
    """Return how far decisions miss a target, and what they cost beside, both the less the better.

    A share is to be met; a cost not exceeded, with the best quality; a quality reached, for the
    least money (or, where that is not known, the fewest strong calls).
    """
    reached = float(np.nanmean(getattr(outcomes, target.what)))
    quality = float(np.nanmean(outcomes.quality))
    if target.what == "share":
        return abs(reached - target.value), -quality
    if target.what == "cost":
        return max(0.0, reached - target.value), -quality
    spent = outcomes.share if np.isnan(outcomes.cost).any() else outcomes.cost
    return max(0.0, target.value - reached), float(np.nanmean(spent))


def _allowed(target: Target, rows: int) -> float:
    """Return how far a target may be missed: for a share a row and a hundredth, else nothing."""
    return 1 / rows + 0.01 if target.what == "share" else 1e-12


def _settings(decisions: Decisions) -> Floats:
    """Return the settings to try, in order; raises Mistakes where none makes a difference."""
    of = costs if decisions.policy.tunable == "cost" else expected_costs
    estimates = decisions.estimates()
    try:
        dollars = np.array([of(each, decisions.choices) for each in estimates])
        return decisions.policy.settings(np.array([each.quality for each in estimates]), dollars)
    except PartError as error:
        raise Mistakes([Diagnostic(error.code, error.message, help=error.help)]) from None


def _with_option(policy: Policy, option: str, value: float) -> Policy:
    return policy.model_copy(update={option: value})


def _unreached(decisions: Decisions, option: str, target: Target, values: Floats) -> Mistakes:
    """Say what the settings that were tried reach, and where queries are too alike to part."""
    reached = [
        float(
            np.nanmean(
                getattr(
                    decisions.outcomes(_with_option(decisions.policy, option, each)), target.what
                )
            )
        )
        for each in values.tolist()
    ]
    text = f"no setting of `{decisions.policy.name}` reaches {target}"
    if min(reached) < target.value < max(reached):
        below = max(each for each in reached if each < target.value)
        above = min(each for each in reached if each > target.value)
        alike = round((above - below) * len(decisions.labels.queries))
        rows = counted(len(decisions.labels.queries), "row")
        text += f": {alike} of {rows} have the same estimate, so they cannot be separated"
        aim = f"use {target.what}={number_text(below, 4)} or {number_text(above, 4)}"
        return not_trainable(
            text, f"{aim}, or give the estimator features that separate these rows"
        )
    reach = f"from {number_text(min(reached), 4)} to {number_text(max(reached), 4)}"
    return not_trainable(text, f"on held-out data, the possible values go {reach}")
