"""Fitted signals: how likely the answer is right, and how much better the next stage would be."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from composer.methods.post_hoc.deferral import Deferral, of_part
from composer.methods.signals.base import SHARE
from composer.methods.signals.learned import LearnedSignal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.cascade_state import CascadeState
    from composer.methods.cascade_table import CascadeTable
    from composer.values import State


class FittedDeferral(Deferral, LearnedSignal):
    """A signal that is read off the models of post-hoc deferral."""

    def fit(self, table: CascadeTable, seed: int) -> State:
        """Fit the models of `post_hoc`."""
        return of_part(self, table, self.learnt(table, seed)[0])


class Right(FittedDeferral):
    """P(the latest answer is right | the question and all answers so far), as of `post_hoc`."""

    name: ClassVar[str] = "right"
    paper: ClassVar[str] = "arXiv:2305.05176"
    limits: ClassVar[tuple[float, float]] = SHARE

    def values(self, state: State, cascades: Sequence[CascadeState]) -> list[float]:
        """Return the chance of the latest answer in each state."""
        chances = self.chances(state, cascades)
        latest = [each.latest for each in cascades]
        return [float(row[at]) for row, at in zip(chances, latest, strict=True)]


class Gain(FittedDeferral):
    """P(the next stage is right) - P(the latest answer is right), as of `post_hoc`.

    The next stage is the first that can still be asked; if there is none, the signal is 0. A rule
    that accepts while this is small defers where it pays, not only where the answer is doubtful.
    """

    name: ClassVar[str] = "gain"
    paper: ClassVar[str] = "arXiv:2307.02764"
    limits: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def values(self, state: State, cascades: Sequence[CascadeState]) -> list[float]:
        """Return the difference in each state."""
        chances = self.chances(state, cascades)
        return [_gain(row.tolist(), each) for row, each in zip(chances, cascades, strict=True)]


def _gain(chances: list[float], cascade: CascadeState) -> float:
    if cascade.latest is None or not cascade.open:
        return 0.0
    return chances[cascade.open[0]] - chances[cascade.latest]
