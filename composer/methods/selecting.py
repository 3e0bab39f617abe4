"""What is fitted on the answers of all members: learned votes and learned scores.

A learned vote derives from `Reduction` and `LearnedSelector`, a learned score from `Scorer` and
`LearnedSelector`. `compose fit` runs the recipe up to the step, on every row of the data, and gives
`fit` what the candidates said.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from composer.methods.fitted import FittedPart

if TYPE_CHECKING:
    from composer.methods.agreement import Agreement, Comparison
    from composer.methods.answer_table import AnswerTable
    from composer.values import Candidates, State


class LearnedSelector(FittedPart):
    """A vote or a score that is fitted on the answers of all members.

    `labelled` says that it learns from how good the answers were; one that does not needs no
    references.
    """

    labelled: ClassVar[bool] = True

    @property
    def compares(self) -> Agreement | None:
        """How it compares answers; None: as its step does."""
        return None

    @property
    def unfitted(self) -> bool:
        """Whether it cannot be used before it is fitted."""
        return self.open and self.fitted is None

    @abstractmethod
    def fit(self, table: AnswerTable, comparisons: tuple[Comparison, ...], seed: int) -> State:
        """Learn from the answers, which are compared row by row; the same for the same seed.

        The state's facts name the part (`"part": self.name`) and the members (`"names"`).
        """

    @abstractmethod
    def values(self, candidates: Candidates, comparison: Comparison) -> tuple[float, ...]:
        """Return a value for each candidate by the fitted state; the greatest one is chosen.

        Candidates that abstain have minus infinity.
        """
