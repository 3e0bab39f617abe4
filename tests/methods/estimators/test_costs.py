"""The cost of an answer: by the query's length, from costs that are known."""

import math

import numpy as np
import pytest

from composer.data import cost_of
from composer.methods import Choice, Linear
from composer.methods.estimators.bandits import reward_of
from composer.methods.estimators.costs import (
    cost_lines,
    known_means,
    line_costs,
    required_costs,
    without_cost,
    without_gaps,
)
from composer.methods.estimators.means import Constant
from composer.methods.estimators.values import Labels
from composer.methods.mistakes import PartError

ROWS = 30


def labels(*columns):
    """Return labels of queries of 1, 2, 3, ... characters, with a column of costs a choice."""
    cost = np.array(columns, dtype=float).T
    queries = tuple("x" * (1 + at) for at in range(len(cost)))
    names = tuple("ABC"[: len(columns)])
    quality = np.tile(np.arange(len(cost))[:, None] % 2, (1, len(columns))).astype(float)
    return Labels(queries, ((),) * len(cost), names, quality, cost, np.full_like(cost, np.nan))


def dollars(table, *lengths):
    return line_costs(cost_lines(table), [("x" * each, ()) for each in lengths]).tolist()


def test_a_cost_that_grows_with_the_query_is_a_line():
    table = labels([0.5 + 0.25 * at for at in range(1, ROWS + 1)])
    assert dollars(table, 0, 10, 100) == pytest.approx(np.array([[0.5], [3.0], [25.5]]))


@pytest.mark.parametrize(
    ("costs", "told"),
    [
        ([at - 5.0 if at > 5 else 0.0 for at in range(1, ROWS + 1)], None),
        ([float(ROWS - at) for at in range(ROWS)], 15.5),
        ([1.0, 3.0], 2.0),
        ([2.0] * ROWS, 2.0),
    ],
)
def test_no_line_falls_or_begins_below_nothing(costs, told):
    none, long = dollars(labels(costs), 0, 50)
    assert 0 <= none[0] <= long[0]
    if told is not None:
        assert none[0] == long[0] == pytest.approx(told)


def test_a_row_without_a_cost_is_told_by_the_others_and_a_choice_without_any_by_none():
    line = [float(at) for at in range(1, ROWS + 1)]
    table = labels([*line[:-1], math.nan], [math.nan] * ROWS)
    filled = without_gaps(table).cost
    assert filled[:, 0] == pytest.approx(line)
    assert np.isnan(filled[:, 1]).all()
    assert known_means(table) == {"A": pytest.approx(15.0), "B": None}
    assert without_gaps(labels(line)).cost[:, 0].tolist() == line


def test_a_reward_needs_every_cost_only_where_money_counts():
    table = labels([1.0, math.nan], [math.nan, math.nan])
    assert reward_of(table, 0.0, "linucb").tolist() == table.quality.tolist()
    with pytest.raises(PartError, match="`linucb` needs costs, but the cost of `B` is not"):
        reward_of(table, 0.1, "linucb")
    known = labels([1.0, math.nan], [2.0, 4.0])
    assert required_costs(known, "head").tolist() == [[1.0, 2.0], [1.0, 4.0]]


def test_what_an_estimator_predicts_comes_before_the_line():
    costs = [0.001 * at for at in range(1, ROWS + 1)]
    table = labels(costs, [0.1] * ROWS)
    choices = (Choice("A"), Choice("B"))

    def judged(part):
        learnt = part._learn(table)
        return part.bound(learnt).judge([("x" * 10, ())], choices)[0].cost

    assert judged(Linear()) == pytest.approx((0.01, 0.1))
    assert judged(Constant()) == pytest.approx((0.0155, 0.1))


@pytest.mark.parametrize(
    ("outcome", "price", "told"),
    [
        ({"cost": 7}, None, 7.0),
        ({}, None, None),
        ({}, (1.0, 1.0), None),
        ({}, (0.0, 0.0), 0.0),
        ({"cost": 7}, (1.0, 1.0), 7.0),
        ({"cost": 7, "prompt_tokens": 10, "completion_tokens": 20}, (1.0, 2.0), 5e-05),
        ({"cost": 7, "completion_tokens": 20}, (1.0, 2.0), 7.0),
        ({"completion_tokens": 20}, (0.0, 2.0), 4e-05),
        ({"completion_tokens": 20}, (1.0, 2.0), None),
        ({"cost": 7, "prompt_tokens": 10, "completion_tokens": 20}, None, 7.0),
    ],
)
def test_tokens_at_a_price_come_before_a_recorded_cost(outcome, price, told):
    assert cost_of(outcome, price) == (told if told is None else pytest.approx(told))


def test_choices_whose_cost_nothing_tells_are_named():
    choices = (Choice("A"), Choice("B", price=(1.0, 1.0)), Choice("C", recorded_cost=0.0))
    assert without_cost(choices) == ["A"]
    assert without_cost(choices, {"A": 0.0}) == []
