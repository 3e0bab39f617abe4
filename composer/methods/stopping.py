"""When a vote stops asking: how many of those who wait to vote are asked next."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from composer.values import Text, Typed

_SLACK = 1e-9
"""The part of all votes by which a lead must be clear, so that rounding cannot make it a tie."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A vote that is under way.

    `sums` are the votes of each answer so far, `votes` those of all that were asked, were they of
    one mind. `waiting` is what each one that is not asked yet can change a lead by, in the order in
    which they are asked. `texts` are the answers so far, with those that abstain.
    """

    sums: tuple[float, ...]
    waiting: tuple[float, ...]
    votes: float = 0.0
    texts: Sequence[Text] = ()

    @property
    def decided(self) -> bool:
        """Whether no vote that is still to come can change who wins, or make a tie."""
        first, second, *_ = (*sorted(self.sums, reverse=True), 0.0, 0.0)
        second, rest = max(second, 0.0), sum(self.waiting)
        return first - second - rest > _SLACK * (first + second + rest)

    def if_all_agree(self, count: int) -> "Standing":
        """Return what it will be if the next `count` vote for the answer that leads."""
        first, *others = (*sorted(self.sums, reverse=True), 0.0)
        gained = first + sum(self.waiting[:count])
        return Standing((gained, *others), self.waiting[count:])


class Stopping(Typed):
    """When a vote stops asking."""

    @abstractmethod
    def next(self, standing: Standing) -> int:
        """Return how many of those who wait are asked next, side by side; 0: nobody any more."""


class Decided(Stopping):
    """The vote stops when no vote that is still to come can change who wins, or make a tie.

    Members are asked in order. Side by side are asked as many as must be asked in any case, and at
    least `batch`: a larger batch takes fewer turns, and may ask some for nothing.
    """

    name: ClassVar[str] = "decided"

    batch: int = Field(default=1, ge=1)

    def next(self, standing: Standing) -> int:
        """Return the least number of votes after which the vote may be decided."""
        if standing.decided:
            return 0
        waiting = len(standing.waiting)
        enough = (n for n in range(1, waiting) if standing.if_all_agree(n).decided)
        return min(waiting, max(next(enough, waiting), self.batch))
