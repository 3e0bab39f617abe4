"""A cascade's decisions, replayed on rows of which every stage's answer is there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from composer.heavy import np

if TYPE_CHECKING:
    import random

    from numpy.typing import NDArray

    from composer.methods.acceptances.base import Acceptance
    from composer.methods.cascade_state import CascadeState
    from composer.methods.cascade_table import CascadeTable
    from composer.methods.estimators.values import Choice, Estimates, Floats
    from composer.methods.policies.base import Weigher

Order: TypeAlias = tuple[int, ...]
"""The stages that were asked, in the order of asking."""

Decide: TypeAlias = Callable[[int, Order], int]
"""Says which stage is asked next, or taken if it was asked, for a row and what was asked so far."""

EstimatesAfter: TypeAlias = Callable[[int, Order], "Estimates"]
"""Gives the estimates of a row after some stages were asked."""


@dataclass(frozen=True, eq=False)
class Replayed:
    """What a cascade's decisions came to on n rows of k stages.

    `chosen` [n] is the stage whose answer was taken, -1 where all failed; `asked` [n, k] says which
    were asked; `quality` [n] is that of the answer, NaN where unknown and 0 where there is none;
    `cost` [n] is the dollars of all that was asked, NaN where unknown.
    """

    chosen: NDArray[np.intp]
    asked: NDArray[np.bool_]
    quality: Floats
    cost: Floats


def replayed(table: CascadeTable, decide: Decide) -> Replayed:
    """Replay the decisions of a cascade on the rows of a table, from the first to the last."""
    count = len(table.names)
    chosen = np.full(len(table.rows), -1, dtype=np.intp)
    asked = np.zeros((len(table.rows), count), dtype=bool)
    for at, row in enumerate(table.rows):
        order = table.begun
        while True:
            stage = decide(at, order)
            if stage in order:
                chosen[at] = stage if stage in row.state.answers else -1
                break
            order = (*order, stage)
        asked[at, list(order)] = True
    return replayed_outcomes(table, chosen, asked)


def replayed_outcomes(
    table: CascadeTable, chosen: NDArray[np.intp], asked: NDArray[np.bool_]
) -> Replayed:
    """Return what taking these answers after asking these stages comes to."""
    rows = np.arange(len(chosen))
    quality = np.where(chosen < 0, 0.0, table.quality[rows, chosen])
    cost = np.where(asked & table.has_answer, table.cost, 0.0).sum(1)
    return Replayed(chosen, asked, quality, cost)


def accepting(table: CascadeTable, acceptance: Acceptance) -> Replayed:
    """Replay a cascade that decides by an acceptance."""

    def decide(at: int, order: Order) -> int:
        state = table.rows[at].before(order)
        if (forced := _next_after_failures(table, state, order)) is not None:
            return forced
        if state.latest is not None and not state.open:
            return state.latest
        return acceptance.move(state).stage

    return replayed(table, decide)


def choosing(
    table: CascadeTable,
    estimates: EstimatesAfter,
    weigher: Weigher,
    choices: tuple[Choice, ...],
    rng: random.Random,
) -> Replayed:
    """Replay a cascade that decides by estimates and a policy."""

    def decide(at: int, order: Order) -> int:
        state = table.rows[at].before(order)
        if (forced := _next_after_failures(table, state, order)) is not None:
            return forced
        if state.latest is not None and not state.open and len(state.answers) == 1:
            return state.latest
        return chosen_stage(weigher, estimates(at, order), choices, state, rng)

    return replayed(table, decide)


def _next_after_failures(table: CascadeTable, state: CascadeState, order: Order) -> int | None:
    """Return the stage that follows without a decision, None where something decides.

    None decides where every stage failed, or where an answer before the stages did: then the
    question is not known.
    """
    if state.latest is not None or not (table.begun or not state.open):
        return None
    return next(iter(state.open), order[-1])


def chosen_stage(
    weigher: Weigher,
    estimates: Estimates,
    choices: tuple[Choice, ...],
    state: CascadeState,
    rng: random.Random,
) -> int:
    """Return the stage with most weight; one that failed has no quality."""
    quality = [-math.inf if at in state.failed else q for at, q in enumerate(estimates.quality)]
    known = replace(estimates, quality=tuple(quality), answered=state.answered)
    weights = weigher.weigh(known, choices, rng)
    live = [at for at in range(len(choices)) if at not in state.failed]
    return max(live, key=lambda at: weights[at])
