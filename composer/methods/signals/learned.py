"""Signals that are fitted on answers whose quality is known."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from composer.methods.fitted import FittedPart
from composer.methods.signals.base import Signal, measured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.methods.cascade_state import CascadeState
    from composer.methods.cascade_table import CascadeTable
    from composer.values import Asker, State


class LearnedSignal(Signal, FittedPart):
    """A signal that `compose fit` fits on what every stage of a cascade answers."""

    @property
    def signals(self) -> tuple[Signal, ...]:
        """What it reads of each answer beside the text."""
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
    def values(self, state: State, cascades: Sequence[CascadeState]) -> list[float]:
        """Return the value of the latest answer in each state."""

    async def in_cascade(self, state: CascadeState, ask: Asker) -> float | None:
        """Return the value of the latest answer, from the signals that were measured on it."""
        latest = state.latest
        if latest is None:
            return None
        more = await measured(self.signals, state, ask)
        known = state.with_answer(latest, state.answers[latest].measured(more))
        return await ask.together(lambda many: self.values(self.state(), many), known)

    def notes(self, state: State) -> Iterator[str]:
        """Yield what a person should read of what was learnt."""
        del state
        yield from ()
