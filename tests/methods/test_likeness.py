"""How alike the answers of a vote were is a signal of its winner."""

import math
from types import MappingProxyType

import pytest

from composer.methods import F1, Exact
from composer.methods.agreements.base import COMPARISON, Comparison
from composer.methods.signals.likeness import ConsensusEntropy, Likeness, Support
from composer.values import Query, Text


def winner(by, *answers):
    facts = MappingProxyType({COMPARISON: Comparison(by, answers)})
    return Text(Query.of("?"), "x", facts=facts)


def test_the_mean_and_the_least_agreement_of_pairs():
    voted = winner(F1(), "red house", "red house", "red barn", None)
    assert Likeness().measure(voted) == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert Likeness(of="least").measure(voted) == pytest.approx(0.5)
    assert Likeness().measure(winner(F1(), "red")) == 1


def test_the_entropy_of_equal_groups_is_that_of_their_shares():
    shares = (0.75, 0.25)
    expected = -sum(p * math.log(p) for p in shares)
    assert ConsensusEntropy().measure(winner(Exact(), *"aaab")) == pytest.approx(expected)
    assert ConsensusEntropy().measure(winner(Exact(), *"aaaa")) == pytest.approx(0)
    assert ConsensusEntropy().measure(winner(Exact(), *"abcd")) == pytest.approx(math.log(4))


def test_likeness_by_degrees_lies_between():
    near = winner(F1(), "the red house", "a red house there", "red house")
    far = winner(F1(), "the red house", "a blue barn", "red grass")
    assert ConsensusEntropy().measure(near) < ConsensusEntropy().measure(far)


def test_an_answer_without_a_vote_has_neither():
    assert Likeness().measure(Text(Query.of("?"), "x")) is None
    assert ConsensusEntropy().measure(Text(Query.of("?"), "x")) is None


def test_the_support_counts_those_that_abstain():
    assert Support().measure(winner(Exact(), "x", "X.", "y", None)) == 0.5
    assert Support().measure(winner(Exact(), "x")) == 1
    assert Support().measure(Text(Query.of("?"), "x")) is None
