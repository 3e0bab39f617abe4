"""Signals: numbers that say how sure an answer is, read off what a step already has.

Each is a function of one answer or of several that returns None where it cannot be known. The
table says on which ports a signal can be measured and what a model must be able to do for it, so
that a checker can warn before anything runs.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.ports import Candidates, Port, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class SignalKind:
    """A signal: how it is measured, on which ports, and what it asks of a model.

    `needs` names capabilities of the model that wrote the answer. `votes` says that one answer
    has this signal only where a `vote` chose it.
    """

    name: str
    measure: Callable[[Text | Candidates], float | None]
    ports: frozenset[Port]
    needs: frozenset[str] = frozenset()
    votes: bool = False

    @property
    def summary(self) -> str:
        """Return the first sentence of the measure's docstring."""
        return (self.measure.__doc__ or "").strip().split("\n")[0]


def confidence(value: Text | Candidates) -> float | None:
    """Geometric mean probability of the answer's tokens."""
    return value.confidence if isinstance(value, Text) else None


def agreement(value: Text | Candidates) -> float | None:
    """Share of the votes that the winning answer has; of the commonest answer, before a vote."""
    shares = _shares(value)
    if shares is None:
        return None
    winner = value.answer if isinstance(value, Text) else None
    return shares.get(winner or "", max(shares.values(), default=0.0))


def margin(value: Text | Candidates) -> float | None:
    """Distance between the largest share of the votes and the second."""
    shares = _shares(value)
    if shares is None:
        return None
    first, second, *_ = [*sorted(shares.values(), reverse=True), 0.0, 0.0]
    return first - second


def entropy(value: Text | Candidates) -> float | None:
    """Entropy of the shares of the votes, -sum p ln p, in nats."""
    shares = _shares(value)
    if not shares:
        return None
    return max(0.0, -math.fsum(p * math.log(p) for p in shares.values() if p > 0))


def length(value: Text | Candidates) -> float | None:
    """Characters of the answer."""
    return float(len(value.text)) if isinstance(value, Text) else None


def mean_logprob(value: Text | Candidates) -> float | None:
    """Mean log-probability of the answer's tokens, in nats (Chow-Average, arXiv:2404.10136)."""
    if isinstance(value, Text) and value.logprobs:
        return math.fsum(value.logprobs) / len(value.logprobs)
    return None


def min_logprob(value: Text | Candidates) -> float | None:
    """Log-probability of the answer's least likely token, in nats (arXiv:2404.10136)."""
    return min(value.logprobs) if isinstance(value, Text) and value.logprobs else None


def answered(value: Text | Candidates) -> float | None:
    """1 if an answer was read out, 0 if it abstains; of several, the share that answers."""
    texts = (value,) if isinstance(value, Text) else value.texts
    return sum(text.answer is not None for text in texts) / len(texts) if texts else 0.0


def measure(name: str, value: Text | Candidates) -> float | None:
    """Measure a signal by its name; None where it cannot be known."""
    return SIGNALS[name].measure(value)


def _shares(value: Text | Candidates) -> Mapping[str, float] | None:
    if isinstance(value, Text):
        return value.tally or None
    votes = Counter(text.answer for text in value.texts if text.answer is not None)
    return {answer: count / votes.total() for answer, count in votes.items()}


_ONE = frozenset({Port.TEXT})
_ANY = frozenset({Port.TEXT, Port.CANDIDATES})
_LOGPROBS = frozenset({"logprobs"})

SIGNALS: dict[str, SignalKind] = {
    kind.name: kind
    for kind in (
        SignalKind("confidence", confidence, _ONE, _LOGPROBS),
        SignalKind("agreement", agreement, _ANY, votes=True),
        SignalKind("margin", margin, _ANY, votes=True),
        SignalKind("entropy", entropy, _ANY, votes=True),
        SignalKind("length", length, _ONE),
        SignalKind("mean_logprob", mean_logprob, _ONE, _LOGPROBS),
        SignalKind("min_logprob", min_logprob, _ONE, _LOGPROBS),
        SignalKind("answered", answered, _ANY),
    )
}
"""Every signal that a rule may name."""
