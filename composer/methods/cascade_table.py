"""What every stage of a cascade answered on many questions: what a cascade is fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from composer.heavy import np
from composer.methods.cascade_state import CascadeState

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from composer.methods.estimators.values import Floats


@dataclass(frozen=True, eq=False)
class CascadeRow:
    """One question: the state after every stage was asked, and the quality of each stage.

    Qualities are from 0 to 1, None where unknown. `state` lacks the answers of failed stages.
    """

    state: CascadeState
    quality: tuple[float | None, ...]
    references: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def before(self, asked: Collection[int]) -> CascadeState:
        """Return the state in which only some of the stages were asked."""
        answers = {at: each for at, each in self.state.answers.items() if at in asked}
        return CascadeState(
            self.state.query, self.state.names, answers, self.state.failed & frozenset(asked)
        )


@dataclass(frozen=True, eq=False)
class CascadeTable:
    """Rows of one cascade, whose stages have these names. `digest` names the content."""

    names: tuple[str, ...]
    rows: tuple[CascadeRow, ...]
    digest: str = ""

    @cached_property
    def quality(self) -> Floats:
        """The quality of each stage [rows, stages], NaN where it is unknown or missing."""
        values = [[np.nan if q is None else q for q in row.quality] for row in self.rows]
        return np.array(values, dtype=float).reshape(len(self.rows), len(self.names))

    @cached_property
    def cost(self) -> Floats:
        """The dollars of each stage alone [rows, stages], NaN where they are unknown."""
        return self._of_answers("cost")

    @cached_property
    def seconds(self) -> Floats:
        """The seconds of each stage alone [rows, stages], NaN where they are unknown."""
        return self._of_answers("seconds")

    def signal(self, name: str) -> Floats:
        """Return a signal of each stage [rows, stages], NaN where it is unknown."""
        values = np.full((len(self.rows), len(self.names)), np.nan)
        for at, row in enumerate(self.rows):
            for stage, answer in row.state.answers.items():
                value = answer.signals.get(name)
                if isinstance(value, float | int):
                    values[at, stage] = value
        return values

    def taken(self, rows: Sequence[int] | NDArray[np.intp]) -> CascadeTable:
        """Return the table of some of its rows."""
        return CascadeTable(self.names, tuple(self.rows[int(at)] for at in rows), self.digest)

    def _of_answers(self, field: str) -> Floats:
        values = np.full((len(self.rows), len(self.names)), np.nan)
        for at, row in enumerate(self.rows):
            for stage, answer in row.state.answers.items():
                values[at, stage] = getattr(answer, field)
        return values
