"""Policies for one query: the best choice, the cheapest good one, several, or one by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.heavy import np
from composer.methods.mistakes import PartError
from composer.methods.policies.base import (
    Costed,
    Policy,
    Weights,
    around,
    best,
    costs,
    only,
    share,
    softmax,
    without_nan,
)

if TYPE_CHECKING:
    import random

    from composer.methods.estimators.values import Choice, Estimates, Floats

EQUAL = 1e-9
"""Estimates that differ by no more than this are equal: rounding is no reason to pay."""


class One(Costed):
    """The best choice: argmax of quality - cost x dollars, the first among equals.

    `cost` is the quality that one dollar per thousand answers must bring. With `cost` above 0, the
    cost of every choice must be known: by the data, by its recorded answers or by its `price`.
    """

    name: ClassVar[str] = "one"
    paper: ClassVar[str] = "arXiv:2403.12031"
    tunable: ClassVar[str] = "cost"

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> Weights:
        """Return 1 for the best choice."""
        del rng
        return only(best(self.worth(estimates, choices)), len(choices))

    def settings(self, quality: Floats, dollars: Floats) -> Floats:
        """Return prices of quality between those at which a dearer choice is given up."""
        gain = quality[:, :, None] - quality[:, None, :]
        dearer = dollars[:, :, None] - dollars[:, None, :]
        with np.errstate(divide="ignore", invalid="ignore"):
            rates = np.where(dearer > 0, gain / dearer, np.nan).ravel()
        rates = rates[np.isfinite(rates) & (rates >= 0)]
        if not len(rates):
            raise PartError(
                "E509",
                "`one` weighs quality against cost, but all choices cost the same",
                "record the `cost` of answers, declare the `price` of the models, or use "
                "`policy = gap()`",
            )
        return around(rates, least=0.0)


class Several(Policy):
    """The k best choices, weighted by the softmax of quality / temperature among them.

    With `at`, only those of the k whose quality is at least `at`, and always the best (SelectLLM).
    """

    name: ClassVar[str] = "several"
    paper: ClassVar[str] = "arXiv:2408.08545"
    many: ClassVar[bool] = True

    k: int = Field(default=2, ge=1)
    temperature: float = Field(default=1.0, gt=0)
    at: float | None = None

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> Weights:
        """Return the weights of the k best, the first among equals."""
        del choices, rng
        quality = without_nan(estimates.quality)
        order = sorted(range(len(quality)), key=lambda index: -quality[index])[: self.k]
        good = {index for index in order if self.at is None or quality[index] >= self.at}
        return share(softmax(quality, self.temperature), good | {order[0]})


class Blend(Policy):
    """Every choice, weighted by the softmax of quality / temperature (PackLLM).

    A choice with a weight below `floor` does not run, and its weight goes to the others; the best
    choice always runs.
    """

    name: ClassVar[str] = "blend"
    paper: ClassVar[str] = "arXiv:2404.11531"
    many: ClassVar[bool] = True

    temperature: float = Field(default=1.0, gt=0)
    floor: float = Field(default=0.05, ge=0, le=1)

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> Weights:
        """Return exp(q / t) / sum over the choices that reach the floor."""
        del choices, rng
        weights = softmax(without_nan(estimates.quality), self.temperature)
        live = {index for index, weight in enumerate(weights) if weight >= self.floor}
        return share(weights, live or {weights.index(max(weights))})


class Threshold(Policy):
    """The first choice whose quality is at least `at`, else the last: put the cheapest first."""

    name: ClassVar[str] = "threshold"
    paper: ClassVar[str] = "arXiv:2308.06077"
    tunable: ClassVar[str] = "at"

    at: float = 0.5

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> Weights:
        """Return 1 for the first good enough choice."""
        del choices, rng
        quality = estimates.quality
        good = (index for index, value in enumerate(quality) if value >= self.at)
        return only(next(good, len(quality) - 1), len(quality))


class Gap(Policy):
    """The last of two choices if it is better than the first by `at` or more (RouteLLM).

    The gap P(strong) - P(weak) orders queries better than P(weak fails). Unless `at` is negative,
    equal estimates go to the first choice.
    """

    name: ClassVar[str] = "gap"
    paper: ClassVar[str] = "arXiv:2406.18665"
    tunable: ClassVar[str] = "at"

    at: float = 0.0

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> Weights:
        """Return 1 for the last choice where quality[-1] - the best other >= at."""
        del choices, rng
        *others, strong = estimates.quality
        if not others or self._reached(strong - max(others)):
            return only(len(others), len(others) + 1)
        return only(best(others), len(others) + 1)

    def settings(self, quality: Floats, dollars: Floats) -> Floats:
        """Return gaps between those of the queries."""
        del dollars
        return around(quality[:, -1] - quality[:, :-1].max(1))

    def _reached(self, gap: float) -> bool:
        return gap >= self.at and (self.at < 0 or gap > EQUAL)


class Cheapest(Policy):
    """The cheapest choice whose quality is at least `at`; if there is none, `otherwise` decides.

    `otherwise = best` takes the choice with the highest quality, `dearest` and `cheapest` look only
    at the cost (FORC). Ties are broken by quality, then by order.
    """

    name: ClassVar[str] = "cheapest"
    paper: ClassVar[str] = "arXiv:2308.06077"
    tunable: ClassVar[str] = "at"
    by_cost: ClassVar[bool] = True

    at: float = 0.5
    otherwise: Literal["best", "dearest", "cheapest"] = "best"

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> Weights:
        """Return 1 for the cheapest good enough choice."""
        del rng
        quality, dollars = estimates.quality, costs(estimates, choices)
        everyone = range(len(quality))
        good = [index for index in everyone if quality[index] >= self.at]
        if good or self.otherwise == "cheapest":
            chosen = min(good or everyone, key=lambda i: (dollars[i], -quality[i]))
        elif self.otherwise == "dearest":
            chosen = max(everyone, key=lambda i: (dollars[i], quality[i]))
        else:
            chosen = best(quality)
        return only(chosen, len(quality))


class Chance(Policy):
    """A random choice: all equally likely (Blending), or with `odds = estimated` by their quality.

    With `odds = estimated`, qualities must not be negative; if all are 0, all choices are equally
    likely.
    """

    name: ClassVar[str] = "chance"
    paper: ClassVar[str] = "arXiv:2401.02994"

    odds: Literal["equal", "estimated"] = "equal"

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> Weights:
        """Return 1 for the choice that was drawn from the step's own randomness."""
        odds = [max(each, 0.0) for each in estimates.quality]
        if self.odds == "equal" or not any(odds):
            odds = [1.0] * len(choices)
        return only(rng.choices(range(len(choices)), odds)[0], len(choices))
