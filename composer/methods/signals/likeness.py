"""Signals of how alike the answers of a vote were, and of how many supported the winner."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, ClassVar, Literal

from composer.heavy import np
from composer.methods.agreements.base import COMPARISON, Comparison
from composer.methods.signals.base import SHARE, Signal
from composer.values import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.values import Candidates


class Support(Signal):
    """Share of all answers of the vote that gave the winning one; those that abstain count too.

    So a vote in which most abstain has little support (mixture of thoughts). Weights do not count.
    """

    name: ClassVar[str] = "support"
    paper: ClassVar[str] = "arXiv:2310.03094"
    limits: ClassVar[tuple[float, float]] = SHARE
    votes: ClassVar[bool] = True

    def measure(self, answer: Text | Candidates) -> float | None:
        """Return the share of the winner's group."""
        comparison = _comparison(answer)
        if comparison is None or not isinstance(answer, Text):
            return None
        voices = (group for group in comparison.groups if _gave(comparison, group, answer.answer))
        return max(map(len, voices), default=0) / len(comparison.answers)


class Likeness(Signal):
    """How much the answers of the vote agreed by its `by`: on average, or `of = "least"` of pairs.

    One answer alone has 1.
    """

    name: ClassVar[str] = "likeness"
    limits: ClassVar[tuple[float, float]] = SHARE
    votes: ClassVar[bool] = True

    of: Literal["mean", "least"] = "mean"

    def measure(self, answer: Text | Candidates) -> float | None:
        """Return the mean or the least agreement of two answers."""
        comparison = _comparison(answer)
        if comparison is None:
            return None
        pairs = [comparison.same(i, j) for i, j in permutations(comparison.voters, 2)]
        if not pairs:
            return 1.0
        return min(pairs) if self.of == "least" else sum(pairs) / len(pairs)


class ConsensusEntropy(Signal):
    """Entropy of the answers of the vote, in nats, where they agree by degrees.

    It is that of the eigenvalues of S / n, where S holds how much each two of n answers agree: 0
    where all say the same, ln n where no two have anything in common, and the entropy of the groups
    where answers agree wholly or not at all (von Neumann entropy).
    """

    name: ClassVar[str] = "consensus_entropy"
    limits: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    votes: ClassVar[bool] = True

    def measure(self, answer: Text | Candidates) -> float | None:
        """Return the entropy."""
        comparison = _comparison(answer)
        if comparison is None:
            return None
        voters = comparison.voters
        rows = [[1.0 if i == j else comparison.same(i, j) for j in voters] for i in voters]
        alike = np.array(rows)
        shares = np.linalg.eigvalsh((alike + alike.T) / (2 * len(voters))).clip(0.0)
        shares = shares[shares > 0] / shares.sum()
        return max(0.0, -float(shares @ np.log(shares)))


def _gave(comparison: Comparison, group: Sequence[int], answer: str | None) -> bool:
    return any(comparison.answers[at] == answer for at in group)


def _comparison(answer: Text | Candidates) -> Comparison | None:
    comparison = answer.facts.get(COMPARISON) if isinstance(answer, Text) else None
    return comparison if isinstance(comparison, Comparison) and comparison.voters else None
