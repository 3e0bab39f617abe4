"""When members that no longer help are not asked, and when they are asked again."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.engine.sessions.span_parts import Exit
from composer.methods.spans.wins import win_rates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.sessions.span_parts import Exits, ScoredRound

__all__ = ["LowShare"]


class LowShare(Exit):
    """A member whose share of all wins falls below a limit rests; later it is asked once more.

    A member's wins are the mean of its win rates in the last `over` rounds in which it took part
    (`win_rates`), its share is their part of the sum over the members of a round. Nobody rests
    before it took part in `over` rounds, and the member with the largest share never does. A member
    that rests is neither asked to propose nor to score. After `again` rounds it takes part once
    more, and stays if its share is large enough then; with `again = 0` it never returns.
    """

    name: ClassVar[str] = "low_share"
    paper: ClassVar[str] = "arXiv:2412.07380"

    below: float = Field(default=0.1, ge=0, le=1)
    over: int = Field(default=4, ge=1)
    again: int = Field(default=8, ge=0)

    def start(self, weights: Sequence[float]) -> Exits:
        """Start with all members."""
        return _Resting(self, len(weights))


class _Resting:
    """Who rests while one answer is written: the rounds that are left to each, 0 for nobody."""

    def __init__(self, part: LowShare, count: int) -> None:
        self._part = part
        self._rates: list[deque[float]] = [deque(maxlen=part.over) for _ in range(count)]
        self._rests: list[float] = [0] * count

    def active(self) -> Sequence[bool]:
        """Say who does not rest."""
        return [not rest for rest in self._rests]

    def learn(self, round_: ScoredRound) -> None:
        """Count a round, and let those rest whose share is too small."""
        self._rests = [max(0, rest - 1) for rest in self._rests]
        for place, rate in win_rates(round_).items():
            self._rates[place].append(rate)
        wins = {
            place: sum(rates) / len(rates)
            for place in round_.members
            if (rates := self._rates[place])
        }
        total = sum(wins.values())
        for place in sorted(wins, key=wins.__getitem__)[:-1]:
            ripe = len(self._rates[place]) == self._part.over
            if ripe and wins[place] < self._part.below * total:
                self._rests[place] = self._part.again or float("inf")
