"""How the lists of several candidates become one: by union, or by the ranks of their items.

Items are numbers here: the different items of all lists, in order of appearance.
"""

import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from itertools import chain, permutations
from typing import ClassVar

from pydantic import Field, model_validator

from composer.methods.mistakes import PartError
from composer.values import Typed

Lists = Sequence[Sequence[int]]
"""The items of each candidate, in its order, each once."""

_EXACT = 12
"""So many items have so few orders that the best one can be found."""


class Aggregation(Typed):
    """How several lists become one."""

    @abstractmethod
    def order(self, lists: Lists, count: int) -> list[int]:
        """Return the items of the joint list, of `count` different ones, in its order."""


class Union(Aggregation):
    """The items that are in at least `least` of the lists, in order of appearance.

    `share` demands a part of the lists instead, such as one half: `union(share = 0.5)`.
    """

    name: ClassVar[str] = "union"

    least: int = Field(default=1, ge=1)
    share: float | None = Field(default=None, gt=0, le=1)

    @model_validator(mode="after")
    def _one_of_them(self) -> "Union":
        if self.share is not None and "least" in self.model_fields_set:
            raise ValueError("give `least` or `share`, not both")
        return self

    def order(self, lists: Lists, count: int) -> list[int]:
        """Return those that enough lists have."""
        least = self.least if self.share is None else math.ceil(self.share * len(lists) - 1e-9)
        has = Counter(chain.from_iterable(lists))
        return [item for item in range(count) if has[item] >= least]


class Borda(Aggregation):
    """The items by their points: of n different items, the first of a list has n - 1, and so on.

    The items that a list does not have share the points that are left of it.
    """

    name: ClassVar[str] = "borda"
    paper: ClassVar[str] = "https://doi.org/10.1145/371920.372165"

    def order(self, lists: Lists, count: int) -> list[int]:
        """Return all items, those with most points first; equal ones in order of appearance."""
        points = [0.0] * count
        for each in lists:
            rest = (count - 1 - len(each)) / 2
            ranks = {item: rank for rank, item in enumerate(each)}
            for item in range(count):
                points[item] += count - 1 - ranks[item] if item in ranks else rest
        return sorted(range(count), key=lambda item: -points[item])


class Reciprocal(Aggregation):
    """Reciprocal rank fusion: the items by the sum of 1 / (k + rank), with ranks from 1.

    A list that does not have an item adds nothing, so that short lists need no guess.
    """

    name: ClassVar[str] = "reciprocal"
    paper: ClassVar[str] = "https://doi.org/10.1145/1571941.1572114"

    k: float = Field(default=60.0, ge=0)

    def order(self, lists: Lists, count: int) -> list[int]:
        """Return all items, those with the largest sum first; equal ones as they appeared."""
        sums: list[list[float]] = [[] for _ in range(count)]
        for each in lists:
            for rank, item in enumerate(each, 1):
                sums[item].append(1 / (self.k + rank))
        return sorted(range(count), key=lambda item: -math.fsum(sums[item]))


class Kemeny(Aggregation):
    """The order with the fewest disagreements: pairs that a list has the other way round.

    An item that a list has stands before all that it has not. It is found exactly, for at most
    twelve different items; of equal orders, the one nearest to Borda's is taken.
    """

    name: ClassVar[str] = "kemeny"
    paper: ClassVar[str] = "https://doi.org/10.1145/371920.372165"

    def order(self, lists: Lists, count: int) -> list[int]:
        """Return all items; raises PartError (E726) for more than twelve."""
        if count > _EXACT:
            raise PartError(
                "E726",
                f"`kemeny` orders at most {_EXACT} different items, and these lists have {count}",
                "use `borda()` or `reciprocal()`, or let the models write shorter lists",
            )
        items = Borda().order(lists, count)
        against = _against(lists, items)
        best: dict[int, tuple[int, tuple[int, ...]]] = {0: (0, ())}
        for _ in items:
            longer: dict[int, tuple[int, tuple[int, ...]]] = {}
            for taken, (cost, order) in best.items():
                for at in range(count):
                    if taken >> at & 1:
                        continue
                    more = sum(against[at][j] for j in range(count) if not taken >> j & 1)
                    option = (cost + more, (*order, at))
                    key = taken | 1 << at
                    longer[key] = min(longer.get(key, option), option)
            best = longer
        ((_, places),) = best.values()
        return [items[place] for place in places]


def _against(lists: Lists, items: Sequence[int]) -> list[list[int]]:
    """Return for places i, j how many lists have the item at j before the one at i."""
    against = [[0] * len(items) for _ in items]
    for each in lists:
        ranks = {item: rank for rank, item in enumerate(each)}
        for i, j in permutations(range(len(items)), 2):
            mine, other = ranks.get(items[i], len(each)), ranks.get(items[j], len(each))
            against[i][j] += other < mine
    return against
