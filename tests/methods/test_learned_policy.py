"""A learned policy of a cascade: what it asks, what it takes, and when it stops."""

from dataclasses import replace

import numpy as np
import pytest
from cascade_rows import answered, drawn

from composer.methods.cascade_replay import accepting
from composer.methods.estimators.learned import Linear
from composer.methods.estimators.shapes import Lengthy
from composer.methods.mistakes import PartError
from composer.methods.post_hoc.learned_policy import LearnedPolicy
from composer.values import Fitted, ModelError

NAMES = ("A", "B", "C")
ROUTER = Linear(features=Lengthy())


@pytest.fixture(scope="module")
def table():
    return drawn(200, 0.5, 0.7, 0.9)


def fitted(table, **options):
    part = LearnedPolicy(router=ROUTER, **options)
    return part.bound(Fitted.of((), 0, state=part.fit(table, 0)))


@pytest.fixture(scope="module")
def policies(table):
    """Policies at three prices; the stages cost 1, 4 and 16 dollars per thousand answers."""
    return {cost: fitted(table, cost=cost) for cost in (0.0, 0.01, 1.0)}


def test_a_dearer_dollar_is_spent_less_often(policies):
    held_out = drawn(100, 0.5, 0.7, 0.9, seed=1)
    spent = [float(np.mean(accepting(held_out, each).cost)) for each in policies.values()]
    assert spent == sorted(spent, reverse=True)
    assert spent[2] == pytest.approx(0.001)


def test_without_costs_it_is_as_good_as_the_best_stage(policies):
    held_out = drawn(150, 0.5, 0.7, 0.9, seed=2)
    quality = np.mean(accepting(held_out, policies[0.0]).quality)
    assert quality > np.mean(held_out.quality[:, 2]) - 0.02


def test_it_saves_where_a_cheap_answer_is_sure(policies):
    held_out = drawn(150, 0.5, 0.7, 0.9, seed=3)
    found = accepting(held_out, policies[0.01])
    assert np.mean(found.quality) > 0.8
    assert np.mean(found.cost) < 0.9 * 0.016


def test_it_stops_when_two_answers_agree(policies):
    unsure = (0.3, 0.3, 0.3)
    state = answered(NAMES, ("x", "x", None), unsure)
    assert policies[0.0].move(state).stage in (0, 1)
    apart = policies[0.0].model_copy(update={"agree": False, "threshold": 1.0})
    assert apart.move(answered(NAMES, ("x", "y", None), unsure)).stage == 2


@pytest.mark.parametrize(("steps", "asked"), [(1, 1), (2, 2)])
def test_it_stops_after_its_steps(table, steps, asked):
    part = fitted(table, steps=steps, agree=False, threshold=1.0)
    assert accepting(table.taken(range(60)), part).asked.sum(1).max() <= asked


def test_it_stops_at_its_threshold(policies):
    state = answered(NAMES, ("x", None, None), (0.9, 0, 0))
    easy = policies[0.0].model_copy(update={"threshold": 0.1})
    move = easy.move(state)
    assert move.stage == 0
    assert move.facts["chance"] > 0.1


def test_a_failed_stage_is_not_asked_again(policies):
    state = answered(NAMES, (None, None, None), None).with_failure(2)
    assert policies[0.0].move(state).stage in (0, 1)


def test_one_row_worked_by_hand():
    """Two stages, of which the first is right where it is sure: asking on pays only in doubt."""
    table = drawn(300, 0.5, 1.0, seed=4)
    part = fitted(table, cost=0.02, agree=False, threshold=1.0)
    names = ("A", "B")
    assert part.move(answered(names, ("x", None), (0.95, 0))).stage == 0
    assert part.move(answered(names, ("x", None), (0.1, 0))).stage == 1


def test_costs_that_are_not_known_are_an_error(table):
    nameless = [
        replace(
            row,
            state=replace(
                row.state,
                answers={at: replace(a, cost=float("nan")) for at, a in row.state.answers.items()},
            ),
        )
        for row in table.rows[:20]
    ]
    unpriced = replace(table, rows=tuple(nameless))
    with pytest.raises(PartError, match="no known cost"):
        LearnedPolicy(router=ROUTER, cost=0.1).fit(unpriced, 0)
    assert LearnedPolicy(router=ROUTER).fit(unpriced, 0).facts["part"] == "learned_policy"


def test_it_must_be_fitted_for_these_stages(policies):
    with pytest.raises(ModelError, match="not fitted"):
        LearnedPolicy().move(answered(NAMES, (None, None, None)))
    with pytest.raises(ModelError, match="A, B, C"):
        policies[0.0].move(answered(("A", "B"), (None, None)))
