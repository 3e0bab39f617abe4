"""Estimators that read answers: how good each stage of a cascade is, after some have answered."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from composer.methods.cascade_part import CascadePart
from composer.methods.estimators.base import Estimator, asked_of
from composer.methods.estimators.costs import line_costs, with_costs
from composer.methods.estimators.values import as_estimates
from composer.methods.mistakes import PartError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.cascade_state import CascadeState
    from composer.methods.estimators.values import Choice, Estimates, Predictions
    from composer.methods.signals.base import Signal
    from composer.values import Asker, Query, State


class AfterAnswers(Estimator, CascadePart):
    """Estimates how good every stage of a cascade is, by the question and the answers so far."""

    reads_answers: ClassVar[bool] = True

    @property
    def signals(self) -> tuple[Signal, ...]:
        """What is measured on each answer."""
        return ()

    @abstractmethod
    def predict(self, state: State, cascades: Sequence[CascadeState]) -> Predictions:
        """Predict the quality of every stage [n, m], asked or not, in each of n states."""

    async def estimate_after(
        self, cascade: CascadeState, choices: tuple[Choice, ...], ask: Asker
    ) -> Estimates:
        """Estimate the quality of every stage by the answers so far."""
        del choices
        return await ask.together(self.judge, cascade)

    def judge(self, cascades: Sequence[CascadeState]) -> list[Estimates]:
        """Return the estimates of many states, at once."""
        costs = None if self.fitted is None else self.fitted.costs
        return self.estimates(self.state(), cascades, costs)

    def estimates(
        self, state: State, cascades: Sequence[CascadeState], costs: State | None = None
    ) -> list[Estimates]:
        """Return what a state says of many states of cascades, as policies take it.

        A cost that it does not predict is that of the data that it learnt from, in `costs`.
        """
        predictions = self.predict(state, cascades)
        if costs is not None:
            asked = [asked_of(cascade.query) for cascade in cascades]
            predictions = with_costs(predictions, line_costs(costs, asked))
        return as_estimates(predictions, f"`{self.name}`")

    async def estimate(self, query: Query, choices: tuple[Choice, ...], ask: Asker) -> Estimates:
        """Refuse: a route decides before there are answers."""
        del query, choices, ask
        text = f"`{self.name}` reads answers, and a route decides before there are any"
        raise PartError("E403", text, f"write `cascade(A, B, by = {self.name}())`")
