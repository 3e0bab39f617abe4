"""How estimates of quality become a decision: weights over the choices, 0 for the unchosen."""

import math
import random
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from composer.parts.estimators.base import Choice, Estimates
from composer.ports import Typed


class Policy(Typed):
    """How estimates become weights. `many` says whether several choices may run."""

    many: ClassVar[bool] = False

    @abstractmethod
    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> tuple[float, ...]:
        """Return a weight for each choice, together 1."""


class One(Policy):
    """The best choice: argmax of quality - cost x price, the first among equals.

    `cost` is the quality that one dollar per million tokens is worth; a choice whose price is not
    known counts as free.
    """

    name: ClassVar[str] = "one"
    paper: ClassVar[str] = "arXiv:2403.12031"

    cost: float = Field(default=0.0, ge=0)

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> tuple[float, ...]:
        """Return 1 for the best choice."""
        del rng
        worth = [
            quality - self.cost * (choice.price or 0.0)
            for quality, choice in zip(estimates.quality, choices, strict=True)
        ]
        return _only(worth.index(max(worth)), len(worth))


class Several(Policy):
    """The k best choices, weighted by the softmax of quality / temperature among them."""

    name: ClassVar[str] = "several"
    many: ClassVar[bool] = True

    k: int = Field(default=2, ge=1)
    temperature: float = Field(default=1.0, gt=0)

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> tuple[float, ...]:
        """Return the weights of the k best, the first among equals."""
        del choices, rng
        quality = estimates.quality
        best = sorted(range(len(quality)), key=lambda index: -quality[index])[: self.k]
        return _share(softmax(quality, self.temperature), set(best))


class Blend(Policy):
    """Every choice, weighted by the softmax of quality / temperature (PackLLM).

    A choice below `floor` does not run and the others share its weight; the best always runs.
    """

    name: ClassVar[str] = "blend"
    paper: ClassVar[str] = "arXiv:2404.11531"
    many: ClassVar[bool] = True

    temperature: float = Field(default=1.0, gt=0)
    floor: float = Field(default=0.05, ge=0, le=1)

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> tuple[float, ...]:
        """Return exp(q / t) / sum over the choices that reach the floor."""
        del choices, rng
        weights = softmax(estimates.quality, self.temperature)
        live = {index for index, weight in enumerate(weights) if weight >= self.floor}
        return _share(weights, live or {weights.index(max(weights))})


class Threshold(Policy):
    """The first choice whose quality reaches `at`, else the last: name the cheapest first."""

    name: ClassVar[str] = "threshold"
    paper: ClassVar[str] = "arXiv:2308.06077"

    at: float = 0.5

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> tuple[float, ...]:
        """Return 1 for the first good enough choice."""
        del choices, rng
        quality = estimates.quality
        good = (index for index, value in enumerate(quality) if value >= self.at)
        return _only(next(good, len(quality) - 1), len(quality))


def softmax(values: Sequence[float], temperature: float = 1.0) -> tuple[float, ...]:
    """Return exp(v / t) divided by its sum; minus infinity has no share."""
    top = max(values)
    if math.isinf(top):
        return _share([float(value == top) for value in values], set(range(len(values))))
    shares = [math.exp((value - top) / temperature) for value in values]
    return _share(shares, set(range(len(values))))


def _share(weights: Sequence[float], live: set[int]) -> tuple[float, ...]:
    total = math.fsum(weights[index] for index in live)
    return tuple(weight / total if index in live else 0.0 for index, weight in enumerate(weights))


def _only(chosen: int, among: int) -> tuple[float, ...]:
    return tuple(float(index == chosen) for index in range(among))
