"""How a vote is counted: from the answers to a share for each candidate."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from composer.methods.agreement import Agreement
from composer.values import Typed

_SAME = 0.5
_CLOSE = 1e-12

Answers = Sequence[str | None]
"""The candidates' answers in order; None abstains."""

Groups = tuple[tuple[int, ...], ...]
"""The candidates that gave one answer, for each different answer in order of appearance."""


@dataclass(frozen=True, slots=True)
class Shares:
    """The outcome of a count.

    `shares` is what each candidate is compared by, 0 for those that abstain; `masses` is the part
    of all votes that each group has, together 1.
    """

    shares: tuple[float, ...]
    groups: Groups
    masses: tuple[float, ...]

    def leaders(self) -> Groups:
        """Return the groups whose candidates have the largest share: more than one is a tie."""
        best = max((self.shares[group[0]] for group in self.groups), default=0.0)
        return tuple(group for group in self.groups if self.shares[group[0]] >= best - _CLOSE)

    def tally(self, answers: Answers) -> dict[str, float]:
        """Return each different answer's part of the votes, as first written, the largest first."""
        each = zip(self.groups, self.masses, strict=True)
        masses = [(str(answers[group[0]]), mass) for group, mass in each]
        return dict(sorted(masses, key=lambda item: -item[1]))


class Reduction(Typed):
    """How a vote is counted."""

    @abstractmethod
    def shares(self, answers: Answers, weights: Sequence[float], by: Agreement) -> Shares:
        """Count the votes, each with its weight. Abstentions (None) do not vote."""


class Count(Reduction):
    """Plurality: the share of an answer is the weight of its votes over that of all votes.

    Two answers are the same if their keys are (see `Agreement.key`). If agreement is a matter of
    degree, they are the same if they agree by one half or more with the first answer of their
    group.
    """

    name: ClassVar[str] = "count"
    paper: ClassVar[str] = "arXiv:2203.11171"

    def shares(self, answers: Answers, weights: Sequence[float], by: Agreement) -> Shares:
        """Return sum of w over the group / sum of w over all that answer."""
        groups = _group(answers, by)
        sums = [sum(weights[index] for index in group) for group in groups]
        masses = _parts(sums)
        shares = [0.0] * len(answers)
        for group, mass in zip(groups, masses, strict=True):
            for index in group:
                shares[index] = mass
        return Shares(tuple(shares), groups, masses)


class Medoid(Reduction):
    """The answer closest to all others: the largest summed similarity wins (Agent-Forest).

    score_i = sum over j != i of w_j same(a_i, a_j), divided by the sum of all scores.
    """

    name: ClassVar[str] = "medoid"
    paper: ClassVar[str] = "arXiv:2402.05120"

    def shares(self, answers: Answers, weights: Sequence[float], by: Agreement) -> Shares:
        """Return the scores' parts; equal ones if no two answers have anything in common."""
        voters = [(index, text) for index, text in enumerate(answers) if text is not None]
        scores = _parts(
            [
                sum(weights[j] * by.agreed(text, other) for j, other in voters if j != i)
                for i, text in voters
            ]
        )
        shares = [0.0] * len(answers)
        for (index, _), score in zip(voters, scores, strict=True):
            shares[index] = score
        groups = _identical(answers)
        masses = tuple(sum(shares[index] for index in group) for group in groups)
        return Shares(tuple(shares), groups, masses)


def _parts(sums: Sequence[float]) -> tuple[float, ...]:
    total = sum(sums)
    return tuple(value / total if total else 1 / len(sums) for value in sums)


def _group(answers: Answers, by: Agreement) -> Groups:
    groups: dict[str, list[int]] = {}
    for index, text in enumerate(answers):
        if text is None:
            continue
        key = by.key(text)
        if key is None:
            alike = (first for first in groups if by.agreed(text, first) >= _SAME)
            key = next(alike, text)
        groups.setdefault(key, []).append(index)
    return tuple(tuple(group) for group in groups.values())


def _identical(answers: Answers) -> Groups:
    groups: dict[str, list[int]] = {}
    for index, text in enumerate(answers):
        if text is not None:
            groups.setdefault(text, []).append(index)
    return tuple(tuple(group) for group in groups.values())
