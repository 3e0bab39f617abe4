"""Replays of a cascade decide as the cascade does, also where stages fail."""

import random
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
from cascade_rows import drawn

from composer.methods import Choice, One
from composer.methods.acceptances.certified import Certified
from composer.methods.acceptances.replay import Replay
from composer.methods.acceptances.search import Aim, _Search, search
from composer.methods.acceptances.thresholds import Thresholds
from composer.methods.cascade_replay import accepting, choosing
from composer.methods.estimators.values import Estimates
from composer.values import Fitted, State


def failing(table, *failures):
    """Let stages fail: each a row and a stage."""
    rows = list(table.rows)
    for at, stage in failures:
        state, quality = rows[at].state, list(rows[at].quality)
        answers = {each: answer for each, answer in state.answers.items() if each != stage}
        state = replace(state, answers=MappingProxyType(answers), failed=state.failed | {stage})
        quality[stage] = None
        rows[at] = replace(rows[at], state=state, quality=tuple(quality))
    return replace(table, rows=tuple(rows))


TABLE = failing(
    drawn(120, 0.5, 0.7, 0.9), *((at, at % 3) for at in range(60)), (0, 1), (1, 2), (1, 0), (5, 1)
)


@pytest.mark.parametrize("first", [0.5, np.inf])
def test_thresholds_replayed_together_come_to_what_the_part_decides(first):
    part = Certified(skip=True)
    arrays = {
        "asked": np.array([np.isfinite(first), True]),
        "thresholds": np.array([first if np.isfinite(first) else 0.0, 0.6]),
        "sign": np.ones(1),
    }
    state = State(arrays, {"part": "certified", "names": list(TABLE.names)})
    decided = accepting(TABLE, part.bound(Fitted.of(TABLE.names, 120, state=state)))
    replay = Replay.of(TABLE, part.of, None, skips=True)
    runs = replay.run(np.array([[first, 0.6, -np.inf]]))
    assert decided.chosen.tolist() == runs.stage[0].tolist()
    assert decided.asked.sum(1).tolist() == runs.calls[0].tolist()
    assert decided.cost == pytest.approx(runs.cost[0])


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2), (2, 0, 1), (1,)])
def test_the_search_rates_thresholds_as_the_part_decides(order):
    table, thresholds = drawn(120, 0.5, 0.7, 0.9), np.array([0.5, 0.6])[: len(order) - 1]
    arrays = {"order": np.array(order), "thresholds": thresholds, "sign": np.ones(1)}
    state = State(arrays, {"part": "thresholds", "names": list(table.names)})
    part = Thresholds(reorder=True).bound(Fitted.of(table.names, 120, state=state))
    decided = accepting(table, part)
    rated = _Search.of(table, "confidence", Aim())
    cost, quality, share = rated.outcomes(order, thresholds[None])
    assert cost[0] == pytest.approx(decided.cost.mean())
    assert quality[0] == pytest.approx(decided.quality.mean())
    assert share[0] == decided.asked[:, rated.strong].mean()


def test_a_stage_that_is_surer_than_a_better_one_turns_no_signal_round():
    table = drawn(400, 0.3, 0.9, 0.95)
    signal = table.signal("confidence") / 4 + [0.7, 0.0, 0.0]
    setting = search(table.with_signal("confidence", signal), "confidence", Aim(cost=0.006), None)
    assert setting.sign == 1
    assert setting.order == (1, 2)


def test_after_a_failure_the_next_stage_of_the_order_is_asked():
    arrays = {"order": np.array([2, 1]), "thresholds": np.array([0.5]), "sign": np.ones(1)}
    state = State(arrays, {"part": "thresholds", "names": list(TABLE.names)})
    part = Thresholds(reorder=True).bound(Fitted.of(TABLE.names, 120, state=state))
    decided = accepting(TABLE, part)
    assert decided.asked[2].tolist() == [False, True, True]
    assert decided.chosen[2] == 1


def test_after_a_failure_the_policy_chooses_again():
    choices = tuple(Choice(name) for name in TABLE.names)
    estimates = Estimates((0.1, 0.5, 0.9))
    decided = choosing(TABLE, lambda *_: estimates, One(), choices, random.Random(0))
    assert decided.asked[2].tolist() == [False, True, True]
    assert decided.chosen[2] == 1
