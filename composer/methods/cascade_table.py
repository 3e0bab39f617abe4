"""What every stage of a cascade answered on many questions: what a cascade is fitted on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from composer.heavy import np
from composer.methods.estimators.values import Labels
from composer.specs.content import json_digest
from composer.values.finite import finite

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from composer.methods.cascade_state import CascadeState
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

    def before(self, asked: Iterable[int]) -> CascadeState:
        """Return the state in which only some of the stages were asked, in that order."""
        order = tuple(asked)
        answers = {at: self.state.answers[at] for at in order if at in self.state.answers}
        failed = self.state.failed & frozenset(order)
        return replace(self.state, answers=MappingProxyType(answers), failed=failed)


@dataclass(frozen=True, eq=False)
class CascadeTable:
    """Rows of one cascade, whose stages have these names. `digest` names the content.

    `begun` are the stages that have answered before anything is decided: where a cascade is given
    an answer, that is its first stage.
    """

    names: tuple[str, ...]
    rows: tuple[CascadeRow, ...]
    digest: str = ""
    begun: tuple[int, ...] = ()

    @cached_property
    def queries(self) -> tuple[str, ...]:
        """The text of each question."""
        return tuple(row.state.query.root.text for row in self.rows)

    @cached_property
    def quality(self) -> Floats:
        """The quality of each stage [rows, stages], NaN where it is unknown or missing."""
        values = [[np.nan if q is None else q for q in row.quality] for row in self.rows]
        return np.array(values, dtype=float).reshape(len(self.rows), len(self.names))

    @cached_property
    def labels(self) -> Labels:
        """The qualities and costs of the stages as estimators of questions learn from them."""
        tags = tuple(row.tags for row in self.rows)
        unknown = np.full(self.quality.shape, np.nan)
        known = self.quality[np.isfinite(self.quality)]
        graded = frozenset(self.names) if np.any((known != 0) & (known != 1)) else frozenset()
        return Labels(
            self.queries,
            tags,
            self.names,
            self.quality,
            self.cost,
            unknown,
            graded,
            json_digest([self.digest, self.queries]),
        )

    @cached_property
    def has_answer(self) -> NDArray[np.bool_]:
        """Whether each stage answered [rows, stages]."""
        stages = range(len(self.names))
        answered = [[stage in row.state.answers for stage in stages] for row in self.rows]
        return np.array(answered, dtype=bool).reshape(len(self.rows), len(self.names))

    @cached_property
    def cost(self) -> Floats:
        """The dollars of each stage alone [rows, stages], NaN where they are unknown."""
        return self._of_answers("cost")

    @cached_property
    def filled_cost(self) -> Floats | None:
        """The dollars of each stage alone [rows, stages], a missing value as the mean of its stage.

        None where those of a stage are unknown on all rows.
        """
        unknown = ~np.isfinite(self.cost)
        if unknown.all(0).any():
            return None
        return np.where(unknown, np.nanmean(self.cost, 0), self.cost)

    @cached_property
    def seconds(self) -> Floats:
        """The seconds of each stage alone [rows, stages], NaN where they are unknown."""
        return self._of_answers("seconds")

    @cached_property
    def confidence(self) -> Floats:
        """The probability of each stage's answer [rows, stages], NaN where it is unknown."""
        values = np.full((len(self.rows), len(self.names)), np.nan)
        for at, row in enumerate(self.rows):
            for stage, answer in row.state.answers.items():
                confidence = answer.text.confidence
                values[at, stage] = np.nan if confidence is None else confidence
        return values

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
        return replace(self, rows=tuple(self.rows[int(at)] for at in rows))

    def with_signal(self, name: str, values: Floats) -> CascadeTable:
        """Return the table with one more signal of each answer [rows, stages], NaN if unknown."""
        rows = []
        for row, of_row in zip(self.rows, values.tolist(), strict=True):
            answers = {
                stage: answer.measured({name: finite(of_row[stage])})
                for stage, answer in row.state.answers.items()
            }
            state = replace(row.state, answers=MappingProxyType(answers))
            rows.append(replace(row, state=state))
        return replace(self, rows=tuple(rows))

    def _of_answers(self, field: str) -> Floats:
        values = np.full((len(self.rows), len(self.names)), np.nan)
        for at, row in enumerate(self.rows):
            for stage, answer in row.state.answers.items():
                values[at, stage] = getattr(answer, field)
        return values
