"""The inputs of estimators, their training labels, and their predictions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Self, TypeVar

from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from composer.values import Model, TypicalityRank
    from composer.values.card import Price

    Floats = NDArray[np.floating]
    Array = TypeVar("Array", Floats, Tensor)

Asked = tuple[str, tuple[str, ...]]
"""A question as estimators see it: its text, and its tags, such as the subject."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the branches, or members, that a `route` decides among.

    `aliases` are the other names under which data files may know it. `model` is None where a
    branch is more than a model. `price` is in dollars per million tokens read and written, and
    `recorded_cost` the mean dollars of its recorded answers; both are None where not known.
    """

    name: str
    aliases: tuple[str, ...] = ()
    model: Model | None = None
    price: Price = None
    recorded_cost: float | None = None

    @property
    def dollars(self) -> float:
        """What an answer costs as far as the recipe tells, NaN where it does not.

        That is the mean of the recorded answers, else the price of 500 tokens read and 500 written.
        """
        if self.recorded_cost is not None:
            return self.recorded_cost
        return math.nan if self.price is None else 500 * sum(self.price) / 1e6

    @property
    def known_as(self) -> tuple[str, ...]:
        """All names of the choice, its own first."""
        return (self.name, *self.aliases)


@dataclass(frozen=True, slots=True)
class Estimates:
    """A quality for each choice, greater is better, and in words how it was found.

    `spread` is each quality's standard deviation and `cost` what each answer would cost in
    dollars, empty where not known. `answered` are the places of the choices that have answered, in
    a cascade: their answers cost nothing more. `expected_best` is how good the best answer of some
    choices will be once all of them have answered, for sets with all that have and more; empty
    where answers tell nothing of others. `typicality` says how typical the query is of what
    the estimator learnt from, None where it learnt nothing or keeps no such measure.
    """

    quality: tuple[float, ...]
    because: str = ""
    spread: tuple[float, ...] = ()
    cost: tuple[float, ...] = ()
    typicality: TypicalityRank | None = None
    answered: frozenset[int] = frozenset()
    expected_best: Mapping[frozenset[int], float] = field(
        default_factory=lambda: MappingProxyType({})
    )


@dataclass(frozen=True, eq=False)
class Labels:
    """What is learnt from: n queries and the recorded outcomes of m choices.

    `quality`, `cost` (dollars) and `tokens` are [n, m], NaN where unknown. `graded` names the
    choices whose quality is a score, not right (1) or wrong (0). `digest` names the content.
    """

    queries: tuple[str, ...]
    tags: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    quality: Floats
    cost: Floats
    tokens: Floats
    graded: frozenset[str] = frozenset()
    digest: str = ""

    @property
    def asked(self) -> tuple[Asked, ...]:
        """The queries with their tags, as `predict` takes them."""
        return tuple(zip(self.queries, self.tags, strict=True))

    def take(self, rows: Sequence[int] | NDArray[np.intp]) -> Labels:
        """Return some of the rows, in the order asked for."""
        import hashlib

        some = np.asarray(rows, dtype=np.intp)
        return replace(
            self,
            queries=tuple(self.queries[row] for row in some),
            tags=tuple(self.tags[row] for row in some),
            quality=self.quality[some],
            cost=self.cost[some],
            tokens=self.tokens[some],
            digest=hashlib.sha256(self.digest.encode() + some.tobytes()).hexdigest(),
        )


@dataclass(frozen=True, eq=False)
class Predictions:
    """What is expected of each of n queries from each of m choices.

    `mean` [n, m] is the quality, `spread` [n, m] its standard deviation (NaN unknown), `cost`
    [n, m] dollars, None where the estimator knows nothing of cost.
    """

    mean: Floats
    spread: Floats
    cost: Floats | None = None

    @classmethod
    def of(cls, mean: Floats, spread: Floats | None = None, cost: Floats | None = None) -> Self:
        """Return predictions whose spread may be unknown."""
        return cls(mean, np.full_like(mean, np.nan) if spread is None else spread, cost)


def as_estimates(predictions: Predictions, because: str = "") -> list[Estimates]:
    """Return predictions as policies take them, a value a query."""
    mean, spread = predictions.mean.tolist(), predictions.spread.tolist()
    cost = [()] * len(mean) if predictions.cost is None else predictions.cost.tolist()
    rows = zip(mean, spread, cost, strict=True)
    return [Estimates(tuple(q), because, tuple(s), tuple(c)) for q, s, c in rows]
