"""What post-hoc deferral learns: how likely each stage is right after some have answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from composer.heavy import np
from composer.methods.agreements.base import Exact, TextAgreement
from composer.methods.estimators.base import Learned, asked_of
from composer.methods.estimators.features import Tfidf
from composer.methods.estimators.folds import out_of_fold, shuffled
from composer.methods.estimators.learned import Linear
from composer.methods.estimators.shapes import Shape
from composer.methods.estimators.soundness import check
from composer.methods.fitted import FittedPart, shaped
from composer.methods.mistakes import PartError
from composer.methods.post_hoc.features import Columns, log_odds
from composer.methods.post_hoc.models import (
    Examples,
    fit_models,
    predicted,
    standard,
    standardised,
)
from composer.methods.signals.base import Signal
from composer.methods.signals.measured import Confidence
from composer.values import Fitted, ModelError, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.cascade_state import CascadeState
    from composer.methods.cascade_table import CascadeTable
    from composer.methods.estimators.folds import Split
    from composer.methods.estimators.values import Floats, Labels

FOLDS = 5
"""Folds in which predictions for rows are made that a fit did not see."""

MOST_STAGES = 8
"""Stages at most: there is a model of each for each of the 2^m sets that may have answered."""


class Deferral(FittedPart):
    """Logistic models of every stage, for each set of stages that may have answered."""

    of: Signal | tuple[Signal, ...] = Confidence()
    router: Learned = Linear(features=(Tfidf(), Shape(weight=0.1)))
    by: TextAgreement = Exact()
    c: float = Field(default=0.1, gt=0)

    @property
    def signals(self) -> tuple[Signal, ...]:
        """What is measured on each answer."""
        return (self.of,) if isinstance(self.of, Signal) else self.of

    def columns(self, stages: int) -> Columns:
        """Return the columns for so many stages."""
        return Columns(stages, self.signals, self.by)

    def learnt(self, table: CascadeTable, seed: int) -> tuple[State, Examples, list[Split]]:
        """Fit the models. Return their state, what they learnt from, and folds of its rows.

        What is expected by the question alone is, for each row, by a router that did not see it.
        Raises PartError (E509) where there are too many stages or too few questions.
        """
        labels, splits = self._checked(table, seed)
        expected = out_of_fold(self.router, labels, splits, seed).mean
        router = self.router.fit(labels, seed)
        columns = self._columns([row.state for row in table.rows], expected)
        scale = standard(columns)
        examples = Examples(standardised(scale, columns), table.quality, table.has_answer)
        models = fit_models(self.columns(len(table.names)), examples, self.c)
        return State.join(router=router, scale=scale, models=models), examples, splits

    def chances(self, state: State, cascades: Sequence[CascadeState]) -> Floats:
        """Return how likely each stage is right [n, m], in each of n states of a cascade."""
        return self.vectors_and_chances(state, cascades)[1]

    def vectors_and_chances(
        self, state: State, cascades: Sequence[CascadeState]
    ) -> tuple[Floats, Floats]:
        """Return the columns [n, d] of n states, and how likely each stage is right [n, m]."""
        self._check(state, cascades)
        router = state.part("router")
        expected = self.router.predict(router, [asked_of(each.query) for each in cascades]).mean
        vectors = standardised(state.part("scale"), self._columns(cascades, expected))
        sets = np.array([answered_set(each) for each in cascades], dtype=np.intp)
        return vectors, predicted(state.part("models"), sets, vectors)

    def _columns(self, cascades: Sequence[CascadeState], expected: Floats) -> Floats:
        answers = self.columns(expected.shape[1]).of_answers(cascades)
        return np.hstack([answers, log_odds(expected)])

    def _checked(self, table: CascadeTable, seed: int) -> tuple[Labels, list[Split]]:
        stages = len(table.names)
        if stages > MOST_STAGES:
            text = f"`{self.name}` can be fitted for {MOST_STAGES} stages at most, not {stages}"
            raise PartError("E509", text, "leave out stages, or split the cascade in two")
        labels = table.labels
        different = len(set(labels.queries))
        if different < 2:  # noqa: PLR2004
            text = f"`{self.name}` cannot be fitted on one question"
            raise PartError("E509", text, "give more rows")
        return labels, shuffled(labels.queries, min(FOLDS, different), seed)

    def _check(self, state: State, cascades: Sequence[CascadeState]) -> None:
        """Raise an error (E507) where a state is of other stages, or cannot be what a fit made."""
        names = tuple(map(str, state.facts["names"]))
        other = next((each.names for each in cascades if each.names != names), None)
        if other is not None:
            text = f"`{self.name}` was fitted for the stages {', '.join(names)}"
            raise ModelError("E507", f"{text}, but now they are {', '.join(other)}", "fit it again")
        state.live.get("sound", lambda: self._sound(state, names))

    def _sound(self, state: State, names: tuple[str, ...]) -> None:
        columns = self.columns(len(names))
        width = len(columns.weights(0, 0))
        for name in ("centre", "scale"):
            shaped(state.part("scale"), name, width)
        shaped(state.part("models"), "weights", 2 ** len(names), len(names), width)
        shaped(state.part("models"), "bias", 2 ** len(names), len(names))
        router = state.part("router")
        fitted = Fitted.of(names, 0, state=router)
        check(self.name, fitted, lambda probes: self.router.predict(router, probes))


def answered_set(cascade: CascadeState) -> int:
    """Return the set of stages that have answered: a number with the bit of each."""
    return sum(1 << at for at in cascade.answers)


def of_part(part: Deferral, table: CascadeTable, state: State) -> State:
    """Return a state that names the part and the stages."""
    facts = {**state.facts, "part": part.name, "names": list(table.names)}
    return State(state.arrays, facts)
