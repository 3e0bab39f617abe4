"""Which candidates a judge is shown together, and what its verdicts say of each.

Candidates are named by their places. The results of a judge are, for each candidate, the numbers
that its verdicts gave it: none where no verdict could be read.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from statistics import fmean, pvariance
from typing import TYPE_CHECKING, Literal, TypeAlias

from composer.values.gather import side_by_side

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = [
    "TIE",
    "Across",
    "Match",
    "Pairs",
    "Results",
    "across",
    "all_pairs",
    "bubble",
    "one_score",
    "windows",
]

TIE = 0.5

Results: TypeAlias = tuple[tuple[float, ...], ...]
"""What the verdicts of one judge gave each candidate."""

Pairs: TypeAlias = Literal["mean", "copeland"]
"""What a candidate has of a pair: its share of the two verdicts, or the win."""

Across: TypeAlias = Literal["mean", "minimum", "penalized"]
"""How the scores of several judges become one."""


@dataclass(frozen=True, slots=True)
class Match:
    """Two candidates that were compared, in both orders.

    `share` is what the first one has of the two verdicts: 1 for two wins, 0 for two defeats, 1/2
    where the verdict changes with the order. None: one of the verdicts could not be read.
    """

    first: int
    second: int
    share: float | None
    flipped: bool = False


Compare: TypeAlias = "Callable[[int, int], Awaitable[Match]]"


async def all_pairs(count: int, compare: Compare, reduce: Pairs) -> Results:
    """Compare every two candidates, all at once. A lone candidate has a tie."""
    if count == 1:
        return ((TIE,),)
    pairs = itertools.combinations(range(count), 2)
    results: list[list[float]] = [[] for _ in range(count)]
    for match in await side_by_side(compare(*pair) for pair in pairs):
        if match.share is not None:
            share = match.share
            if reduce == "copeland" and share != TIE:
                share = float(share > TIE)
            results[match.first].append(share)
            results[match.second].append(1 - share)
    return tuple(map(tuple, results))


async def bubble(order: Sequence[int], compare: Compare) -> Results:
    """Compare the best so far with the next one of an order: a match less than candidates.

    A result is the place in the order that the matches give, from 0 (last) to 1; equals have one
    place. Only the first place is sure: those that lost are not compared further. Of two whose
    match cannot be read, the one of which nothing is known leaves the order.
    """
    best, *others = order
    levels, known = [[best]], not others
    for challenger in others:
        share = (await compare(best, challenger)).share
        if share is None:
            if not known:
                levels, best = [[challenger]], challenger
            continue
        known = True
        if share == TIE:
            levels[-1].append(challenger)
        elif share > TIE:
            levels.insert(-1, [challenger])
        else:
            levels.append([challenger])
            best = challenger
    results: list[tuple[float, ...]] = [()] * len(order)
    highest = len(levels) - 1
    for at, level in enumerate(levels if known else ()):
        for candidate in level:
            results[candidate] = (at / highest if highest else TIE,)
    return tuple(results)


def windows(order: Sequence[int], size: int, *, flips: bool) -> list[tuple[int, ...]]:
    """Return every `size` neighbours of a circle, and with `flips` their reversals, each once.

    With 4 candidates and a size of 3 that is 8 windows, and each candidate is in 6 of them.
    """
    count = len(order)
    size = min(size, count)
    around = [
        tuple(order[(start + step) % count] for step in range(size)) for start in range(count)
    ]
    return list(dict.fromkeys(around + [each[::-1] for each in around if flips]))


def across(judges: Sequence[Results], how: Across, c: float) -> tuple[float, ...]:
    """Return one score for each candidate from the results of all judges, NaN where there are none.

    The score of a judge is the mean of its results; over the judges the mean is taken, the minimum,
    or the mean - c variance. A judge without a result for a candidate does not count for it.
    """
    columns = ([fmean(each) for each in column if each] for column in zip(*judges, strict=True))
    return tuple(one_score(column, how, c) if column else math.nan for column in columns)


def one_score(scores: Sequence[float], how: Across, c: float) -> float:
    """Return what scores come to: their mean, the least, or the mean - c variance."""
    if how == "minimum":
        return min(scores)
    return fmean(scores) - (c * pvariance(scores) if how == "penalized" else 0.0)
