"""Estimators that read answers: how good each stage of a cascade is, after some have answered."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from composer.methods.estimators.base import Estimator
from composer.methods.estimators.values import Estimates
from composer.methods.fitted import FittedPart
from composer.methods.mistakes import PartError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.methods.cascade_state import CascadeState
    from composer.methods.cascade_table import CascadeTable
    from composer.methods.estimators.values import Choice, Predictions
    from composer.methods.signals.base import Signal
    from composer.values import Asker, Query, State


class AfterAnswers(Estimator, FittedPart):
    """Estimates the quality of every stage of a cascade from the question and the answers so far.

    `compose fit` fits it on what every stage answers to the rows of a data file.
    """

    reads_answers: ClassVar[bool] = True

    @property
    def signals(self) -> tuple[Signal, ...]:
        """What is measured on each answer."""
        return ()

    @property
    def unfitted(self) -> bool:
        """Whether it cannot be used before it is fitted."""
        return self.open and self.fitted is None

    @abstractmethod
    def fit(self, table: CascadeTable, seed: int) -> State:
        """Learn from what every stage answered; the same for the same seed.

        The state's facts name the part (`"part": self.name`) and the stages (`"names"`).
        """

    @abstractmethod
    def predict(self, state: State, cascades: Sequence[CascadeState]) -> Predictions:
        """Predict the quality of every stage [n, m], asked or not, in each of n states."""

    async def estimate_after(
        self, cascade: CascadeState, choices: tuple[Choice, ...], ask: Asker
    ) -> Estimates:
        """Estimate the quality of every stage by the answers so far."""
        del choices

        def judge(many: Sequence[CascadeState]) -> list[Estimates]:
            found = self.predict(self.state(), many)
            cost = [()] * len(many) if found.cost is None else found.cost.tolist()
            rows = zip(found.mean.tolist(), found.spread.tolist(), cost, strict=True)
            return [Estimates(tuple(q), f"`{self.name}`", tuple(s), tuple(c)) for q, s, c in rows]

        return await ask.together(judge, cascade)

    async def estimate(self, query: Query, choices: tuple[Choice, ...], ask: Asker) -> Estimates:
        """Refuse: a route decides before there are answers."""
        del query, choices, ask
        text = f"`{self.name}` reads answers, and a route decides before there are any"
        raise PartError("E403", text, f"write `cascade(A, B, by = {self.name}())`")

    def notes(self, state: State) -> Iterator[str]:
        """Yield what a person should read of what was learnt."""
        del state
        yield from ()
