"""Signals that are read off what a step already has, without asking anybody."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

from composer.methods.scorers.basic import SCORE
from composer.methods.signals.base import LOGPROBS, SHARE, Signal
from composer.values import Candidates, Port, Text

ANY = frozenset({Port.TEXT, Port.CANDIDATES})


class Confidence(Signal):
    """Geometric mean probability of the answer's tokens."""

    name: ClassVar[str] = "confidence"
    limits: ClassVar[tuple[float, float]] = SHARE
    needs: ClassVar[frozenset[str]] = LOGPROBS

    def measure(self, answer: Text | Candidates) -> float | None:
        """Return the answer's own."""
        return answer.confidence if isinstance(answer, Text) else None


class Agreed(Signal):
    """Share of votes of the winning answer; before a vote, that of the most frequent answer."""

    name: ClassVar[str] = "agreement"
    limits: ClassVar[tuple[float, float]] = SHARE
    ports: ClassVar[frozenset[Port]] = ANY
    votes: ClassVar[bool] = True

    def measure(self, answer: Text | Candidates) -> float | None:
        """Return the winner's share."""
        shares = _shares(answer)
        if shares is None:
            return None
        winner = answer.answer if isinstance(answer, Text) else None
        return shares.get(winner or "", max(shares.values(), default=0.0))


class Margin(Signal):
    """Difference between the largest and the second largest share of votes."""

    name: ClassVar[str] = "margin"
    limits: ClassVar[tuple[float, float]] = SHARE
    ports: ClassVar[frozenset[Port]] = ANY
    votes: ClassVar[bool] = True

    def measure(self, answer: Text | Candidates) -> float | None:
        """Return the lead."""
        shares = _shares(answer)
        if shares is None:
            return None
        first, second, *_ = [*sorted(shares.values(), reverse=True), 0.0, 0.0]
        return first - second


class Entropy(Signal):
    """Entropy of the shares of votes, -sum p ln p, in nats."""

    name: ClassVar[str] = "entropy"
    limits: ClassVar[tuple[float, float]] = (0.0, math.inf)
    ports: ClassVar[frozenset[Port]] = ANY
    votes: ClassVar[bool] = True

    def measure(self, answer: Text | Candidates) -> float | None:
        """Return the entropy."""
        shares = _shares(answer)
        if not shares:
            return None
        return max(0.0, -math.fsum(p * math.log(p) for p in shares.values() if p > 0))


class Characters(Signal):
    """Characters of the answer."""

    name: ClassVar[str] = "length"
    limits: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def measure(self, answer: Text | Candidates) -> float | None:
        """Count them."""
        return float(len(answer.text)) if isinstance(answer, Text) else None


class Score(Signal):
    """Score by which a ranking kept the answer, such as how likely it is right by `forest`."""

    name: ClassVar[str] = "score"
    ranked: ClassVar[bool] = True

    def measure(self, answer: Text | Candidates) -> float | None:
        """Return the score."""
        return answer.facts.get(SCORE) if isinstance(answer, Text) else None


class Answered(Signal):
    """1 if a value was read from the answer, else 0; of several answers, the share with a value."""

    name: ClassVar[str] = "answered"
    limits: ClassVar[tuple[float, float]] = SHARE
    ports: ClassVar[frozenset[Port]] = ANY

    def measure(self, answer: Text | Candidates) -> float | None:
        """Count those that answer."""
        texts = (answer,) if isinstance(answer, Text) else answer.texts
        return sum(text.answer is not None for text in texts) / len(texts) if texts else 0.0


def _shares(value: Text | Candidates) -> Mapping[str, float] | None:
    if isinstance(value, Text):
        return value.tally or None
    votes = Counter(text.answer for text in value.texts if text.answer is not None)
    return {answer: count / votes.total() for answer, count in votes.items()}
