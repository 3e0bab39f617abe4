"""How answers are compared in pairs, from 0 (nothing in common) to 1 (the same)."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from composer import metrics
from composer.metrics.numbers import canonical, plain_number
from composer.values import Asker, Query, Typed
from composer.values.finite import finite

SAME = 0.5
"""A count takes answers as the same from this agreement on."""

Answers = Sequence[str | None]
"""The candidates' answers in order; None abstains."""

Groups = tuple[tuple[int, ...], ...]
"""The candidates that gave one answer, for each different answer in order of appearance."""

Matrix = tuple[tuple[float, ...], ...]
"""How much each text agrees with each other: the row of a text holds `same(text, other)`."""

COMPARISON = "comparison"
"""The fact under which the winner of a vote keeps how all answers were compared."""


class Agreement(Typed):
    """How much one answer agrees with another."""

    @abstractmethod
    def same(self, left: str, right: str) -> float:
        """Return how much `left` agrees with `right`, between 0 and 1."""

    def agreed(self, left: str, right: str) -> float:
        """Return the same, 0 where that is no number."""
        return finite(self.same(left, right)) or 0.0

    def key(self, text: str) -> str | None:
        """Return what all answers that agree with this one share, so that votes can be counted.

        None: agreement is a matter of degree here, and answers must be compared in pairs.
        """
        del text
        return None

    def matrix(self, texts: Sequence[str]) -> Matrix | None:
        """Return how much each text agrees with each other, for an agreement that is quicker so.

        None: pairs are compared one by one, those that are wanted.
        """
        del texts
        return None

    async def compare(self, answers: Answers, query: Query, ask: Asker) -> "Comparison":
        """Compare the answers to a query; one that asks a model for that overrides this."""
        del query, ask
        return Comparison(self, answers)


def _by_texts_alone(by: Agreement) -> Agreement:
    """Return the agreement; raises ValueError for one that asks a model or runs programs."""
    if type(by).compare is not Agreement.compare:
        raise ValueError(
            f"`{by.name}` asks a model or runs programs, and a fit compares answers by their texts "
            "alone; use another agreement, such as `exact()`, `f1()` or `cosine()`"
        )
    return by


TextAgreement = Annotated[Agreement, AfterValidator(_by_texts_alone)]
"""An agreement that needs only the texts of two answers: it can be used in a fit."""


class Comparison:
    """How much the answers to one query agree, worked out when it is first asked for.

    Candidates are named by their places; those that abstain are in no group and in no pair.
    """

    def __init__(self, by: Agreement, answers: Answers, matrix: Matrix | None = None) -> None:
        self.by, self.answers = by, answers
        self._matrix = matrix

    @cached_property
    def voters(self) -> tuple[int, ...]:
        """The candidates that have an answer."""
        return tuple(at for at, answer in enumerate(self.answers) if answer is not None)

    @cached_property
    def keys(self) -> tuple[str, ...] | None:
        """The keys of the voters' answers, None where agreement is a matter of degree."""
        if self._matrix is not None:
            return None
        keys = [self.by.key(str(self.answers[at])) for at in self.voters]
        exact = tuple(key for key in keys if key is not None)
        return exact if len(exact) == len(keys) else None

    @cached_property
    def _pairs(self) -> dict[tuple[int, int], float]:
        texts = [str(self.answers[at]) for at in self.voters]
        rows = self.by.matrix(texts) if self._matrix is None else self._matrix
        each = zip(self.voters, rows or (), strict=rows is not None)
        return {(i, j): v for i, row in each for j, v in zip(self.voters, row, strict=True)}

    def same(self, left: int, right: int) -> float:
        """Return how much the answer of one candidate agrees with that of another, 0 to 1."""
        pairs = self._pairs
        if (left, right) not in pairs:
            first, second = self.answers[left], self.answers[right]
            pairs[left, right] = self.by.agreed(str(first), str(second))
        return pairs[left, right]

    @cached_property
    def groups(self) -> Groups:
        """The candidates that gave the same answer, for each answer in order of appearance.

        Two answers are the same if their keys are. Where agreement is a matter of degree, they are
        the same if they agree by one half or more with the first answer of their group.
        """
        groups: dict[object, list[int]] = {}
        for at, place in enumerate(self.voters):
            key: object = place if self.keys is None else self.keys[at]
            if self.keys is None:
                alike = (g[0] for g in groups.values() if self.same(place, g[0]) >= SAME)
                key = next(alike, place)
            groups.setdefault(key, []).append(place)
        return tuple(tuple(group) for group in groups.values())

    @cached_property
    def identical(self) -> Groups:
        """The candidates whose answers are written alike, for each in order of appearance."""
        groups: dict[str, list[int]] = {}
        for place in self.voters:
            groups.setdefault(str(self.answers[place]), []).append(place)
        return tuple(tuple(group) for group in groups.values())


class Exact(Agreement):
    """The same words: case, spacing and punctuation at the ends do not count.

    Answers that are nothing but a number are compared by value: `1,000` is `1000.0`, and `1/2` is
    `0.5`. `50%` stays apart from `0.5`, and `007` from `7`.
    """

    name: ClassVar[str] = "exact"

    def same(self, left: str, right: str) -> float:
        """Return 1 for answers that are written alike, else 0."""
        return float(self.key(left) == self.key(right))

    def key(self, text: str) -> str:
        """Return the answer in one spelling."""
        return canonical(text) or metrics.normalised(text)


class Verbatim(Agreement):
    """The same characters, such as `'a'` and `'A'` of code, which are two answers.

    Spaces at the ends count where `extract` reads them; a whole text is compared without them.
    """

    name: ClassVar[str] = "verbatim"

    def same(self, left: str, right: str) -> float:
        """Return 1 for the same characters, else 0."""
        return float(left == right)

    def key(self, text: str) -> str:
        """Return the answer as it is."""
        return text


class Numeric(Agreement):
    """The same last number, up to `tolerance`; without numbers, the same words.

    `2/3` is `0.666667` by default, and `0.6667` with `tolerance = 1e-3`. A tolerance is
    no equivalence: an answer joins the first group whose first answer it agrees with. With
    `tolerance = 0` numbers must be equal exactly, and groups do not depend on the order.
    """

    name: ClassVar[str] = "numeric"

    tolerance: float = Field(default=1e-6, ge=0)

    def same(self, left: str, right: str) -> float:
        """Return 1 where |a - b| <= tolerance x max(1, |a|, |b|), else 0."""
        if not self.tolerance:
            return float(self.key(left) == self.key(right))
        return float(metrics.numeric(left, right, tolerance=self.tolerance))

    def key(self, text: str) -> str | None:
        """Return the last number in one spelling, where numbers must be equal exactly."""
        if self.tolerance:
            return None
        return plain_number(text) or metrics.normalised(text)
