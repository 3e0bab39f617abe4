"""How estimates of quality become a decision: weights over the choices, 0 for the unchosen."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Protocol

from composer.heavy import np
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
    the option that moves queries from one choice to another, for calibration to set.
    """

    many: ClassVar[bool] = False
    tunable: ClassVar[str] = ""

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
    """Return what each choice would cost, in dollars per thousand answers.

    That is 1,000 times the estimated cost; where there is none, an answer counts as 1,000 tokens,
    so it is the price per million tokens. A choice without either counts as free.
    """
    dollars = estimates.cost or (math.nan,) * len(choices)
    pairs = zip(dollars, choices, strict=True)
    return tuple((choice.price or 0.0) if math.isnan(c) else 1000 * c for c, choice in pairs)


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
