import itertools
import math
import random
from collections import Counter

import numpy as np
import pytest

from composer.methods import (
    Blend,
    Budget,
    Chance,
    Cheapest,
    Choice,
    Estimates,
    Explore,
    Gap,
    One,
    Optimistic,
    Paced,
    Several,
    Spend,
    Thompson,
    Threshold,
)
from composer.methods.mistakes import PartError
from composer.methods.policies.assigning import assign, multiplier
from composer.methods.policies.base import around, costs, softmax
from composer.methods.policies.recruiting import Recruit

RNG = random.Random(0)


def weigh(policy, *quality, prices=None, rng=RNG, **known):
    return policy.weigh(Estimates(quality, **known), named(prices or [None] * len(quality)), rng)


def named(prices):
    pairs = zip("ABCDEFGH", prices, strict=False)
    return tuple(Choice(name, price=price and (price, price)) for name, price in pairs)


def drawn(policy, *quality, times=4000, **known):
    rng = random.Random(3)
    found = Counter(weigh(policy, *quality, rng=rng, **known).index(1.0) for _ in range(times))
    return [found[index] / times for index in range(len(quality))]


def test_one_takes_the_best():
    assert weigh(One(), 0.2, 0.9, 0.5) == (0.0, 1.0, 0.0)


def test_one_takes_the_first_of_equals():
    assert weigh(One(), 0.5, 0.5) == (1.0, 0.0)


def test_one_sets_price_against_quality():
    assert weigh(One(cost=0.1), 0.6, 0.9, prices=[1.0, 3.0]) == (0.0, 1.0)
    assert weigh(One(cost=0.2), 0.6, 0.9, prices=[1.0, 3.0]) == (1.0, 0.0)


def test_a_cost_that_is_not_known_is_an_error_where_it_is_needed():
    for policy in (One(cost=1.0), Cheapest(), Budget(mean=1), Spend(total=1), Optimistic(cost=1)):
        assert policy.needs_costs
        with pytest.raises(PartError, match="the cost of `A` is not known"):
            weigh(policy, 0.5, 0.9, prices=[None, 1.0])
    for policy in (One(), Optimistic(), Threshold()):
        assert not policy.needs_costs
        assert weigh(policy, 0.4, 0.9, prices=[None, 1.0]) == (0.0, 1.0)


def test_several_keeps_the_k_best():
    weights = weigh(Several(k=2), 0.0, math.log(3), -1.0)
    assert weights == pytest.approx((0.25, 0.75, 0.0))


def test_recruits_are_drawn_with_replacement_by_their_quality():
    """Of 3,000 draws a quality of 3 has three times as many as one of 1; 0 and less has none."""
    weights = weigh(Recruit(k=3000), 3.0, 1.0, 0.0, -2.0, rng=random.Random(1))
    assert weights[:2] == (pytest.approx(0.75, abs=0.03), pytest.approx(0.25, abs=0.03))
    assert weights[2:] == (0, 0)
    assert sum(weigh(Recruit(), 1.0, 1.0, rng=random.Random(0))) == pytest.approx(1)


def test_recruits_without_a_positive_quality_are_raised():
    """-1 and -3 become 3 and 1."""
    weights = weigh(Recruit(k=3000), -1.0, -3.0, rng=random.Random(1))
    assert weights == (pytest.approx(0.75, abs=0.03), pytest.approx(0.25, abs=0.03))


def test_a_recruit_without_a_known_quality_has_no_chance_unless_all_have_none():
    assert weigh(Recruit(), math.nan, 0.5) == (0, 1)
    assert weigh(Recruit(), math.nan, -0.5) == (0, 1)
    assert sum(weigh(Recruit(), math.nan, math.nan)) == pytest.approx(1)


def test_several_may_ask_for_more_than_there_are():
    assert sum(weigh(Several(k=9), 0.1, 0.2)) == pytest.approx(1.0)


def test_blend_is_a_softmax():
    assert weigh(Blend(), 0.0, math.log(3)) == pytest.approx((0.25, 0.75))


def test_blend_is_sharper_when_cold():
    assert weigh(Blend(temperature=0.5), 0.0, math.log(3)) == pytest.approx((0.1, 0.9))


def test_blend_drops_what_is_below_the_floor_and_shares_its_weight():
    weights = weigh(Blend(floor=0.05), math.log(48), math.log(48), math.log(4))
    assert weights == (0.5, 0.5, 0.0)


def test_the_floor_itself_runs():
    assert all(weigh(Blend(floor=0.25), math.log(3), 0.0))


def test_the_best_runs_whatever_the_floor():
    assert weigh(Blend(floor=0.9), 1.0, 1.1, 1.0) == (0.0, 1.0, 0.0)


def test_perplexity_of_minus_infinity_has_no_weight():
    assert weigh(Blend(), -math.inf, 0.0) == (0.0, 1.0)


def test_threshold_takes_the_first_that_is_good_enough():
    assert weigh(Threshold(at=0.5), 0.4, 0.5, 0.9) == (0.0, 1.0, 0.0)


def test_threshold_falls_back_on_the_last():
    assert weigh(Threshold(at=0.95), 0.4, 0.5, 0.9) == (0.0, 0.0, 1.0)


def test_policies_say_whether_they_choose_many():
    assert (One.many, Threshold.many, Several.many, Blend.many) == (False, False, True, True)


def test_a_softmax_of_large_numbers():
    assert softmax((1000.0, 1000.0)) == (0.5, 0.5)
    assert softmax((-math.inf, -math.inf)) == (0.5, 0.5)


def test_costs_are_estimated_else_recorded_else_told_by_the_price():
    estimates = Estimates((0.5, 0.5, 0.5), cost=(0.002, math.nan, math.nan))
    recorded = Choice("C", price=(3.0, 3.0), recorded_cost=0.5)
    choices = (*named([9.0, 3.0]), recorded)
    assert costs(estimates, choices) == pytest.approx((2.0, 3.0, 500.0))
    assert costs(Estimates((0.5,)), (Choice("A", price=(1.0, 5.0)),)) == pytest.approx((3.0,))


def test_one_prefers_what_an_answer_is_expected_to_cost_over_its_price():
    choices = {"prices": [1.0, 9.0], "cost": (0.009, 0.001)}
    assert weigh(One(cost=0.1), 0.5, 0.5, **choices) == (0.0, 1.0)


def test_several_leaves_out_those_below_the_line_but_never_the_best():
    assert weigh(Several(k=3, at=0.5), 0.9, 0.4, 0.9) == pytest.approx((0.5, 0.0, 0.5))
    assert weigh(Several(k=3, at=0.95), 0.1, 0.4, 0.2) == (0.0, 1.0, 0.0)


def test_gap_asks_the_last_where_it_gains_enough():
    assert weigh(Gap(at=0.25), 0.5, 0.75) == (0.0, 1.0)
    assert weigh(Gap(at=0.26), 0.5, 0.75) == (1.0, 0.0)
    assert weigh(Gap(), 0.5, 0.5) == (1.0, 0.0)
    assert weigh(Gap(), 0.3, 0.1 + 0.2) == (1.0, 0.0)
    assert weigh(Gap(at=-0.1), 0.5, 0.5) == (0.0, 1.0)


def test_gap_compares_with_the_best_of_the_others():
    assert weigh(Gap(at=0.25), 0.125, 0.75, 0.875) == (0.0, 1.0, 0.0)
    assert weigh(Gap(), 0.3) == (1.0,)


def test_cheapest_takes_the_cheapest_good_enough():
    prices = [5.0, 2.0, 1.0]
    assert weigh(Cheapest(at=0.6), 0.9, 0.7, 0.5, prices=prices) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize(("otherwise", "index"), [("best", 1), ("dearest", 0), ("cheapest", 2)])
def test_cheapest_without_any_good_enough(otherwise, index):
    policy = Cheapest(at=1.0, otherwise=otherwise)
    assert weigh(policy, 0.5, 0.7, 0.6, prices=[5.0, 2.0, 1.0]).index(1.0) == index


def test_cheapest_settles_equal_costs_by_quality_then_order():
    assert weigh(Cheapest(), 0.6, 0.8, 0.8, prices=[1.0] * 3) == (0.0, 1.0, 0.0)


def test_chance_draws_each_as_often():
    assert drawn(Chance(), 0.9, 0.1) == pytest.approx([0.5, 0.5], abs=0.03)


def test_chance_draws_by_the_estimates_where_asked():
    odds = Chance(odds="estimated")
    assert drawn(odds, 0.6, 0.2, -1.0) == pytest.approx([0.75, 0.25, 0.0], abs=0.03)
    assert drawn(odds, 0.0, 0.0) == pytest.approx([0.5, 0.5], abs=0.03)


def decided(policy, quality, prices):
    estimates = [Estimates(tuple(row)) for row in quality]
    return [weights.index(1.0) for weights in policy.decide(estimates, named(prices), RNG)]


def test_a_budget_goes_to_the_query_that_gains_most():
    """One dear answer at 3 dollars and two cheap ones at 1 are 5 dollars, 5/3 a query."""
    quality = [(0.5, 0.6), (0.2, 0.9), (0.8, 0.8)]
    assert decided(Budget(mean=5 / 3), quality, [1.0, 3.0]) == [0, 1, 0]
    assert decided(Budget(mean=2.4), quality, [1.0, 3.0]) == [1, 1, 0]


def test_a_budget_that_nothing_binds_is_the_best_choice_the_cheaper_of_equals():
    assert decided(Budget(mean=99.0), [(0.5, 0.6), (0.8, 0.8)], [1.0, 3.0]) == [1, 0]


def test_a_budget_below_the_cheapest_gets_the_cheapest():
    assert decided(Budget(mean=0.5), [(0.5, 0.6), (0.1, 0.8)], [1.0, 3.0]) == [0, 0]


def test_no_queries_need_no_budget():
    assert Budget(mean=1.0).decide([], named([1.0]), RNG) == []


def test_the_integer_program_is_the_best_of_all_assignments():
    rng = np.random.default_rng(0)
    for _ in range(10):
        quality, cost = rng.random((5, 3)), rng.random((5, 3))
        budget = float(np.quantile(cost.sum(1), 0.3)) * 2.5
        every = [list(each) for each in itertools.product(range(3), repeat=5)]
        rows = np.arange(5)
        within = [each for each in every if cost[rows, each].sum() <= budget]
        best = max(quality[rows, each].sum() for each in within)
        chosen = assign(quality, cost, budget)
        assert cost[rows, chosen].sum() <= budget + 1e-9
        assert quality[rows, chosen].sum() == pytest.approx(best)


def test_the_multiplier_keeps_within_the_budget_and_close_to_the_program():
    rng = np.random.default_rng(1)
    quality, cost = rng.random((500, 4)), rng.random((500, 4))
    budget, rows = 120.0, np.arange(500)
    price = multiplier(quality, cost, budget)
    chosen = (quality - price * cost).argmax(1)
    assert 118 < cost[rows, chosen].sum() <= budget + 1e-6
    best = quality[rows, assign(quality, cost, budget)].sum()
    assert quality[rows, chosen].sum() == pytest.approx(best, rel=0.01)


def test_the_multiplier_is_nothing_where_money_is_plenty_and_infinite_where_it_never_suffices():
    quality, cost = np.array([[0.2, 0.9]]), np.array([[1.0, 2.0]])
    assert multiplier(quality, cost, 2.0) == 0.0
    assert multiplier(quality, cost, 0.5) == math.inf


def test_one_query_of_a_budget_is_a_program_of_one():
    assert weigh(Budget(mean=2.0), 0.5, 0.7, 0.9, prices=[1.0, 2.0, 3.0]) == (0.0, 1.0, 0.0)
    assert weigh(Budget(mean=0.0), 0.5, 0.7, prices=[1.0, 2.0]) == (1.0, 0.0)


def test_one_query_of_a_budget_with_its_multiplier():
    policy = Budget(mean=2.0, multiplier=0.1)
    assert weigh(policy, 0.5, 0.7, 0.9, prices=[1.0, 2.0, 5.0]) == (0.0, 1.0, 0.0)


def test_a_paced_price_moves_with_what_was_spent():
    """Price 0: the dear one. Price .5 (3 / 1 - 1 = 2, times .25): .9 - 1.5 < .5 - .5."""
    policy = Paced(mean=1.0, rate=0.25).begin()
    found = [weigh(policy, 0.5, 0.9, prices=[1.0, 3.0]).index(1.0) for _ in range(2)]
    assert found == [1, 0]


def test_a_paced_stream_spends_its_mean():
    policy, rng = Paced(mean=1.5).begin(), random.Random(0)
    spent = 0.0
    for _ in range(5000):
        chosen = weigh(policy, 0.5, rng.uniform(0.3, 1.0), prices=[1.0, 3.0]).index(1.0)
        spent += (1.0, 3.0)[chosen]
    assert spent / 5000 == pytest.approx(1.5, abs=0.02)


def test_spend_pays_for_the_best_until_the_money_is_gone():
    policy = Spend(total=0.007).begin()
    found = [weigh(policy, 0.5, 0.9, prices=[1.0, 3.0]).index(1.0) for _ in range(4)]
    assert found == [1, 1, 0, 0]


def test_accounts_are_no_options():
    spent = Spend(total=1.0)
    weigh(spent.begin(), 0.5, 0.9, prices=[1.0, 3.0])
    assert spent == Spend(total=1.0)
    assert hash(spent) == hash(Spend(total=1.0))


def test_explore_draws_any_choice_now_and_then():
    assert drawn(Explore(epsilon=0.4), 0.2, 0.9) == pytest.approx([0.2, 0.8], abs=0.03)
    assert drawn(Explore(epsilon=0.0), 0.2, 0.9) == [0.0, 1.0]


def test_optimistic_tries_what_is_uncertain():
    spread = {"spread": (0.3, 0.05)}
    assert weigh(Optimistic(width=1.0), 0.5, 0.7, **spread) == (1.0, 0.0)
    assert weigh(Optimistic(width=0.5), 0.5, 0.7, **spread) == (0.0, 1.0)


def test_an_unknown_spread_is_none():
    assert weigh(Optimistic(), 0.5, 0.7) == (0.0, 1.0)
    assert weigh(Optimistic(), 0.5, 0.7, spread=(math.nan, math.nan)) == (0.0, 1.0)
    assert drawn(Thompson(), 0.5, 0.7, times=50) == [0.0, 1.0]


def test_thompson_draws_as_often_as_a_choice_may_be_best():
    """Two equal normal draws: each is the greater one half of the time; far apart, never."""
    assert drawn(Thompson(), 0.5, 0.5, spread=(0.1, 0.1)) == pytest.approx([0.5, 0.5], abs=0.03)
    assert drawn(Thompson(), 0.1, 0.9, spread=(0.1, 0.1)) == pytest.approx([0.0, 1.0], abs=0.01)


@pytest.mark.parametrize("policy", [Explore(epsilon=0.0, cost=0.2), Optimistic(cost=0.2)])
def test_what_explores_counts_cost_too(policy):
    assert weigh(policy, 0.6, 0.9, prices=[1.0, 3.0]) == (1.0, 0.0)


BANDITS = [Explore(epsilon=0.1), Optimistic(width=2.0), Thompson()]


@pytest.mark.parametrize("policy", BANDITS)
def test_a_bandit_with_feedback_beats_chance(policy):
    """Two arms of .3 and .7; means and standard errors are learnt from what was tried."""
    rng, tried, won = random.Random(5), [1, 1], [0.5, 0.5]
    reward = 0.0
    for _ in range(1000):
        quality = [w / n for w, n in zip(won, tried, strict=True)]
        spread = tuple(0.5 / n**0.5 for n in tried)
        arm = weigh(policy, *quality, spread=spread, rng=rng).index(1.0)
        gain = float(rng.random() < (0.3, 0.7)[arm])
        tried[arm] += 1
        won[arm] += gain
        reward += gain
    assert reward / 1000 > 0.62


@pytest.mark.parametrize(
    "policy",
    [One(), Several(k=1), Blend(), Threshold(), Budget(mean=9.0), Optimistic(), Paced(mean=9)],
)
def test_a_choice_of_unknown_quality_is_not_taken(policy):
    assert weigh(policy, math.nan, 0.6, prices=[1.0, 1.0]) == (0.0, 1.0)


def test_a_budget_does_not_go_to_what_is_not_known():
    quality = [(math.nan, 0.6), (0.5, 0.6), (0.4, 0.9)]
    assert decided(Budget(mean=5 / 3), quality, [1.0, 2.0]) == [1, 0, 1]


@pytest.mark.parametrize("policy", [One(cost=1.0), Threshold(), Gap(), Cheapest()])
def test_a_tunable_option_is_one_with_settings_that_decide_differently(policy):
    quality, dollars = np.array([[0.2, 0.9], [0.6, 0.7], [0.5, 0.1]]), np.array([[1.0, 5.0]] * 3)
    settings = policy.settings(quality, dollars)
    assert list(settings) == sorted(settings)
    choices = (Choice("a", price=(1.0, 1.0)), Choice("b", price=(5.0, 5.0)))
    asked = [Estimates(tuple(row)) for row in quality.tolist()]
    decided = [
        policy.model_copy(update={policy.tunable: each}).decide(asked, choices, random.Random(0))
        for each in settings.tolist()
    ]
    assert any(each != decided[0] for each in decided)


def test_settings_lie_between_the_values_at_which_decisions_turn():
    turns = np.array([2.0, 1.0, np.nan, 2.0, 4.0])
    assert around(turns) == pytest.approx([1 - 1e-6, 1.5, 3.0, 4 + 1e-6])
    assert around(turns, least=0.0) == pytest.approx([0.0, 1.5, 3.0, 8 + 1e-6])
    assert around(np.array([np.nan])) == [0.0]
