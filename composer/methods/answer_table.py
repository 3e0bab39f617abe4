"""The answers of all members to many queries: what votes and rankings are fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.estimators.values import Floats
    from composer.values import Candidates


@dataclass(frozen=True, eq=False)
class AnswerRow:
    """One query with its candidates, and the quality of each, from 0 to 1; None is unknown.

    `references` are the answers that count as right, if the data have any.
    """

    candidates: Candidates
    quality: tuple[float | None, ...]
    references: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


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
        return tuple(
            tuple(
                dict(zip(row.candidates.names, row.candidates.texts, strict=True))[name].answer
                if name in row.candidates.names
                else None
                for name in self.names
            )
            for row in self.rows
        )

    def members(self, row: AnswerRow) -> list[int]:
        """Return the place of each candidate of a row among the names."""
        return [self.names.index(name) for name in row.candidates.names]

    def taken(self, rows: Sequence[int]) -> AnswerTable:
        """Return the table of some of its rows."""
        return AnswerTable(self.names, tuple(self.rows[at] for at in rows), self.digest)
