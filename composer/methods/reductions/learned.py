"""Votes that are fitted on the answers of all members."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from composer.methods.fitted import named
from composer.methods.reductions.base import Reduction, Shares
from composer.methods.selecting import LearnedSelector
from composer.values import Fitted, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.methods.agreements.base import Comparison
    from composer.methods.answer_table import AnswerTable
    from composer.methods.estimators.values import Floats
    from composer.methods.reductions.base import Ballot


class LearnedReduction(Reduction, LearnedSelector):
    """A vote that is fitted on the answers of all members."""

    def places(self, state: State, names: Sequence[str]) -> list[int]:
        """Return the place of each member in the state; raises ModelError for one without."""
        return named(state, names, self.name)

    def fitted_state(
        self, table: AnswerTable, arrays: Mapping[str, Floats], **facts: object
    ) -> State:
        """Return a state of these arrays and facts, which names the part and what it learnt of."""
        rows, names = len(table.rows), list(table.names)
        return State(arrays, {**facts, "part": self.name, "names": names, "rows": rows})


def inner_vote(state: State, vote: LearnedReduction, key: str) -> LearnedReduction:
    """Return the vote that another one holds, bound to its part of the other's state."""

    def bound() -> LearnedReduction:
        names, rows = tuple(state.facts["names"]), state.facts["rows"]
        return vote.bound(Fitted.of(names, rows, state=state.part(key)))

    inner: LearnedReduction = state.live.get("vote", bound)
    return inner


class Weighing(LearnedReduction):
    """A vote in which each member's ballots have the weight that was learnt.

    The state has `weights`, one a name. Weights are 0 or more: no vote counts against its answer.
    """

    def shares(self, ballots: Sequence[Ballot], comparison: Comparison) -> Shares:
        """Return sum of w over the group / sum of w over all that answer."""
        state = self.state()
        weights = self.weights(state, tuple(ballot.name for ballot in ballots))
        sums = [
            math.fsum(ballots[at].weight * weights[ballots[at].name] for at in group)
            for group in comparison.groups
        ]
        why = {"weights": weights, **self.reasons(state)}
        return Shares.of_groups(len(ballots), comparison.groups, sums, **why)

    def weights(self, state: State, names: tuple[str, ...]) -> Mapping[str, float]:
        """Return each member's weight by its name."""
        every = state.arrays["weights"].tolist()
        return {n: every[at] for n, at in zip(names, self.places(state, names), strict=True)}

    def reasons(self, state: State) -> Mapping[str, object]:
        """Return what the trace says beside the weights."""
        facts = state.facts
        return {key: facts[key] for key in ("choices", "source", "rows") if key in facts}
