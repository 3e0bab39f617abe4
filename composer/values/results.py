"""What models give back: completions, scores, embeddings, rewards, next tokens, and their usage."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from composer.values.finite import summed
from composer.values.flow import nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.values.card import Price
    from composer.values.details import LikelyToken, TokenChoice
    from composer.values.gather import MissingAnswer


Finish = Literal["stop", "length", "context"]
"""Why an answer ended: by itself or a stop string, by `max_tokens`, or by a model's context."""


UNTOLD = "untold"
"""A fact of an answer that servers fused, where they left some probability untold.

At so many `tokens` the choice, or its probability, might be another one with all of it known. The
largest `probability` that one server left untold at one of them is given, too.
"""


STRINGS = "strings"
"""A fact of an answer of a string fuse: the strings that were drawn, the likeliest first.

Each has its `text` and its `share` of the weight.
"""


def dollars(amount: float) -> float:
    """Round an amount to twelve digits: one writes 0.00001, not 9.999999999999999e-06."""
    return float(f"{amount:.12g}")


@dataclass(frozen=True, slots=True)
class Usage:
    """Calls, tokens and dollars of requests; `unpriced` counts the calls of unknown cost."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0

    @classmethod
    def at(cls, price: Price, calls: int, read: int, written: int) -> Usage:
        """Return the usage of calls at a price in dollars per million tokens, None if unknown."""
        if price is None:
            return cls(calls, read, written, unpriced=calls)
        return cls(calls, read, written, (read * price[0] + written * price[1]) / 1e6)

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cost + other.cost,
            self.unpriced + other.unpriced,
        )

    def __sub__(self, other: Usage) -> Usage:
        return Usage(
            self.calls - other.calls,
            self.prompt_tokens - other.prompt_tokens,
            self.completion_tokens - other.completion_tokens,
            self.cost - other.cost,
            self.unpriced - other.unpriced,
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
    """Log-probabilities (nats) of the tokens of a text under a model or an ensemble.

    `choices` has one for each token, where the request wanted details. `before` are the text's own
    tokens before these, which have no log-probability (NaN): the first token of a prompt that
    nothing stands before.
    """

    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]
    choices: tuple[TokenChoice, ...] = ()
    before: tuple[LikelyToken, ...] = field(default=(), compare=False)

    @property
    def total(self) -> float:
        """The log-probability of the whole text, in nats."""
        return summed(self.logprobs)

    @property
    def mean(self) -> float:
        """The mean log-probability of a token, in nats; 0 for no tokens."""
        return self.total / len(self.logprobs) if self.logprobs else 0.0

    @property
    def perplexity(self) -> float:
        """exp(-mean)."""
        try:
            return math.exp(-self.mean)
        except OverflowError:
            return math.inf

    def bits_per_byte(self, text: str) -> float:
        """Bits that the text costs for each of its UTF-8 bytes."""
        return -self.total / math.log(2) / max(len(text.encode()), 1)


@dataclass(frozen=True, slots=True)
class Span:
    """One round of a span fuse: what the members proposed, the scores of all, and their weights.

    `winner` is the member whose proposal was kept. `candidates` are the proposals, by the member's
    name; further ones of one member are numbered: `A`, `A#2`. `scores` are [member][candidate].
    Members that took no part in the round have no weight. `whole` is a last round, that of
    `rerank`, which chose among whole answers; the one of all rounds before is then `fused`.
    """

    text: str
    winner: str
    candidates: Mapping[str, str]
    scores: Mapping[str, Mapping[str, float]]
    weights: Mapping[str, float] = field(default_factory=dict)
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Completion:
    """One generated answer, before it belongs to a query.

    `tokens` and `logprobs` (nats) include the end token, whose text is empty; `confidence` is the
    geometric mean probability of the tokens, None where it cannot be known. `usage` counts by the
    names that fuses give their members. `left` has the members that were dropped, and why;
    `weights` are those from the prompt. `extracted` and `value` are as in `Text`. `cached` says
    that it came from the cache and cost nothing now. `choices` has one for each token, where the
    request wanted details.
    """

    text: str
    tokens: tuple[str, ...] = ()
    logprobs: tuple[float, ...] = ()
    confidence: float | None = None
    finish: Finish | None = None
    usage: Mapping[str, Usage] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()
    left: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=nothing)
    extracted: bool = False
    value: str | None = None
    cached: bool = False
    choices: tuple[TokenChoice, ...] = ()


@dataclass(frozen=True, slots=True)
class Generated:
    """The result of Generate: one completion for each draw, in the order of the seeds."""

    draws: tuple[Completion, ...]


@dataclass(frozen=True, slots=True)
class Embedded:
    """A vector for each text, and what that took."""

    vectors: tuple[tuple[float, ...], ...]
    usage: Mapping[str, Usage] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rewarded:
    """How good each text is, greater is better, and what that took.

    A model that gives several rewards in one pass has them in `heads`, for each text. `failed` are
    the members that gave none.
    """

    values: tuple[float, ...]
    usage: Mapping[str, Usage] = field(default_factory=dict)
    heads: tuple[tuple[float, ...], ...] = ()
    failed: tuple[MissingAnswer, ...] = ()


@dataclass(frozen=True, slots=True)
class Distribution:
    """A next-token distribution as far as a model told it: log-probabilities (nats) by token id.

    `written` is the token that the model itself wrote there, if it wrote one.
    """

    logprobs: Mapping[int, float]
    written: int | None = None


@dataclass(frozen=True, slots=True)
class NextDistributions:
    """For each prompt of NextTokens, the distributions behind it, and what that took.

    Those after the first stand behind what the model itself has written so far.
    """

    rows: tuple[tuple[Distribution, ...], ...]
    usage: Mapping[str, Usage] = field(default_factory=dict)
