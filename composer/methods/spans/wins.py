"""How often each member's proposal was found better than another member's, in one round."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.engine.sessions.span_parts import ScoredRound

__all__ = ["win_rates"]


def win_rates(round_: ScoredRound) -> dict[int, float]:
    """Return the win rate of each member that took part, in [0, 1], by its place.

    All members but the member itself compare its proposal with that of each other member: the
    greater score wins, and equal scores are half a win for both. A member with several proposals
    has its best one compared. A comparison without both scores does not count; a member without
    any comparison has no rate.
    """
    rates: dict[int, float] = {}
    for place in round_.members:
        wins = list(_comparisons(round_, place))
        if wins:
            rates[place] = sum(wins) / len(wins)
    return rates


def _comparisons(round_: ScoredRound, place: int) -> Iterator[float]:
    own = _proposal(round_, place)
    for judge, scores in zip(round_.members, round_.scores, strict=True):
        for rival in round_.members:
            if place in (judge, rival):
                continue
            mine, other = scores[own], scores[_proposal(round_, rival)]
            if mine is not None and other is not None:
                yield 0.5 if mine == other else float(mine > other)


def _proposal(round_: ScoredRound, place: int) -> int:
    """Return the number of a member's best candidate."""
    own = [n for n, proposers in enumerate(round_.proposers) if place in proposers]
    return max(own, key=round_.totals.__getitem__)
