"""Votes over pairs of texts, worked by hand."""

import pytest
from answer_tables import shares

from composer.methods import Agreement
from composer.methods.reductions.pairs import Copeland, Mean, Minimum, Penalized


class Table(Agreement):
    """a is near to b, b to c and d; a and d have nothing in common."""

    def same(self, left, right):
        near = {"ab": 0.9, "ac": 0.3, "ad": 0.0, "bc": 0.5, "bd": 0.4, "cd": 0.8}
        return near["".join(sorted((left, right)))]


def scores(part, answers="abcd"):
    return list(shares(part, list(answers), by=Table()).shares)


def test_mean_agreement():
    assert scores(Mean()) == pytest.approx([0.4, 0.6, 1.6 / 3, 0.4])


def test_minimum_agreement_is_cautious():
    assert scores(Minimum()) == pytest.approx([0.0, 0.4, 0.3, 0.0])


def test_variance_is_penalized():
    variance = (0.5**2 + 0.1**2 + 0.4**2) / 3
    assert scores(Penalized(c=2))[0] == pytest.approx(0.4 - 2 * variance)
    assert scores(Penalized(c=0)) == scores(Mean())


def test_copeland_counts_duels():
    # b beats a, since c and d are nearer to b; c beats d in the same way; all others draw.
    assert scores(Copeland()) == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1 / 3])


def test_negative_scores_have_no_negative_votes():
    found = shares(Penalized(c=50), list("abcd"), by=Table())
    assert min(found.masses) >= 0
    assert sum(found.masses) == pytest.approx(1)
    assert min(found.shares) < 0
    assert found.leaders() == ((2,),)  # .533 - 50 x .0422, and b .6 - 50 x .0467


@pytest.mark.parametrize("part", [Mean(), Minimum(), Penalized(), Copeland()])
def test_abstentions_and_single_answers(part):
    assert shares(part, [None, "b", None], by=Table()).leaders() == ((1,),)
    assert shares(part, [None, "b", "c"], by=Table()).leaders() in (((1,), (2,)), ((1,),))
    assert dict(shares(part, ["a", "b", "c"], by=Table()).why)["scores"].keys() == {"A", "B", "C"}
