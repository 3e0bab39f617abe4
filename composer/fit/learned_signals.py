"""Learned signals in a table: each value is by a fit that did not see its row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.heavy import np
from composer.methods.estimators.folds import shuffled
from composer.methods.signals.learned import LearnedSignal, with_inner

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from composer.methods.cascade_table import CascadeTable
    from composer.methods.estimators.values import Floats
    from composer.methods.signals.base import Signal
    from composer.values import State

FittedSignals = list[tuple[LearnedSignal, "State"]]


def learned(signals: Iterable[Signal]) -> tuple[LearnedSignal, ...]:
    """Return the learned ones among signals and those that they read, inner ones first."""
    return tuple(each for each in with_inner(signals) if isinstance(each, LearnedSignal))


def fit_signals(
    signals: Sequence[LearnedSignal], table: CascadeTable, folds: int, seed: int
) -> tuple[CascadeTable, FittedSignals]:
    """Fit signals on a table, and return it with their values, each by a fit of the other folds."""
    fitted: FittedSignals = []
    if not signals:
        return table, fitted
    splits = shuffled(table.queries, min(folds, len(set(table.queries))), seed)
    for signal in signals:
        values = np.full((len(table.rows), len(table.names)), np.nan)
        for training, held_out in splits if signal.open else ():
            state = signal.fit(table.taken(training), seed)
            values[held_out] = signal_values(signal, state, table.taken(held_out))
        state = signal.fit(table, seed) if signal.open else signal.state()
        if not signal.open:
            values = signal_values(signal, state, table)
        fitted.append((signal, state))
        table = table.with_signal(str(signal), values)
    return table, fitted


def with_fitted(table: CascadeTable, fitted: FittedSignals) -> CascadeTable:
    """Return a table with the values of signals that were fitted on other rows."""
    for signal, state in fitted:
        table = table.with_signal(str(signal), signal_values(signal, state, table))
    return table


def signal_values(signal: LearnedSignal, state: State, table: CascadeTable) -> Floats:
    """Return a signal of each answer [rows, stages], NaN where a stage has none.

    Each is that of the latest answer when the stages up to it were asked in their order.
    """
    values = np.full((len(table.rows), len(table.names)), np.nan)
    for stage in range(len(table.names)):
        rows = np.flatnonzero(table.has_answer[:, stage])
        if len(rows):
            cascades = [table.rows[at].before(range(stage + 1)) for at in rows]
            values[rows, stage] = signal.values(state, cascades)
    return values
