"""Thresholds on a signal, one a stage, searched together on recorded answers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field

from composer.diagnostics.amounts import number_text
from composer.heavy import np
from composer.methods.acceptances.base import SignalThresholds
from composer.methods.acceptances.search import Aim, search
from composer.methods.cascade_state import CascadeState, Move
from composer.methods.cascade_table import CascadeTable
from composer.methods.fitted import named, shaped
from composer.methods.signals.base import Signal
from composer.methods.signals.measured import Confidence
from composer.values import State

if TYPE_CHECKING:
    from composer.methods.estimators.values import Floats


class Thresholds(SignalThresholds):
    """One threshold a stage on a signal: an answer that reaches it is taken.

    `compose fit` searches all thresholds together, and which stages are used; with `reorder` also
    the order, of at most `longest` stages (FrugalGPT). It looks for the best quality
    at a mean cost of at most `cost` dollars an answer, for the least cost at a quality of at least
    `quality`, or for a `share` of questions that reach the best stage. Where none is set, the cost
    must not exceed that of always asking the best stage. Before it is fitted, `at` is the threshold
    of every stage. Where a smaller signal means a better answer, as of `entropy`, an answer is
    taken if its signal is at most the threshold. One whose signal is unknown is not taken.
    """

    name: ClassVar[str] = "thresholds"
    paper: ClassVar[str] = "arXiv:2305.05176"
    targets: ClassVar[tuple[str, ...]] = ("cost", "quality", "share")

    of: Signal = Confidence()
    at: float | None = None
    reorder: bool = False
    longest: int = Field(default=3, ge=1, le=5)
    cost: float | None = Field(default=None, ge=0)
    quality: float | None = Field(default=None, ge=0, le=1)
    share: float | None = Field(default=None, ge=0, le=1)

    @property
    def unfitted(self) -> bool:
        """Whether it has neither been fitted nor names a threshold."""
        return super().unfitted and self.at is None

    @property
    def limits_cost(self) -> bool:
        """Whether a mean cost is set."""
        return self.cost is not None

    def move(self, state: CascadeState) -> Move:
        """Take the latest answer if it reaches its threshold, else ask the next stage in order."""
        order, thresholds, sign = self._setting(state)
        left = [stage for stage in order if stage not in state.failed]
        latest = state.latest
        place = left.index(latest) if latest in left else -1
        ahead = left[place + 1 :]
        if latest is None or latest not in left:
            return Move(next(iter(ahead), state.open[0]))
        value = state.answers[latest].signals.get(str(self.of))
        least = thresholds[order.index(latest)] if ahead else None
        facts = {} if least is None else {"threshold": sign * least}
        if least is None or (isinstance(value, int | float) and sign * value >= least):
            return Move(latest, facts)
        return Move(ahead[0], facts)

    def fit(self, table: CascadeTable, seed: int) -> State:
        """Search the thresholds, and with `reorder` the stages and their order."""
        del seed
        aim = Aim(self.cost, self.quality, self.share)
        setting = search(table, str(self.of), aim, self.longest if self.reorder else None)
        facts = {"part": self.name, "names": list(table.names)}
        order = np.array(setting.order, dtype=np.int64)
        arrays = {"order": order, "thresholds": np.array(setting.thresholds)}
        return State({**arrays, "sign": np.array([setting.sign])}, facts)

    def notes(self, state: State) -> Iterator[str]:
        """Say the thresholds in the order of the stages."""
        order, thresholds = state.arrays["order"].tolist(), state.arrays["thresholds"].tolist()
        names = [state.facts["names"][at] for at in order]
        sign = int(state.arrays["sign"][0])
        steps = [
            f"{name} if {self.of} {'>=' if sign > 0 else '<='} {number_text(sign * least, 4)}"
            for name, least in zip(names, thresholds, strict=False)
        ]
        yield ", else ".join([*steps, names[-1]])

    def distances(self, table: CascadeTable) -> "Floats":
        """Return how far the signal of each answer is above its threshold [n, m]."""
        if self.at is not None and self._by_hand:
            return table.signal(str(self.of)) - self.at
        return super().distances(table)

    def shifted(self, by: float) -> Self:
        """Return the part with all its thresholds moved by so much."""
        if self.at is not None and self._by_hand:
            return self.model_copy(update={"at": self.at + by})
        return super().shifted(by)

    @property
    def _by_hand(self) -> bool:
        """Whether `at` is the threshold, as nothing is fitted."""
        return self.open and self.fitted is None and self.at is not None

    def _setting(self, state: CascadeState) -> tuple[list[int], list[float], int]:
        """Return the order of the stages, a threshold for each but the last, and their sign."""
        if self.at is not None and self._by_hand:
            return list(range(len(state.names))), [self.at] * len(state.names), 1
        fitted = self.state()
        rows = named(fitted, state.names, self.name)
        order: list[int] = [rows.index(at) for at in shaped(fitted, "order", None).tolist()]
        thresholds: list[float] = shaped(fitted, "thresholds", len(order) - 1).tolist()
        return order, thresholds, int(shaped(fitted, "sign", 1)[0])
