"""What thresholds on one signal of a cascade lead to, on rows where every stage has answered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from composer.heavy import np
from composer.methods.agreements.base import SAME, Comparison

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from composer.methods.agreements.base import Agreement
    from composer.methods.cascade_table import CascadeTable
    from composer.methods.estimators.values import Floats
    from composer.methods.signals.base import Signal

    Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of a cascade under several settings, all [settings, rows].

    `stage` is the one whose answer is taken, -1 for none. `accepted` says that this answer passed
    its threshold. `cost` is in dollars, `calls` counts the stages that were asked.
    """

    stage: NDArray[np.intp]
    accepted: Bools
    cost: Floats
    calls: Floats

    def of_taken(self, values: Floats) -> Floats:
        """Return the value [rows, stages] of each answer that is taken, 0 where there is none."""
        rows = np.arange(values.shape[0])
        return np.where(self.stage < 0, 0.0, values[rows, self.stage])


@dataclass(frozen=True, eq=False)
class Replay:
    """Rows on which settings are tried; all arrays are [rows, stages].

    An answer passes where its `signal` is at least the threshold of its stage; NaN never does.
    `alike` is 1 where the answer is the same as that of the last stage. A stage of `skippable` is
    not asked if its threshold is infinite, unless all others fail; any other stage is asked and
    never accepted.
    """

    signal: Floats
    quality: Floats
    cost: Floats
    answered: Bools
    alike: Floats
    skippable: frozenset[int] = frozenset()

    @classmethod
    def of(
        cls, table: CascadeTable, signal: Signal, by: Agreement | None, *, skips: bool
    ) -> Replay:
        """Return the replay of a table; `by` says which answers are the same."""
        answered = table.has_answer
        alike = np.full(answered.shape, np.nan) if by is None else likeness_to_last(table, by)
        values = table.signal(str(signal))
        values = np.where(np.isfinite(values), values, np.nan)
        free = frozenset(range(len(table.names) - 1)).difference(table.begun) if skips else ()
        return cls(values, table.quality, table.cost, answered, alike, frozenset(free))

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.signal)

    def take(self, rows: NDArray[np.intp]) -> Replay:
        """Return some of the rows."""
        return replace(
            self,
            signal=self.signal[rows],
            quality=self.quality[rows],
            cost=self.cost[rows],
            answered=self.answered[rows],
            alike=self.alike[rows],
        )

    def rising(self, sign: float) -> Replay:
        """Return the replay with a signal of which the greater value is the surer one."""
        return replace(self, signal=sign * self.signal)

    def run(self, thresholds: Floats) -> Runs:
        """Run the cascade under each row of thresholds [settings, stages].

        The answer of the last stage needs none. If it is missing, the latest answer is taken.
        """
        shape = (len(thresholds), self.rows)
        going, accepted = np.ones(shape, dtype=bool), np.zeros(shape, dtype=bool)
        stage = np.full(shape, -1, dtype=np.intp)
        cost, calls = np.zeros(shape), np.zeros(shape)
        last = self.signal.shape[1] - 1
        for at in range(last + 1):
            skipped = (at in self.skippable) & np.isposinf(thresholds[:, at, None])
            asked = going & ~np.broadcast_to(skipped, shape)
            calls += asked
            cost += np.where(asked & self.answered[:, at], self.cost[:, at], 0.0)
            stage = np.where(asked & self.answered[:, at], at, stage)
            if at < last:
                passed = asked & (self.signal[:, at] >= thresholds[:, at, None])
                accepted |= passed
                going &= ~passed
        for at in sorted(self.skippable):
            asked = np.isposinf(thresholds[:, at, None]) & (stage < 0)
            calls += asked
            cost += np.where(asked & self.answered[:, at], self.cost[:, at], 0.0)
            stage = np.where(asked & self.answered[:, at], at, stage)
        return Runs(stage, accepted, cost, calls)


def likeness_to_last(table: CascadeTable, by: Agreement) -> Floats:
    """Return 1 where the answer of a stage [rows, stages] is the same as the last one's, else 0.

    Where the last stage has no answer, none is the same.
    """
    stages = len(table.names)
    alike = np.zeros((len(table.rows), stages))
    for row, values in zip(table.rows, alike, strict=True):
        state = row.state
        answers = [
            state.answers[at].text.answer if at in state.answers else None for at in range(stages)
        ]
        comparison = Comparison(by, answers)
        if answers[-1] is not None:
            for at in comparison.voters:
                values[at] = at == stages - 1 or comparison.same(at, stages - 1) >= SAME
    return alike


def direction(signal: Floats, quality: Floats) -> float:
    """Return 1.0 where a greater signal comes with better answers of a stage, else -1.0.

    Both are [rows, stages], and the last stage does not count. Stages are not compared with each
    other: a stage may be surer than a better one.
    """
    early_signal, early_quality = signal[:, :-1], quality[:, :-1]
    known = np.isfinite(early_signal) & np.isfinite(early_quality)
    return -1.0 if sum(_covariances(early_signal, early_quality, known)) < 0 else 1.0


def _covariances(signal: Floats, quality: Floats, known: NDArray[np.bool_]) -> Iterator[float]:
    for at in range(signal.shape[1]):
        rows = known[:, at]
        ranks = np.searchsorted(np.sort(signal[rows, at]), signal[rows, at])
        yield float(((ranks - ranks.mean()) * quality[rows, at]).sum()) if len(ranks) else 0.0
