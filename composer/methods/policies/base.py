"""How estimates of quality become a decision: weights over the choices, 0 for the unchosen."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Protocol

from pydantic import Field

from composer.heavy import np
from composer.methods.estimators.costs import costs_unknown
from composer.values import Typed

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from composer.methods.estimators.values import Choice, Estimates, Floats

Weights = tuple[float, ...]
"""A weight for each choice, together 1."""


class Weigher(Protocol):
    """What turns estimates into weights, query after query; `many` as of a policy."""

    @property
    def many(self) -> bool:
        """Whether several choices may run."""

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> Weights:
        """Return a weight for each choice, together 1."""


class Policy(Typed):
    """How estimates become weights. `many` says whether several choices may run.

    It holds nothing but its options; one that keeps accounts opens them in `begin`. `tunable` names
    the option that moves queries from one choice to another, for calibration to set. `by_cost` says
    that it always needs to know what an answer of each choice costs.
    """

    many: ClassVar[bool] = False
    tunable: ClassVar[str] = ""
    by_cost: ClassVar[bool] = False

    @property
    def needs_costs(self) -> bool:
        """Whether it must know what an answer of each choice costs."""
        return self.by_cost

    @abstractmethod
    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> Weights:
        """Return a weight for each choice, together 1."""

    def begin(self) -> Weigher:
        """Return what weighs while an ensemble is open: the policy itself, or its account."""
        return self

    def decide(
        self, estimates: Sequence[Estimates], choices: tuple[Choice, ...], rng: random.Random
    ) -> list[Weights]:
        """Return the weights of many queries; policies that share a budget decide them together."""
        begun = self.begin()
        return [begun.weigh(each, choices, rng) for each in estimates]

    def settings(self, quality: Floats, dollars: Floats) -> Floats:
        """Return the values of the tunable option at which decisions on n queries change, in order.

        `quality` and `dollars` (per thousand answers) are [n, m], for m choices. Raises PartError
        where no setting makes a difference.
        """
        del dollars
        return around(quality.ravel())


class Costed(Policy):
    """A policy that sets quality against cost.

    `cost` is the quality that one dollar per thousand answers must bring. If it is 0, costs are not
    needed.
    """

    cost: float = Field(default=0.0, ge=0)

    @property
    def needs_costs(self) -> bool:
        """Whether it must know what an answer of each choice costs."""
        return self.cost > 0

    def worth(self, estimates: Estimates, choices: tuple[Choice, ...]) -> Sequence[float]:
        """Return quality - cost x dollars per thousand answers of each choice."""
        if not self.needs_costs:
            return estimates.quality
        pairs = zip(estimates.quality, costs(estimates, choices), strict=True)
        return [quality - self.cost * dollars for quality, dollars in pairs]


def around(turns: Floats, least: float | None = None) -> Floats:
    """Return values between those at which decisions turn, and one beyond either end.

    With a `least` value, as prices have, that is the one below; the one above is twice the largest.
    """
    values = np.unique(turns[np.isfinite(turns)])
    if not len(values):
        return np.array([0.0])
    below, above = values[0] - 1e-6, values[-1] + 1e-6
    if least is not None:
        below, above = least, values[-1] * 2 + 1e-6
    between: Floats = (values[1:] + values[:-1]) / 2
    return np.unique(np.concatenate([[below], between, [above]]))


def costs(estimates: Estimates, choices: tuple[Choice, ...]) -> tuple[float, ...]:
    """Return the expected costs; raises PartError (E511) where one is not known."""
    dollars = expected_costs(estimates, choices)
    if any(map(math.isnan, dollars)):
        unknown = [c.name for c, cost in zip(choices, dollars, strict=True) if math.isnan(cost)]
        raise costs_unknown("the policy", unknown)
    return dollars


def expected_costs(estimates: Estimates, choices: tuple[Choice, ...]) -> tuple[float, ...]:
    """Return what each choice would cost, in dollars per thousand answers, NaN where not known.

    That is 1,000 times the estimated cost; where there is none, the mean of the recorded answers;
    where there is none either, an answer counts as 500 tokens read and 500 written at the `price`.
    A choice that has answered costs nothing more.
    """
    estimated = estimates.cost or (math.nan,) * len(choices)
    pairs = zip(estimated, choices, strict=True)
    dollars = [1000 * (choice.dollars if math.isnan(cost) else cost) for cost, choice in pairs]
    return tuple(0.0 if at in estimates.answered else each for at, each in enumerate(dollars))


def best(values: Sequence[float]) -> int:
    """Return the index of the greatest value, the first among equals; the unknown come last."""
    return max(range(len(values)), key=without_nan(values).__getitem__)


def without_nan(values: Sequence[float]) -> list[float]:
    """Return the values, those that are not known (NaN) as minus infinity."""
    return [-math.inf if math.isnan(value) else value for value in values]


def softmax(values: Sequence[float], temperature: float = 1.0) -> Weights:
    """Return exp(v / t) divided by its sum; minus infinity has no share."""
    top = max(values)
    if math.isinf(top):
        return share([float(value == top) for value in values], set(range(len(values))))
    shares = [math.exp((value - top) / temperature) for value in values]
    return share(shares, set(range(len(values))))


def share(weights: Sequence[float], live: set[int]) -> Weights:
    """Divide the weights of those that are live by their sum; the others have none."""
    total = math.fsum(weights[index] for index in live)
    return tuple(weight / total if index in live else 0.0 for index, weight in enumerate(weights))


def only(chosen: int, among: int) -> Weights:
    """Return weight 1 for one of several choices."""
    return tuple(float(index == chosen) for index in range(among))
