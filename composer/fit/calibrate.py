"""Calibration: the setting of a policy at which a route does what a person asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING

from composer.compiler.fits import Calibrated, specification
from composer.fit.deciding import decide, estimates_of, outcomes
from composer.fit.lesson import Target, unteachable
from composer.fit.worth import worth
from composer.heavy import np
from composer.methods import parts
from composer.methods.estimators.values import Predictions
from composer.methods.mistakes import PartError
from composer.methods.policies.base import Policy, costs
from composer.metrics import mean_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from composer.diagnostics import Mistakes
    from composer.fit.deciding import Outcomes
    from composer.methods.estimators.values import Choice, Estimates, Floats, Labels

STEPS = 24
"""Settings that are tried, and again around the best of them."""


@dataclass(frozen=True, eq=False)
class Route:
    """A route as calibration sees it: policy, choices, labels, predictions of left-out rows."""

    policy: Policy
    choices: tuple[Choice, ...]
    labels: Labels
    found: Predictions
    seed: int

    @cached_property
    def estimates(self) -> list[Estimates]:
        """The predictions as policies take them."""
        return estimates_of(self.found)

    def outcomes(self, policy: Policy) -> Outcomes:
        """Return what a policy's decisions come to on the route's rows."""
        return outcomes(decide(policy, self.estimates, self.choices, self.seed), self.labels)

    def take(self, rows: NDArray[np.intp]) -> Route:
        """Return the route over some of the rows."""
        cost = None if self.found.cost is None else self.found.cost[rows]
        found = Predictions(self.found.mean[rows], self.found.spread[rows], cost)
        return replace(self, labels=self.labels.take(rows), found=found)


def calibrate(
    route: Route, written: Policy | None, target: Target
) -> tuple[Calibrated, dict[str, object]]:
    """Set the policy's lever so that decisions on left-out predictions meet a target.

    Returns the setting from all rows, and what was reached: the lever is set on one half of the
    rows and checked on the other, both ways, with a bootstrap interval; so is `at_target`, what
    the decisions are worth there (see `worth`). Raises Mistakes (E509) where the policy has no
    lever or no setting meets the target.
    """
    lever = _lever(route.policy)
    _known(route, target)
    value = _setting(route, lever, target)
    order = np.random.default_rng(route.seed).permutation(len(route.found.mean))
    halves = np.array_split(order, 2)
    checked, quality, share = np.full((3, len(order)), np.nan)
    for learnt, left in (halves, halves[::-1]):
        half = _setting(route.take(learnt), lever, target, strict=False)
        tried = route.take(left).outcomes(_set(route.policy, lever, half))
        checked[left] = getattr(tried, target.what)
        quality[left], share[left] = tried.quality, tried.share
    reached = mean_interval(checked[~np.isnan(checked)].tolist(), seed=route.seed)
    specified = None if written is None else specification(written)
    calibrated = Calibrated(policy=specified, option=lever, value=value, target=str(target))
    at_target = worth(route.labels, quality, share, halves, route.seed)
    told: dict[str, object] = {
        "reached": [reached.mean, reached.low, reached.high],
        "at_target": at_target,
    }
    return calibrated, told


def _lever(policy: Policy) -> str:
    if not policy.lever:
        named = (kind for kind in parts()["policy"].values() if issubclass(kind, Policy))
        known = sorted((kind for kind in named if kind.lever), key=attrgetter("lever"))
        text = f"the policy `{policy.name}` has nothing that could be set to reach a target"
        these = ", ".join(f"`{kind.name}`" for kind in known)
        raise unteachable(text, f"these can be: {these}")
    return policy.lever


def _known(route: Route, target: Target) -> None:
    """Refuse a target of cost where the data know no cost."""
    if target.what == "cost" and np.isnan(route.labels.cost).all():
        text = "a target of cost needs costs, and the data have none"
        raise unteachable(text, "record `cost`, or declare the models' `price` and record tokens")


def _setting(route: Route, lever: str, target: Target, *, strict: bool = True) -> float:
    """Return the best setting of a lever, tried on a grid and again around the best."""
    tried: dict[float, tuple[float, float]] = {}
    values = _settings(route)
    places = np.linspace(0, len(values) - 1, STEPS)
    for _ in range(2):
        at = np.unique(places.round().astype(int))
        for value in values[at].tolist():
            if value not in tried:
                done = route.outcomes(_set(route.policy, lever, value))
                tried[value] = _rated(done, target)
        best = min(tried, key=lambda value: (*tried[value], value))
        middle = int(np.searchsorted(values, best))
        reach = max(1, len(values) // STEPS)
        places = np.linspace(max(0, middle - reach), min(len(values) - 1, middle + reach), STEPS)
    if strict and tried[best][0] > _allowed(target, len(route.found.mean)):
        raise _unreached(route, lever, target, np.array([*tried, values[0], values[-1]]))
    return float(best)


def _rated(done: Outcomes, target: Target) -> tuple[float, float]:
    """Return how far decisions miss a target, and what they cost beside, both the less the better.

    A share is to be met; a cost not exceeded, with the best quality; a quality reached, for the
    least money (or, where that is not known, the fewest strong calls).
    """
    got = float(np.nanmean(getattr(done, target.what)))
    quality = float(np.nanmean(done.quality))
    if target.what == "share":
        return abs(got - target.value), -quality
    if target.what == "cost":
        return max(0.0, got - target.value), -quality
    spent = done.share if np.isnan(done.cost).all() else done.cost
    return max(0.0, target.value - got), float(np.nanmean(spent))


def _allowed(target: Target, rows: int) -> float:
    """Return how far a target may be missed: for a share a row and a hundredth, else nothing."""
    return 1 / rows + 0.01 if target.what == "share" else 1e-12


def _settings(route: Route) -> Floats:
    """Return the settings to try, in order; raises Mistakes where none makes a difference."""
    dollars = np.array([costs(each, route.choices) for each in route.estimates])
    try:
        return route.policy.settings(route.found.mean, dollars)
    except PartError as error:
        raise unteachable(error.message, error.help) from None


def _set(policy: Policy, lever: str, value: float) -> Policy:
    return policy.model_copy(update={lever: value})


def _unreached(route: Route, lever: str, target: Target, values: Floats) -> Mistakes:
    """Say what the settings that were tried reach, and where queries are too alike to part."""
    ends = [
        float(np.nanmean(getattr(route.outcomes(_set(route.policy, lever, each)), target.what)))
        for each in values.tolist()
    ]
    text = f"no setting of `{route.policy.name}` reaches {target}"
    if min(ends) < target.value < max(ends):
        below = max(each for each in ends if each < target.value)
        above = min(each for each in ends if each > target.value)
        alike = round((above - below) * len(route.found.mean))
        text += f": {alike} of {len(route.found.mean)} rows have equal estimates and go together"
        aim = f"ask for {target.what}={below:.4g} or {above:.4g}"
        return unteachable(text, f"{aim}, or give the estimator features that tell rows apart")
    reach = f"from {min(ends):.4g} to {max(ends):.4g}"
    return unteachable(text, f"on data that it did not learn from, it goes {reach}")
