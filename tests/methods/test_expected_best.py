"""The policy of cascade routing, and the route and the cascade that it contains."""

import math
import random

import pytest

from composer.methods import Choice, Estimates, One
from composer.methods.policies.expecting import ExpectedBest

RNG = random.Random(0)
DRAWS = [random.Random(seed) for seed in range(60)]


def weigh(policy, estimates, prices):
    choices = tuple(
        Choice(name, recorded_cost=price / 1000)
        for name, price in zip("ABCDE", prices, strict=False)
    )
    return policy.weigh(estimates, choices, RNG)


def asked(policy, quality, prices, answered=(), **best):
    """Return the stage that is chosen; `best` has the expected best of sets, such as `AB = 0.9`."""
    expected = {frozenset(map("ABCDE".index, names)): value for names, value in best.items()}
    estimates = Estimates(tuple(quality), answered=frozenset(answered), expected_best=expected)
    return weigh(policy, estimates, prices).index(1.0)


def any_case(rng):
    count = rng.randint(2, 5)
    quality = [rng.random() for _ in range(count)]
    return rng.choice([0.0, 0.05, 0.3]), quality, [rng.uniform(0.1, 5) for _ in range(count)]


@pytest.mark.parametrize("rng", DRAWS)
def test_where_answers_tell_nothing_of_others_it_is_a_route(rng):
    cost, quality, prices = any_case(rng)
    one = weigh(One(cost=cost), Estimates(tuple(quality)), prices)
    assert weigh(ExpectedBest(cost=cost), Estimates(tuple(quality)), prices) == one
    first = one.index(1.0)
    after = Estimates(tuple(quality), answered=frozenset({first}))
    assert weigh(ExpectedBest(cost=cost), after, prices) == one


@pytest.mark.parametrize("rng", DRAWS)
def test_with_one_stage_at_most_it_is_a_route(rng):
    cost, quality, prices = any_case(rng)
    best = {"AB": 1.0, "ABC": 1.0} if len(quality) > 2 else {"AB": 1.0}
    policy = ExpectedBest(cost=cost, most=1)
    one = weigh(One(cost=cost), Estimates(tuple(quality)), prices).index(1.0)
    assert asked(policy, quality, prices, **best) == one
    assert asked(policy, quality, prices, answered=[one], **best) == one


@pytest.mark.parametrize("rng", DRAWS)
def test_in_the_order_written_it_is_a_cascade_with_a_threshold_on_what_the_next_stage_brings(rng):
    cost, quality, prices = any_case(rng)
    best = max(quality[:2]) + rng.uniform(0, 0.2)
    policy = ExpectedBest(cost=cost, order="written", most=2)
    goes_on = best - cost * prices[1] > quality[0]
    assert asked(policy, quality, prices) == 0
    assert asked(policy, quality, prices, answered=[0], AB=best) == int(goes_on)


@pytest.mark.parametrize("rng", DRAWS)
def test_the_dearer_a_dollar_the_less_is_spent(rng):
    _, quality, prices = any_case(rng)
    names = "ABCDE"[: len(quality)]
    best = {names[:2]: max(quality[:2]) + 0.1, names: max(quality) + 0.15}
    spent = []
    for cost in (0.0, 0.01, 0.05, 0.2, 1.0):
        stage = asked(ExpectedBest(cost=cost), quality, prices, answered=[0], **best)
        spent.append(stage > 0)
    assert spent == sorted(spent, reverse=True)


def test_of_the_best_set_the_cheapest_is_asked_first_not_the_one_written_first():
    assert asked(ExpectedBest(cost=0.01), [0.5, 0.5, 0.5], [3.0, 1.0, 2.0], ABC=0.9) == 1
    assert asked(ExpectedBest(order="written"), [0.5, 0.5, 0.5], [3.0, 1.0, 2.0], ABC=0.9) == 0


def test_the_best_answer_is_taken_not_the_latest():
    assert asked(ExpectedBest(), [0.9, 0.4], [1.0, 1.0], answered=[0, 1]) == 0


def test_a_failed_stage_is_neither_asked_nor_taken():
    assert asked(ExpectedBest(), [-math.inf, 0.4, 0.2], [1, 1, 1], ABC=0.99) == 1
    assert asked(ExpectedBest(), [0.3, -math.inf], [1, 1], answered=[0], AB=0.99) == 0


def test_costs_need_not_be_known_where_they_do_not_count():
    estimates = Estimates((0.2, 0.6))
    choices = (Choice("A"), Choice("B"))
    assert ExpectedBest().weigh(estimates, choices, RNG) == (0.0, 1.0)
