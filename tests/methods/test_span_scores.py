"""Measures, filters and branches of a span fuse, by hand."""

import math

import pytest

from composer.engine.sessions.span_parts import Reading
from composer.methods.spans.branchings import Branches
from composer.methods.spans.filters import Outliers
from composer.methods.spans.measures import MeanLogprob, PerByte, Perplexity, Share, SumLogprob
from composer.values.details import LikelyToken, TokenChoice, TokenDetail

READINGS = [Reading(b" cat", (-1.0, -3.0)), Reading(b" a", (-1.0,)), Reading(b"", (-0.5,))]
IMPOSSIBLE = Reading(b"x", (-math.inf,))


@pytest.mark.parametrize(
    ("measure", "scores"),
    [
        (MeanLogprob(), [-2.0, -1.0, -0.5]),
        (Perplexity(), [-math.exp(2), -math.e, -math.exp(0.5)]),
        (SumLogprob(), [-4.0, -1.0, -0.5]),
        (PerByte(), [-1.0, -0.5, -0.5]),
        (Share(), [0.0, 1.0, 0.0]),
    ],
)
def test_scores_of_three_candidates(measure, scores):
    if isinstance(measure, Share):
        chances = [math.exp(-2), math.exp(-1), math.exp(-0.5)]
        scores = [chance / sum(chances) for chance in chances]
    assert measure.scores(READINGS) == pytest.approx(scores)


@pytest.mark.parametrize("measure", [MeanLogprob(), Perplexity(), SumLogprob(), PerByte()])
def test_what_is_impossible_has_minus_infinity(measure):
    assert measure.scores([IMPOSSIBLE, Reading(b"x", (-1e5,))])[0] == -math.inf


def test_shares_of_what_is_impossible():
    assert Share().scores([IMPOSSIBLE, READINGS[1]]) == [0.0, 1.0]
    assert Share().scores([IMPOSSIBLE]) == [-math.inf]


@pytest.mark.parametrize("measure", [MeanLogprob(), Perplexity(), SumLogprob(), PerByte(), Share()])
def test_what_is_not_a_number_stays_so(measure):
    nan = Reading(b"x", (math.nan,))
    assert any(map(math.isnan, measure.scores([nan, READINGS[0]])))


@pytest.mark.parametrize(
    ("column", "kept"),
    [
        ([-1.0, -1.2, -9.0], [True, True, False]),  # the median is -1.2, the deviations .2, 0, 7.8
        ([-1.0, -1.1, -1.2], [True, True, True]),
        ([-1.0, -9.0], [True, True]),
        ([-1.0], [True]),
        ([-1.0, None, -1.2, -9.0], [True, False, True, False]),
        ([None, None], [False, False]),
        ([-1.0, -1.0, -1.0, -1.0, -9.0], [True, True, True, True, False]),
        ([-1.0, -1.0, -1.0], [True, True, True]),
        ([-1.0, -1.2, -math.inf], [True, True, False]),
        ([-math.inf, -math.inf], [True, True]),
    ],
)
def test_scores_far_from_the_median_are_left_out(column, kept):
    rows = Outliers(deviations=3).kept([[score] for score in column])
    assert [row[0] for row in rows] == kept


def test_each_candidate_has_its_own_outliers():
    scores = [[-1.0, -5.0], [-1.1, -5.1], [-1.2, -0.1]]
    assert Outliers().kept(scores) == [[True, True], [True, True], [True, False]]


def token(text, chance, number=0):
    return LikelyToken(text.encode(), math.log(chance), number)


def test_branches_begin_with_the_likeliest_tokens_where_the_margin_is_small():
    top = token(" a", 0.5, 1), token(" b", 0.3, 2), token(" c", 0.1, 3), token(" d", 0.05, 4)
    choice = TokenChoice(top[0], top)
    assert Branches().firsts(choice) == top[:3]
    assert Branches(width=2).firsts(choice) == top[:2]
    assert not Branches(below=0.1).firsts(choice)
    assert not Branches().firsts(TokenChoice(top[0], (token(" a", 1.0),)))


def test_details_that_only_a_part_wanted_are_not_told():
    likely = token(" a", 0.5, 1), token(" b", 0.3, 2), token(" c", 0.1, 3)
    behind = token(" z", 0.01, 9)
    choice = TokenChoice(likely[0], (*likely, behind))
    assert TokenDetail(top=1).trimmed(choice).top == likely[:1]
    assert TokenDetail(top=1, ids=(9, 3, 1)).trimmed(choice).top == (likely[0], behind, likely[2])
    assert TokenDetail(ids=(1,)).trimmed(choice).top == likely[:1]
