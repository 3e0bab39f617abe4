"""Policies that keep to a budget: for many queries at once, for a stream, and until it is spent."""

import random
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from composer.heavy import np
from composer.methods.estimators.values import Choice, Estimates
from composer.methods.policies.base import Policy, Weigher, Weights, best, costs, only, without_nan


class Budget(Policy):
    """The greatest summed quality for at most `mean` dollars per thousand answers.

    Many queries together are decided by an integer program (see `assign`). A single query is
    decided by the multiplier of that program's constraint: argmax of quality - multiplier x
    dollars. Without a `multiplier` it is the best choice that costs at most `mean`. If all choices
    cost more, the cheapest is taken.
    """

    name: ClassVar[str] = "budget"
    paper: ClassVar[str] = "arXiv:2308.06077"
    by_cost: ClassVar[bool] = True

    mean: float = Field(ge=0)
    multiplier: float | None = Field(default=None, ge=0)

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> Weights:
        """Return 1 for the choice that the multiplier, or the budget, leads to."""
        del rng
        quality, dollars = estimates.quality, costs(estimates, choices)
        if self.multiplier is None:
            return only(_affordable(quality, dollars, self.mean), len(quality))
        return only(_worthiest(quality, dollars, self.multiplier), len(quality))

    def decide(
        self, estimates: Sequence[Estimates], choices: tuple[Choice, ...], rng: random.Random
    ) -> list[Weights]:
        """Return the weights that solve the integer program over all queries."""
        from composer.methods.policies.assigning import assign

        del rng
        if not estimates:
            return []
        quality = np.array([without_nan(each.quality) for each in estimates], dtype=float)
        dollars = np.array([costs(each, choices) for each in estimates], dtype=float)
        chosen = assign(quality, dollars, self.mean * len(estimates))
        return [only(int(index), len(choices)) for index in chosen]


class _Accounting(Policy):
    """A policy that goes by what it has spent, in an account that each open ensemble begins."""

    by_cost: ClassVar[bool] = True

    @abstractmethod
    def begin(self) -> Weigher:
        """Return an account from which nothing was spent."""

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> Weights:
        """Return the weights of a first query."""
        return self.begin().weigh(estimates, choices, rng)


class Paced(_Accounting):
    """A stream of queries that spends `mean` dollars per thousand answers on average.

    The choice is argmax of quality - price x dollars / mean. After each query the price is changed
    by dual descent: price <- max(0, price + rate x (dollars / mean - 1)). The spending exceeds the
    budget by at most a term that shrinks as 1 / n. The price starts at 0 in each run.
    """

    name: ClassVar[str] = "paced"
    paper: ClassVar[str] = "arXiv:2011.10124"

    mean: float = Field(gt=0)
    rate: float = Field(default=0.05, gt=0)

    def begin(self) -> Weigher:
        """Return the stream, at a price of 0."""
        return _Pace(self)


@dataclass(eq=False)
class _Pace:
    """The price of money in a stream of queries."""

    policy: Paced
    price: float = 0.0
    many: ClassVar[bool] = False

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> Weights:
        """Return 1 for the best choice at today's price of money, and move the price."""
        del rng
        mean, dollars = self.policy.mean, costs(estimates, choices)
        chosen = _worthiest(estimates.quality, dollars, self.price / mean)
        self.price = max(0.0, self.price + self.policy.rate * (dollars[chosen] / mean - 1))
        return only(chosen, len(choices))


class Spend(_Accounting):
    """The best choice that the rest of `total` dollars can pay, query after query (FORC).

    When the money is spent, the cheapest choice answers, so every query gets an answer. The
    expected costs of the answers are counted, from 0 in each run.
    """

    name: ClassVar[str] = "spend"
    paper: ClassVar[str] = "arXiv:2308.06077"

    total: float = Field(ge=0)

    def begin(self) -> Weigher:
        """Return an account of the total, of which nothing was spent."""
        return _Account(self.total)


@dataclass(eq=False)
class _Account:
    """The dollars of a total, and those that were spent."""

    total: float
    spent: float = 0.0
    many: ClassVar[bool] = False

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> Weights:
        """Return 1 for the best choice that can be paid, and take its cost off."""
        del rng
        dollars = [each / 1000 for each in costs(estimates, choices)]
        chosen = _affordable(estimates.quality, dollars, self.total - self.spent)
        self.spent += dollars[chosen]
        return only(chosen, len(choices))


def _worthiest(quality: Sequence[float], dollars: Sequence[float], price: float) -> int:
    return best([value - price * cost for value, cost in zip(quality, dollars, strict=True)])


def _affordable(quality: Sequence[float], dollars: Sequence[float], limit: float) -> int:
    """Return the best choice within a limit, the cheaper of equals; if none, the cheapest."""
    everyone, quality = range(len(quality)), without_nan(quality)
    within = [index for index in everyone if dollars[index] <= limit * (1 + 1e-9)]
    if not within:
        return min(everyone, key=lambda index: (dollars[index], -quality[index]))
    return max(within, key=lambda index: (quality[index], -dollars[index]))
