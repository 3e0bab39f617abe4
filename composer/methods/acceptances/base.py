"""How a cascade decides after each answer, where no rule with numbers is written down."""

from __future__ import annotations

from abc import abstractmethod
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Self

from composer.heavy import np
from composer.methods.cascade_part import CascadePart
from composer.methods.cascade_state import Move
from composer.methods.fitted import shaped
from composer.methods.signals.base import Signal
from composer.values import State, Typed
from composer.values.fitted import Fitted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from composer.methods.cascade_state import CascadeState
    from composer.methods.cascade_table import CascadeTable
    from composer.methods.estimators.values import Floats


class Acceptance(Typed):
    """Decides after each answer of a cascade which answer to take, or which stage to ask next."""

    @property
    def signals(self) -> tuple[Signal, ...]:
        """What is measured on each answer before `move` decides."""
        return ()

    @property
    def separate_stages(self) -> bool:
        """Whether what it promises holds only where no stage reads the answers before it."""
        return False

    @property
    def limits_cost(self) -> bool:
        """Whether it keeps to a cost, which it counts for stages that are asked in turn."""
        return False

    @property
    def needed(self) -> tuple[Signal, ...]:
        """The signals without which it accepts no answer."""
        return ()

    def never_known(self, unknown: Collection[Signal]) -> bool:
        """Say whether it can never accept while these signals are not known."""
        return any(signal in unknown for signal in self.needed)

    @abstractmethod
    def move(self, state: CascadeState) -> Move:
        """Decide by what is known; it asks nobody. Some stage is open when it is called.

        A move to a stage that has answered takes its answer; to an open one, asks it.
        """


class LearnedAcceptance(Acceptance, CascadePart):
    """An acceptance that `compose fit` fits on what every stage answers.

    `targets` are the kinds of `--target` that it can be fitted to: `share`, `cost`, `quality`. For
    each it has an option of that name, which `compose fit --target` sets before it fits.
    """

    targets: ClassVar[tuple[str, ...]] = ()

    @property
    def labelled(self) -> bool:
        """Whether it learns from how good the answers were; else it needs no references."""
        return True

    def guarantees(self, state: State) -> list[dict[str, object]]:
        """Return what it promises, as JSON can hold it; an acceptance that promises is tested so.

        Each has the `promise` in words, its `bound`, how `sure` it is, and what was `measured` on
        how many `rows` that nothing was chosen on.
        """
        del state
        return []


class SignalThresholds(LearnedAcceptance):
    """An acceptance that compares the signal `of` of each answer with the threshold of its stage.

    Its state holds `thresholds`, and the `sign` of the signal: -1 where a smaller one is better.
    """

    of: Signal

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The signal that is compared."""
        return (self.of,)

    @property
    def needed(self) -> tuple[Signal, ...]:
        """An answer without the signal is not accepted."""
        return self.signals

    def distances(self, table: CascadeTable) -> Floats:
        """Return how far the signal of each answer is above its threshold [n, m], or nothing.

        All thresholds count as the one in the middle. Where the fit chose one stage, it has none.
        """
        fitted = self.state()
        thresholds = shaped(fitted, "thresholds", None)
        if not thresholds.size:
            return np.zeros((0, 0))
        sign = float(shaped(fitted, "sign", 1)[0])
        return sign * table.signal(str(self.of)) - float(np.median(thresholds))

    def shifted(self, by: float) -> Self:
        """Return the part with all its thresholds moved by so much."""
        state = self.state()
        arrays = {**state.arrays, "thresholds": state.arrays["thresholds"] + by}
        fitted = Fitted.of((), 0, state=State(arrays, state.facts))
        return self.model_copy(update={"file": None}).bound(fitted)


def in_order(
    state: CascadeState, *, accepted: bool, facts: Mapping[str, object] = MappingProxyType({})
) -> Move:
    """Take the latest answer if it is accepted, else ask the first open stage."""
    if accepted and state.latest is not None:
        return Move(state.latest, facts)
    return Move(state.open[0], facts)
