"""A learned score: what `rank` orders candidates by once `compose fit` has fitted it."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING

from composer.methods.agreements.base import Agreement, Exact
from composer.methods.answer_table import MemberAnswers
from composer.methods.fitted import named
from composer.methods.mistakes import PartError
from composer.methods.scorers.basic import Scorer
from composer.methods.selecting import LearnedSelector, ready_part
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.agreements.base import Comparison
    from composer.methods.answer_table import AnswerTable
    from composer.methods.estimators.values import Floats
    from composer.values import Asker, Candidates, Model

ABSTAINS = -math.inf
"""The score of a candidate without an answer."""


class FittedScorer(Scorer, LearnedSelector):
    """A score that is fitted on the answers of all members.

    Candidates that abstain have the score minus infinity, so that they come last.
    """

    @property
    def compares(self) -> Agreement:
        """How it compares answers."""
        return Exact()

    def fitted_state(self, table: AnswerTable, **states: State) -> State:
        """Return one state of several, which names the part and the members of the table."""
        joined = State.join(**states)
        facts = {"part": self.name, "names": list(table.names)}
        return State(joined.arrays, {**joined.facts, **facts})

    async def score(
        self, answers: Candidates, ask: Asker, judges: tuple[Model, ...]
    ) -> tuple[float, ...]:
        """Score the candidates by the fitted state; `data` are learned from first."""
        del judges
        part = await ready_part(self, answers, self.compares, ask)
        voices = [text.answer for text in answers.texts]
        comparison = await self.compares.compare(voices, answers.query, ask)
        return await ask.compute(lambda: part.values(answers, comparison))


class LearnedScorer(FittedScorer):
    """A score that is learned for each member; `by` says which answers are the same."""

    by: Agreement = Exact()

    @property
    def compares(self) -> Agreement:
        """How it compares answers."""
        return self.by

    def values(self, candidates: Candidates, comparison: Comparison) -> tuple[float, ...]:
        """Return the score of each candidate by the fitted state."""
        state = self.state()
        members = named(state, candidates.names, self.name)
        scores = [ABSTAINS] * len(candidates.texts)
        if comparison.voters:
            answers = MemberAnswers(candidates, comparison, members, len(state.facts["names"]))
            pairs = zip(comparison.voters, self.scores(state, answers), strict=True)
            for place, score in pairs:
                scores[place] = float(score)
        return tuple(scores)

    @abstractmethod
    def scores(self, state: State, answers: MemberAnswers) -> Sequence[float] | Floats:
        """Return the scores of the candidates that answer: those of `comparison.voters`."""


def nothing_to_learn(part: str, needed: str) -> PartError:
    """Return the error of a fit whose rows do not have what a part learns from."""
    return PartError("E509", f"`{part}` learns from {needed}, and there are none", "give more rows")
