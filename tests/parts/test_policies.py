import math
import random

import pytest

from composer.parts import Blend, Choice, Estimates, One, Several, Threshold
from composer.parts.policies.base import softmax

RNG = random.Random(0)


def weigh(policy, *quality, prices=None):
    prices = prices or [None] * len(quality)
    choices = tuple(
        Choice(name, price=price) for name, price in zip("ABCDEFGH", prices, strict=False)
    )
    return policy.weigh(Estimates(quality), choices[: len(quality)], RNG)


def test_one_takes_the_best():
    assert weigh(One(), 0.2, 0.9, 0.5) == (0.0, 1.0, 0.0)


def test_one_takes_the_first_of_equals():
    assert weigh(One(), 0.5, 0.5) == (1.0, 0.0)


def test_one_sets_price_against_quality():
    assert weigh(One(cost=0.1), 0.6, 0.9, prices=[1.0, 3.0]) == (0.0, 1.0)
    assert weigh(One(cost=0.2), 0.6, 0.9, prices=[1.0, 3.0]) == (1.0, 0.0)


def test_an_unknown_price_is_free():
    assert weigh(One(cost=1.0), 0.5, 0.9, prices=[None, 1.0]) == (1.0, 0.0)


def test_several_keeps_the_k_best():
    weights = weigh(Several(k=2), 0.0, math.log(3), -1.0)
    assert weights == pytest.approx((0.25, 0.75, 0.0))


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
