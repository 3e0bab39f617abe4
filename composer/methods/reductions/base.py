"""How a vote is counted: from the answers to a share for each candidate."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from composer.methods.agreements.base import Answers, Comparison, Groups
from composer.values import Candidates, Text, Typed

_CLOSE = 1e-12


@dataclass(frozen=True, slots=True)
class Ballot:
    """One vote: an answer, the name of the candidate that gave it, and its weight."""

    text: Text
    name: str = ""
    weight: float = 1.0

    @property
    def answer(self) -> str | None:
        """What is voted for; None abstains."""
        return self.text.answer


@dataclass(frozen=True, slots=True)
class Shares:
    """The outcome of a count.

    `shares` is what each candidate is compared by, 0 for those that abstain; `masses` is the part
    of all votes that each group has, together 1. `why` are facts for the trace, such as the weight
    that each member's vote had.
    """

    shares: tuple[float, ...]
    groups: Groups
    masses: tuple[float, ...]
    why: tuple[tuple[str, object], ...] = ()

    def leaders(self) -> Groups:
        """Return the groups whose candidates have the largest share: more than one is a tie."""
        best = max((self.shares[group[0]] for group in self.groups), default=0.0)
        return tuple(group for group in self.groups if self.shares[group[0]] >= best - _CLOSE)

    def tally(self, answers: Answers) -> dict[str, float]:
        """Return each different answer's part of the votes, as first written, the largest first."""
        each = zip(self.groups, self.masses, strict=True)
        masses = [(str(answers[group[0]]), mass) for group, mass in each]
        return dict(sorted(masses, key=lambda item: -item[1]))

    @classmethod
    def of_groups(
        cls, count: int, groups: Groups, sums: Sequence[float], **why: object
    ) -> "Shares":
        """Return the outcome of a count of `count` candidates, by what each group has."""
        masses = parts_of(sums)
        shares = [0.0] * count
        for group, mass in zip(groups, masses, strict=True):
            for index in group:
                shares[index] = mass
        return cls(tuple(shares), groups, masses, tuple(why.items()))


class Reduction(Typed):
    """How a vote is counted."""

    @abstractmethod
    def shares(self, ballots: Sequence[Ballot], comparison: Comparison) -> Shares:
        """Count the ballots, whose answers are compared. Abstentions (None) do not vote."""

    def worth(self, name: str, weight: float) -> float | None:
        """Return what the vote of a candidate adds to the answer that it gives.

        A vote may stop early if the answers with the largest sums win, and if these numbers follow
        from the candidate's name and weight. None: they do not.
        """
        del name, weight
        return None

    def values(self, candidates: Candidates, comparison: Comparison) -> tuple[float, ...]:
        """Return the share of each candidate's answer; minus infinity where it abstains."""
        pairs = zip(candidates.texts, candidates.names, strict=True)
        ballots = [Ballot(text, name) for text, name in pairs]
        shares = self.shares(ballots, comparison).shares
        return tuple(
            share if ballot.answer is not None else -math.inf
            for share, ballot in zip(shares, ballots, strict=True)
        )


class Count(Reduction):
    """Plurality: the share of an answer is the weight of its votes over that of all votes.

    Two answers are the same if their keys are (see `Agreement.key`). If agreement is a matter of
    degree, they are the same if they agree by one half or more with the first answer of their
    group.
    """

    name: ClassVar[str] = "count"
    paper: ClassVar[str] = "arXiv:2203.11171"

    def shares(self, ballots: Sequence[Ballot], comparison: Comparison) -> Shares:
        """Return sum of w over the group / sum of w over all that answer."""
        groups = comparison.groups
        sums = [sum(ballots[index].weight for index in group) for group in groups]
        return Shares.of_groups(len(ballots), groups, sums)

    def worth(self, name: str, weight: float) -> float:
        """Return the weight."""
        del name
        return weight


class Medoid(Reduction):
    """The answer closest to all others: the largest summed similarity wins (Agent-Forest).

    score_i = sum over j != i of w_j same(a_i, a_j), divided by the sum of all scores.
    """

    name: ClassVar[str] = "medoid"
    paper: ClassVar[str] = "arXiv:2402.05120"

    def shares(self, ballots: Sequence[Ballot], comparison: Comparison) -> Shares:
        """Return the scores' parts; equal ones if no two answers have anything in common."""
        voters = comparison.voters
        scores = parts_of(
            [
                sum(ballots[j].weight * comparison.same(i, j) for j in voters if j != i)
                for i in voters
            ]
        )
        shares = [0.0] * len(ballots)
        for index, score in zip(voters, scores, strict=True):
            shares[index] = score
        groups = comparison.identical
        masses = tuple(sum(shares[index] for index in group) for group in groups)
        return Shares(tuple(shares), groups, masses)


def parts_of(sums: Sequence[float]) -> tuple[float, ...]:
    """Return each value's part of the sum of all; equal parts where that is 0."""
    total = sum(sums)
    return tuple(value / total if total else 1 / len(sums) for value in sums)
