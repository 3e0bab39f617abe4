"""Signals of the distributions in which the tokens of an answer stood.

They read the likeliest tokens of each place, which are asked for only where such a signal is used.
A probability that is missing or no number makes them unknown.
"""

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from composer.methods.signals.base import LOGPROBS, SHARE, Signal
from composer.values import Candidates, Text
from composer.values.details import TokenChoice, TokenDetail


class OfTokens(Signal):
    """A number of the distribution of each token: their mean, the first, or the least sure one."""

    needs: ClassVar[frozenset[str]] = LOGPROBS
    limits: ClassVar[tuple[float, float]] = SHARE
    surest: ClassVar[Literal["greatest", "least"]] = "greatest"

    of: Literal["mean", "first", "least"] = "mean"

    @property
    @abstractmethod
    def likeliest(self) -> int:
        """How many of the likeliest tokens of each place it reads."""

    @property
    def detail(self) -> TokenDetail | None:
        """The likeliest tokens."""
        return TokenDetail(top=self.likeliest)

    @abstractmethod
    def of_place(self, probabilities: Sequence[float]) -> float | None:
        """Return the number of the likeliest tokens of a place, the likeliest first."""

    def places(self, answer: Text) -> Iterator[Sequence[float]]:
        """Yield the probabilities of the likeliest tokens of each place, the likeliest first."""
        for choice in answer.choices:
            yield _probabilities(choice, self.likeliest)

    def measure(self, answer: Text | Candidates) -> float | None:
        """Return the number, None where some place is not known."""
        values: list[float] = []
        for probabilities in self.places(answer) if isinstance(answer, Text) else ():
            value = self.of_place(probabilities) if probabilities else None
            if value is None or not math.isfinite(value):
                return None
            values.append(value)
        if not values:
            return None
        if self.of == "mean":
            return math.fsum(values) / len(values)
        if self.of == "first":
            return values[0]
        return min(values) if self.surest == "greatest" else max(values)


class Probability(OfTokens):
    """The maximum probability: how likely the likeliest token of a place is.

    `of = "mean"` is over all tokens, `first` the first token, such as the letter of a choice,
    `least` the least sure one. A model that tells only how likely the tokens are that it writes
    gives those, which is the same for greedy answers; a recording of one number for the whole
    answer gives that.
    """

    name: ClassVar[str] = "probability"
    paper: ClassVar[str] = "arXiv:2210.05528"
    demands_detail: ClassVar[bool] = False

    @property
    def likeliest(self) -> int:
        """The likeliest."""
        return 1

    def of_place(self, probabilities: Sequence[float]) -> float:
        """Return the greatest."""
        return probabilities[0]

    def places(self, answer: Text) -> Iterator[Sequence[float]]:
        """Yield what is known of each token, else of the whole answer."""
        if answer.choices:
            yield from super().places(answer)
        elif answer.logprobs:
            known = all(map(math.isfinite, answer.logprobs))
            yield from ((math.exp(each),) for each in answer.logprobs) if known else ()
        elif answer.confidence is not None:
            yield (answer.confidence,)


class TokenMargin(OfTokens):
    """How much likelier the likeliest token of a place is than the second one.

    `of` says whether it is the mean over all tokens, that of the first, or the least of them.
    """

    name: ClassVar[str] = "token_margin"
    paper: ClassVar[str] = "arXiv:2310.13561"

    @property
    def likeliest(self) -> int:
        """The first two."""
        return 2

    def of_place(self, probabilities: Sequence[float]) -> float | None:
        """Return the difference of the first two, None where only one is known."""
        first, *others = probabilities
        return first - others[0] if others else None


class TokenEntropy(OfTokens):
    """Entropy of the next-token distribution, -sum p ln p, in nats.

    The `top` likeliest tokens are read; all others count as one, so the true entropy may be
    greater. `of` says whether it is the mean over all tokens, that of the first, or of the least
    sure one, which is the greatest.
    """

    name: ClassVar[str] = "token_entropy"
    paper: ClassVar[str] = "arXiv:2310.13561"
    limits: ClassVar[tuple[float, float]] = (0.0, math.inf)
    surest: ClassVar[Literal["greatest", "least"]] = "least"

    top: int = Field(default=20, ge=2)

    @property
    def likeliest(self) -> int:
        """As many as are read."""
        return self.top

    def of_place(self, probabilities: Sequence[float]) -> float:
        """Return the entropy."""
        rest = max(0.0, 1.0 - math.fsum(probabilities))
        return max(0.0, -math.fsum(p * math.log(p) for p in (*probabilities, rest) if p > 0))


class UniformDistance(OfTokens):
    """How far the distribution of a token is from the uniform one: sqrt(sum (p - 1/K)^2).

    `outcomes` is K, such as the number of labels. Where it is not set, K is that of a vocabulary,
    so large that 1/K is 0. The `top` likeliest tokens are read. `of` says whether it is the mean
    over all tokens, that of the first, or the least of them.
    """

    name: ClassVar[str] = "uniform_distance"
    paper: ClassVar[str] = "arXiv:2210.05528"

    outcomes: int | None = Field(default=None, ge=2)
    top: int = Field(default=20, ge=2)

    @property
    def likeliest(self) -> int:
        """As many as are read."""
        return self.top

    def of_place(self, probabilities: Sequence[float]) -> float:
        """Return the distance, as sqrt(sum p^2 - 1/K)."""
        squares = math.fsum(p * p for p in probabilities)
        return math.sqrt(max(0.0, squares - (1 / self.outcomes if self.outcomes else 0.0)))


def _probabilities(choice: TokenChoice, count: int) -> list[float]:
    """Return the probabilities of the likeliest tokens of a place; none where one is no number."""
    logprobs = [token.logprob for token in choice.top] or [choice.chosen.logprob]
    if not all(each < math.inf for each in logprobs):  # NaN compares as false
        return []
    return sorted((math.exp(min(each, 0.0)) for each in logprobs), reverse=True)[:count]
