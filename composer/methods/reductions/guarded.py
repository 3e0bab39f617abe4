"""A guard for votes: where the labels do not say that a vote is better, the best member answers."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.methods.mistakes import PartError
from composer.methods.reductions.base import Count, Reduction, Shares
from composer.methods.reductions.held_out import held_out_choices
from composer.methods.reductions.learned import LearnedReduction, inner_vote
from composer.methods.selecting import LearnedSelector
from composer.metrics import difference_interval
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.methods.agreements.base import Comparison
    from composer.methods.answer_table import AnswerTable
    from composer.methods.reductions.base import Ballot

_LEAST_ROWS = 2


class Guarded(LearnedReduction):
    """Another vote, unless one member alone is better on held-out labels: then that member.

    `of` is any vote, learned or not. In cross-validation over `folds`, the vote is fitted on the
    other folds, and the member is the best one there. If the member is better by more than `margin`
    standard errors of the difference, the best member of all rows answers, and the vote only where
    this member has no answer. With `margin` = 0 the vote must be better to answer: then few labels
    often give up a vote that is better.
    """

    name: ClassVar[str] = "guarded"

    of: Reduction = Count()
    folds: int = Field(default=10, ge=2)
    margin: float = Field(default=0.5, ge=0)

    def fit(self, table: AnswerTable, comparisons: tuple[Comparison, ...], seed: int) -> State:
        """Compare the vote with the member that the labels choose, then fit it on all rows."""
        different = len({row.candidates.query.text for row in table.rows})
        if different < _LEAST_ROWS:
            raise PartError("E509", f"`{self.name}` needs several different rows", "give more rows")
        folds = min(self.folds, different)
        held_out = held_out_choices(self.of, table, comparisons, folds, seed)
        vote, member = fmean(held_out.chosen), fmean(held_out.best_member)
        error = _error(held_out.chosen, held_out.best_member)
        gap = difference_interval(held_out.chosen, held_out.best_member, seed=seed)
        facts = {
            "member": table.best_member,
            "use": "vote" if vote - member > -self.margin * error else "member",
            "held_out": {"vote": vote, "member": member, "gap": [gap.mean, gap.low, gap.high]},
        }
        if not isinstance(self.of, LearnedSelector) or not self.of.open:
            return self.fitted_state(table, {}, **facts)
        joined = State.join(of=self.of.fit(table, comparisons, seed))
        return self.fitted_state(table, joined.arrays, **joined.facts, **facts)

    def shares(self, ballots: Sequence[Ballot], comparison: Comparison) -> Shares:
        """Return the vote's outcome, or all votes for the member's answer."""
        state = self.state()
        use, member = state.facts["use"], state.facts["member"]
        reasons = {"guard": use, "member": member, "held_out": state.facts["held_out"]}
        mine = next((at for at in comparison.voters if ballots[at].name == member), None)
        if use == "member" and mine is not None:
            sums = [float(mine in group) for group in comparison.groups]
            return Shares.of_groups(len(ballots), comparison.groups, sums, **reasons)
        if use == "member":
            reasons["guard"] = f"vote, since {member} has no answer"
        counted = self._vote(state).shares(ballots, comparison)
        return replace(counted, why=(*reasons.items(), *counted.why))

    def _vote(self, state: State) -> Reduction:
        if "of" not in state.facts:
            return self.of
        assert isinstance(self.of, LearnedReduction)
        return inner_vote(state, self.of, "of")

    def notes(self, state: State) -> Iterator[str]:
        """Say which of the two answers from now on, and why."""
        facts = state.facts
        vote, member = facts["held_out"]["vote"], facts["held_out"]["member"]
        _, low, high = facts["held_out"]["gap"]
        figures = (
            f"on held-out rows the vote has {vote:.3f} and the member that the labels choose "
            f"{member:.3f}, a difference of {vote - member:+.3f} [{low:+.3f}, {high:+.3f}]"
        )
        if facts["use"] == "vote":
            yield f"`{self.name}` lets the vote answer: {figures}"
        else:
            yield f"`{self.name}` lets `{facts['member']}` answer instead of the vote: {figures}"


def _error(left: Sequence[float], right: Sequence[float]) -> float:
    """Return the standard error of the mean difference of pairs."""
    gaps = [one - other for one, other in zip(left, right, strict=True)]
    deviation: float = pstdev(gaps)
    return deviation / math.sqrt(len(gaps))
