"""How steps reach models: what is asked, what comes back, and who is asked.

Steps never touch a model. They are handed an :class:`Asker`, which batches, counts, records and
seeds; so a step that asks models is still a plain function that a test can call with a fake.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from composer.ports.values import Model, Query, Text

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn. A temperature of 0 is greedy; `seed` makes a draw repeatable."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    seed: int = 0


def dollars(amount: float) -> float:
    """Round an amount to twelve digits: one writes 0.00001, not 9.999999999999999e-06."""
    return float(f"{amount:.12g}")


@dataclass(frozen=True, slots=True)
class Usage:
    """What asking cost: calls, tokens and dollars."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cost + other.cost,
        )

    def as_dict(self) -> dict[str, int | float]:
        """Give the plain values that `--json` prints."""
        return {
            "calls": self.calls,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cost": dollars(self.cost),
        }


@dataclass(frozen=True, slots=True)
class Score:
    """Log-probabilities (nats) of the tokens of a text under a model or an ensemble."""

    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]

    @property
    def total(self) -> float:
        """The log-probability of the whole text, in nats."""
        return math.fsum(self.logprobs)

    @property
    def mean(self) -> float:
        """The mean log-probability of a token, in nats; 0 for no tokens."""
        return self.total / len(self.logprobs) if self.logprobs else 0.0

    @property
    def perplexity(self) -> float:
        """exp(-mean)."""
        return math.exp(-self.mean)

    def bits_per_byte(self, text: str) -> float:
        """Bits that the text costs for each of its UTF-8 bytes."""
        return -self.total / math.log(2) / max(len(text.encode()), 1)


class Later(Protocol[Result_co]):
    """A branch of a recipe that runs when it is called, once for each query."""

    name: str

    async def __call__(self) -> Result_co:
        """Run the branch, or return what it gave before."""
        ...


class Asker(Protocol):
    """What a step that asks models is given: models, randomness and a place to say what it did."""

    @property
    def rng(self) -> random.Random:
        """Randomness of this step for this query: the same in every run with one seed."""
        ...

    async def generate(self, model: Model, query: Query, sampling: Sampling) -> Text:
        """Let a model, or an ensemble, answer a query."""
        ...

    async def score(self, model: Model, query: Query | None, text: str) -> Score:
        """Score `text` as the model's answer to the query, or on its own without one."""
        ...

    async def perplexity(self, model: Model, query: Query) -> Score:
        """Score the query's own tokens, as the model's template renders them."""
        ...

    def note(self, **facts: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
        """Record facts about this step in the trace."""
        ...

    async def compute(self, function: Callable[[], Result]) -> Result:
        """Run slow arithmetic in a thread, so that other queries go on."""
        ...
