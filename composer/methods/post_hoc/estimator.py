"""Post-hoc deferral: how good each stage is, learnt from what the stages before it answered."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from composer.heavy import np
from composer.methods.estimators.values import Predictions
from composer.methods.fitted import shaped
from composer.methods.post_hoc.base import AfterAnswers
from composer.methods.post_hoc.deferral import Deferral, answered_set, of_part
from composer.methods.post_hoc.models import members_of
from composer.methods.post_hoc.outlook import changes, expected_best, held_out, pairs_of
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.cascade_state import CascadeState
    from composer.methods.cascade_table import CascadeTable
    from composer.methods.estimators.values import Estimates


class PostHoc(Deferral, AfterAnswers):
    """P(stage j is right), by the question and by all answers so far.

    One logistic model a stage for each set of stages that may have answered, with inverse penalty
    `c`. It sees the signals `of` all answers, their length and shape, how much each two agree by
    `by`, and what `router` expects by the question alone, which is learnt from the same rows. The
    signals of the answer that is judged count most; the others are held back, so that on few rows a
    good signal is hardly made worse. An unknown signal has the mean of the rows, and is marked as
    unknown. The spread is that by which the estimate changes, on held-out rows, until all stages
    have answered.
    """

    name: ClassVar[str] = "post_hoc"
    paper: ClassVar[str] = "arXiv:2307.02764"

    def fit(self, table: CascadeTable, seed: int) -> State:
        """Fit the models, and see on held-out rows how estimates change with more answers."""
        state, examples, splits = self.learnt(table, seed)
        columns = self.columns(len(table.names))
        chances = held_out(columns, examples, splits, self.c)
        parts = {name: state.part(name) for name in state.facts}
        parts["changes"] = changes(len(table.names), chances, examples)
        return of_part(self, table, State.join(**parts))

    def predict(self, state: State, cascades: Sequence[CascadeState]) -> Predictions:
        """Predict the quality of every stage [n, m] in each of n states."""
        mean = self.chances(state, cascades)
        stages = len(state.facts["names"])
        spread = shaped(state.part("changes"), "spread", 2**stages, stages)
        return Predictions(mean, spread[[answered_set(each) for each in cascades]])

    def estimates(
        self, state: State, cascades: Sequence[CascadeState], costs: State | None = None
    ) -> list[Estimates]:
        """Return what a state says of many cascades, and how good the best answers will be."""
        estimates = super().estimates(state, cascades, costs)
        bests = self._expected_bests(state, cascades, estimates)
        pairs = zip(estimates, bests, strict=True)
        return [replace(each, expected_best=best) for each, best in pairs]

    def _expected_bests(
        self, state: State, cascades: Sequence[CascadeState], estimates: Sequence[Estimates]
    ) -> list[dict[frozenset[int], float]]:
        """Return the expected best of each set with all stages that have answered, and more."""
        stages = len(state.facts["names"])
        shaped(state.part("changes"), "roots", len(pairs_of(stages)), stages, stages)
        sets = np.array([answered_set(each) for each in cascades], dtype=np.intp)
        mean = np.array([each.quality for each in estimates]).reshape(len(cascades), stages)
        bests: list[dict[frozenset[int], float]] = [{} for _ in cascades]
        for answered in np.unique(sets).tolist():
            rows = np.flatnonzero(sets == answered)
            best = expected_best(state.part("changes"), answered, mean[rows])
            for more, values in best.items():
                members = frozenset(members_of(more, stages))
                for row, value in zip(rows.tolist(), values.tolist(), strict=True):
                    bests[row][members] = value
        return bests
