"""The answers of all members to many queries: what votes and rankings are fitted on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.methods.agreements.base import Comparison
    from composer.methods.estimators.values import Floats
    from composer.values import Candidates

_CLOSE = 1e-12


@dataclass(frozen=True, eq=False)
class AnswerRow:
    """One query with its candidates, and the quality of each, from 0 to 1; None is unknown.

    `references` are the answers that count as right, if the data have any.
    """

    candidates: Candidates
    quality: tuple[float | None, ...]
    references: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def quality_of_choice(self, values: Sequence[float]) -> float:
        """Return the mean quality of the candidates with the greatest value; unknown counts as 0.

        It is 0 where no candidate has a value above minus infinity.
        """
        best = max(values)
        pairs = zip(self.quality, values, strict=True)
        leading = [quality or 0.0 for quality, value in pairs if value >= best - _CLOSE]
        return 0.0 if best == -math.inf else sum(leading) / len(leading)

    def quality_of_member(self, name: str) -> float:
        """Return the quality of a member's answer, 0 where it is unknown or missing."""
        return dict(zip(self.candidates.names, self.quality, strict=True)).get(name) or 0.0


@dataclass(frozen=True, eq=False)
class AnswerTable:
    """Rows of candidates under the names of `names`; a row may lack some. `digest` names it all."""

    names: tuple[str, ...]
    rows: tuple[AnswerRow, ...]
    digest: str = ""

    @cached_property
    def quality(self) -> Floats:
        """The quality of each candidate, rows by names; NaN where it is unknown or missing."""
        table = np.full((len(self.rows), len(self.names)), np.nan)
        columns = {name: at for at, name in enumerate(self.names)}
        for at, row in enumerate(self.rows):
            for name, quality in zip(row.candidates.names, row.quality, strict=True):
                if quality is not None:
                    table[at, columns[name]] = quality
        return table

    @cached_property
    def answers(self) -> tuple[tuple[str | None, ...], ...]:
        """What each name answered, a tuple a row; None abstains or is missing."""
        rows = []
        for row in self.rows:
            pairs = zip(row.candidates.names, row.candidates.texts, strict=True)
            answers = {name: text.answer for name, text in pairs}
            rows.append(tuple(answers.get(name) for name in self.names))
        return tuple(rows)

    @cached_property
    def best_member(self) -> str:
        """The name with the greatest mean quality over the rows where its quality is known."""
        counts = np.isfinite(self.quality).sum(0)
        means = np.nansum(self.quality, 0) / np.where(counts, counts, np.nan)
        return self.names[int(np.nanargmax(means))]

    def members(self, row: AnswerRow) -> list[int]:
        """Return the place of each candidate of a row among the names."""
        return [self.names.index(name) for name in row.candidates.names]

    def taken(self, rows: Sequence[int]) -> AnswerTable:
        """Return the table of some of its rows."""
        return AnswerTable(self.names, tuple(self.rows[at] for at in rows), self.digest)

    def member_answers(self, comparisons: Sequence[Comparison]) -> Iterator[MemberAnswers]:
        """Yield the answers of each row with their comparison."""
        for row, comparison in zip(self.rows, comparisons, strict=True):
            yield MemberAnswers(row.candidates, comparison, self.members(row), len(self.names))


@dataclass(frozen=True, eq=False)
class MemberAnswers:
    """The candidates of one query, the comparison of their answers, and whose they are.

    `members` has the place of each candidate among the `count` names of the fit.
    """

    candidates: Candidates
    comparison: Comparison
    members: Sequence[int]
    count: int
