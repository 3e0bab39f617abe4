"""Calibration: the setting of a policy at which a route does what a person asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING

from composer.compiler.fits import CalibratedOption, specification
from composer.diagnostics import Diagnostic, Mistakes
from composer.diagnostics.amounts import counted, number_text
from composer.fit.decisions import decide, outcomes, to_estimates
from composer.fit.gains import gains
from composer.fit.settings import Target, not_trainable
from composer.heavy import np
from composer.methods import parts
from composer.methods.estimators.folds import halves
from composer.methods.estimators.values import Predictions
from composer.methods.mistakes import PartError
from composer.methods.policies.base import Policy, costs, expected_costs
from composer.metrics import mean_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from composer.fit.decisions import RoutedOutcomes
    from composer.methods.estimators.values import Choice, Estimates, Floats, Labels

STEPS = 24
"""Settings that are tried, and again around the best of them."""


@dataclass(frozen=True, eq=False)
class Route:
    """A route as calibration sees it: policy, choices, labels, predictions of left-out rows."""

    policy: Policy
    choices: tuple[Choice, ...]
    labels: Labels
    predictions: Predictions
    seed: int

    @cached_property
    def estimates(self) -> list[Estimates]:
        """The predictions as policies take them."""
        return to_estimates(self.predictions)

    def outcomes(self, policy: Policy) -> RoutedOutcomes:
        """Return what a policy's decisions come to on the route's rows."""
        return outcomes(decide(policy, self.estimates, self.choices, self.seed), self.labels)

    def take(self, rows: NDArray[np.intp]) -> Route:
        """Return the route over some of the rows."""
        cost = None if self.predictions.cost is None else self.predictions.cost[rows]
        predictions = Predictions(self.predictions.mean[rows], self.predictions.spread[rows], cost)
        return replace(self, labels=self.labels.take(rows), predictions=predictions)


def calibrate(
    route: Route, written: Policy | None, target: Target
) -> tuple[CalibratedOption, dict[str, object]]:
    """Set the policy's tunable option so that decisions on left-out predictions meet a target.

    Returns the setting from all rows, and what was reached: the option is set on one half of the
    rows and checked on the other, both ways, with a bootstrap interval; so is `at_target`, what
    the decisions are worth there (see `worth`). Raises Mistakes (E509) where the policy has no
    tunable option or no setting meets the target.
    """
    option = _tunable_option(route.policy)
    value = _setting(route, option, target)
    sides, rows = halves(route.labels.queries, route.seed), len(route.labels.queries)
    checked, chosen = np.full(rows, np.nan), np.zeros(rows, dtype=np.intp)
    for training, held_out in (sides, sides[::-1]):
        half = _setting(route.take(training), option, target, strict=False)
        outcomes = route.take(held_out).outcomes(_with_option(route.policy, option, half))
        checked[held_out] = getattr(outcomes, target.what)
        chosen[held_out] = outcomes.chosen
    reached = mean_interval(checked[~np.isnan(checked)].tolist(), seed=route.seed)
    specified = None if written is None else specification(written)
    calibrated = CalibratedOption(policy=specified, option=option, value=value, target=str(target))
    at_target = gains(route.labels, chosen, sides, route.seed)
    report: dict[str, object] = {
        "reached": [reached.mean, reached.low, reached.high],
        "at_target": at_target,
    }
    return calibrated, report


def as_written(route: Route) -> dict[str, object]:
    """Return what the policy's decisions on left-out predictions are worth, without a target.

    Nothing is said of a policy that takes several choices at once.
    """
    if route.policy.many:
        return {}
    chosen = route.outcomes(route.policy).chosen
    return {"at_target": gains(route.labels, chosen, [np.arange(len(chosen))], route.seed)}


def _tunable_option(policy: Policy) -> str:
    if not policy.tunable:
        named = (kind for kind in parts()["policy"].values() if issubclass(kind, Policy))
        known = sorted((kind for kind in named if kind.tunable), key=attrgetter("tunable"))
        text = f"the policy `{policy.name}` cannot be calibrated to a target"
        these = ", ".join(f"`{kind.name}`" for kind in known)
        raise not_trainable(text, f"these policies can: {these}")
    return policy.tunable


def _setting(route: Route, option: str, target: Target, *, strict: bool = True) -> float:
    """Return the best setting of an option, tried on a grid and again around the best."""
    ratings: dict[float, tuple[float, float]] = {}
    values = _settings(route)
    places = np.linspace(0, len(values) - 1, STEPS)
    for _ in range(2):
        at = np.unique(places.round().astype(int))
        for value in values[at].tolist():
            if value not in ratings:
                outcomes = route.outcomes(_with_option(route.policy, option, value))
                ratings[value] = _rating(outcomes, target)
        best = min(ratings, key=lambda value: (*ratings[value], value))
        middle = int(np.searchsorted(values, best))
        reach = max(1, len(values) // STEPS)
        places = np.linspace(max(0, middle - reach), min(len(values) - 1, middle + reach), STEPS)
    if strict and ratings[best][0] > _allowed(target, len(route.predictions.mean)):
        raise _unreached(route, option, target, np.array([*ratings, values[0], values[-1]]))
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


def _settings(route: Route) -> Floats:
    """Return the settings to try, in order; raises Mistakes where none makes a difference."""
    of = costs if route.policy.tunable == "cost" else expected_costs
    try:
        dollars = np.array([of(each, route.choices) for each in route.estimates])
        return route.policy.settings(route.predictions.mean, dollars)
    except PartError as error:
        raise Mistakes([Diagnostic(error.code, error.message, help=error.help)]) from None


def _with_option(policy: Policy, option: str, value: float) -> Policy:
    return policy.model_copy(update={option: value})


def _unreached(route: Route, option: str, target: Target, values: Floats) -> Mistakes:
    """Say what the settings that were tried reach, and where queries are too alike to part."""
    reached = [
        float(
            np.nanmean(
                getattr(route.outcomes(_with_option(route.policy, option, each)), target.what)
            )
        )
        for each in values.tolist()
    ]
    text = f"no setting of `{route.policy.name}` reaches {target}"
    if min(reached) < target.value < max(reached):
        below = max(each for each in reached if each < target.value)
        above = min(each for each in reached if each > target.value)
        alike = round((above - below) * len(route.predictions.mean))
        rows = counted(len(route.predictions.mean), "row")
        text += f": {alike} of {rows} have the same estimate, so they cannot be separated"
        aim = f"use {target.what}={number_text(below, 4)} or {number_text(above, 4)}"
        return not_trainable(
            text, f"{aim}, or give the estimator features that separate these rows"
        )
    reach = f"from {number_text(min(reached), 4)} to {number_text(max(reached), 4)}"
    return not_trainable(text, f"on held-out data, the possible values go {reach}")
