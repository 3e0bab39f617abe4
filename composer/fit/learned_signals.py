"""Learned signals in a table: each value is by a fit that did not see its row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.heavy import np
from composer.methods.estimators.folds import shuffled
from composer.methods.signals.learned import LearnedSignal, with_inner

if TYPE_CHECKING:
    from collections.abc import Iterable

    from composer.fit.settings import FitSettings
    from composer.methods.cascade_table import CascadeTable
    from composer.methods.estimators.values import Floats
    from composer.methods.signals.base import Signal
    from composer.values import State


def with_learned(
    table: CascadeTable, signals: Iterable[Signal], settings: FitSettings
) -> CascadeTable:
    """Return a table with the values of the learned ones among signals, inner ones first.

    Each value is by a fit of the other folds, so what is fitted on the table sees values as new
    questions have them.
    """
    for signal in with_inner(signals):
        if isinstance(signal, LearnedSignal):
            table = _with_values(table, signal, settings)
    return table


def _with_values(table: CascadeTable, signal: LearnedSignal, settings: FitSettings) -> CascadeTable:
    """Return a table with the values of one signal; parts of one fit share them."""
    key = (table.digest, len(table.rows), table.names, signal)
    if key not in settings.tables:
        values = np.full((len(table.rows), len(table.names)), np.nan)
        if signal.open:
            for training, held_out in shuffled(table.queries, settings.folds, settings.seed):
                state = signal.fit(table.taken(training), settings.seed)
                values[held_out] = signal_values(signal, state, table.taken(held_out))
        else:
            values = signal_values(signal, signal.state(), table)
        settings.tables[key] = values
    return table.with_signal(str(signal), settings.tables[key])


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
