"""Signals that are fitted on answers whose quality is known."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from composer.methods.cascade_part import CascadePart
from composer.methods.signals.base import Signal, measured

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from composer.methods.cascade_state import CascadeState
    from composer.values import Asker, State


class LearnedSignal(Signal, CascadePart):
    """A signal that `compose fit` fits on what every stage of a cascade answers.

    It is fitted by itself, also where it stands in an option of another part.
    """

    reads_earlier: ClassVar[bool] = True

    @property
    def signals(self) -> tuple[Signal, ...]:
        """What it reads of each answer beside the text."""
        return ()

    @abstractmethod
    def values(self, state: State, cascades: Sequence[CascadeState]) -> list[float]:
        """Return the value of the latest answer in each state."""

    async def in_cascade(self, state: CascadeState, ask: Asker) -> float | None:
        """Return the value of the latest answer, from the signals that were measured on it."""
        if state.latest is None:
            return None
        known = await with_signals(self.signals, state, ask)
        values = partial(self.values, self.state())
        return await ask.together(values, known, str(self))


def with_inner(signals: Iterable[Signal]) -> tuple[Signal, ...]:
    """Return signals, each after those that it reads itself; each once."""
    ordered: dict[Signal, None] = {}
    for signal in signals:
        inner = with_inner(signal.signals) if isinstance(signal, LearnedSignal) else ()
        ordered |= dict.fromkeys((*inner, signal))
    return tuple(ordered)


async def with_signals(signals: Iterable[Signal], state: CascadeState, ask: Asker) -> CascadeState:
    """Return the state with signals of the latest answer; what was measured before stays."""
    latest = state.latest
    if latest is None:
        return state
    for signal in with_inner(signals):
        known = state.answers[latest]
        if str(signal) not in known.signals:
            state = state.with_answer(latest, known.measured(await measured((signal,), state, ask)))
    return state
