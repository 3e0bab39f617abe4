"""Votes that score each candidate by its agreement with every other, for answers that are no keys.

Where agreement is all or nothing, all of them but `minimum` choose as a plain vote does.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.methods.reductions.base import Reduction, Shares, parts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.agreements.base import Comparison
    from composer.methods.reductions.base import Ballot

_HALF = 0.5


class Scored(Reduction):
    """A score for each candidate from its agreement with the others; the greatest wins."""

    def shares(self, ballots: Sequence[Ballot], comparison: Comparison) -> Shares:
        """Return the scores, and as masses their parts above the least; alone, a candidate has 1.

        Candidates whose answers are written alike are one group.
        """
        voters = comparison.voters
        scores = dict(zip(voters, self.scores(ballots, comparison), strict=True))
        shares = [scores.get(at, 0.0) for at in range(len(ballots))]
        groups = comparison.identical
        least = min(scores.values(), default=0.0)
        masses = parts_of([sum(scores[at] - min(least, 0.0) for at in each) for each in groups])
        named = tuple((ballots[at].name or str(at), score) for at, score in scores.items())
        return Shares(tuple(shares), groups, masses, (("scores", dict(named)),))

    @abstractmethod
    def scores(self, ballots: Sequence[Ballot], comparison: Comparison) -> Sequence[float]:
        """Return the score of each candidate that answers, in the order of `comparison.voters`."""


class Mean(Scored):
    """The greatest mean agreement with the others, weighted by their votes."""

    name: ClassVar[str] = "mean"

    def scores(self, ballots: Sequence[Ballot], comparison: Comparison) -> Sequence[float]:
        """Return sum of w_j same(a_i, a_j) / sum of w_j over all j but i."""
        return [mean for mean, _ in _moments(ballots, comparison)]


class Minimum(Scored):
    """The greatest agreement with whom a candidate agrees least: the cautious choice.

    A reward ensemble takes the worst reward in the same way (WCO). One answer that has nothing in
    common with the others makes all equal, so this is for texts with degrees of agreement.
    """

    name: ClassVar[str] = "minimum"
    paper: ClassVar[str] = "arXiv:2310.02743"

    def scores(self, ballots: Sequence[Ballot], comparison: Comparison) -> Sequence[float]:
        """Return the least same(a_i, a_j) over all j but i."""
        del ballots
        return [min(_others(comparison, i), default=1.0) for i in comparison.voters]


class Penalized(Scored):
    """Mean agreement with the others less `c` times its variance (UWO of reward ensembles)."""

    name: ClassVar[str] = "penalized"
    paper: ClassVar[str] = "arXiv:2310.02743"

    c: float = Field(default=0.5, ge=0)

    def scores(self, ballots: Sequence[Ballot], comparison: Comparison) -> Sequence[float]:
        """Return the weighted mean - c x the weighted variance of same(a_i, a_j)."""
        return [mean - self.c * variance for mean, variance in _moments(ballots, comparison)]


class Copeland(Scored):
    """The candidate that wins most duels: each voter prefers the one closer to its own answer.

    A candidate has 1 for each other that it beats by the weight of the voters, and 1/2 for a draw,
    divided by the number of duels.
    """

    name: ClassVar[str] = "copeland"
    paper: ClassVar[str] = "arXiv:1401.2353"

    def scores(self, ballots: Sequence[Ballot], comparison: Comparison) -> Sequence[float]:
        """Return the part of its duels that each candidate wins."""
        voters = comparison.voters
        near = {i: [comparison.same(v, i) if v != i else 1.0 for v in voters] for i in voters}
        weights = [ballots[v].weight for v in voters]
        return [
            sum(_won(near[i], near[j], weights) for j in voters if j != i) / (len(voters) - 1)
            if len(voters) > 1
            else 1.0
            for i in voters
        ]


def _won(mine: Sequence[float], other: Sequence[float], weights: Sequence[float]) -> float:
    """Return 1 where more weight is nearer to mine, 0 where to the other, 1/2 in between."""
    lead = math.fsum(
        weight * ((a > b) - (a < b)) for a, b, weight in zip(mine, other, weights, strict=True)
    )
    return _HALF * (1 + (lead > 0) - (lead < 0))


def _others(comparison: Comparison, at: int) -> list[float]:
    return [comparison.same(at, j) for j in comparison.voters if j != at]


def _moments(ballots: Sequence[Ballot], comparison: Comparison) -> list[tuple[float, float]]:
    """Return the weighted mean and variance of each candidate's agreement with the others."""
    moments = []
    for i in comparison.voters:
        weights = [ballots[j].weight for j in comparison.voters if j != i]
        values, total = _others(comparison, i), math.fsum(weights)
        if not total:
            moments.append((1.0, 0.0))
            continue
        pairs = list(zip(weights, values, strict=True))
        mean = math.fsum(w * value for w, value in pairs) / total
        moments.append((mean, math.fsum(w * (value - mean) ** 2 for w, value in pairs) / total))
    return moments
