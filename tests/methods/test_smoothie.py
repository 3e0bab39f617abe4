"""Smoothie's closed form is the triplets' mean, and the nearest member is chosen."""

import asyncio
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.methods.answer_table import AnswerRow, AnswerTable
from composer.methods.selecting import comparisons
from composer.methods.selectors.smoothie import Smoothie, differences, distances
from composer.values import Candidates, Fitted, ModelError, Query, Text

NAMES = ("A", "B", "C")
CITIES = {
    "Where is the tower?": ("in Paris in France", "in Paris", "bananas"),
    "Where is the bridge?": ("in London in England", "in London", "plums are blue"),
    "How are you?": ("tired", "fine thanks", "fine thank you thanks"),
}


@given(st.integers(3, 7), st.integers(0, 2**32 - 1))
def test_the_closed_form_is_the_mean_over_triplets(count, seed):
    between = distances(np.random.default_rng(seed).normal(size=(count, 5)))
    for i, diff in enumerate(differences(between)):
        others = [j for j in range(count) if j != i]
        triplets = [
            (between[i, j] + between[i, k] - between[j, k]) / 2
            for j, k in itertools.combinations(others, 2)
        ]
        assert diff == pytest.approx(np.mean(triplets), rel=1e-12, abs=1e-12)


def test_a_difference_worked_by_hand():
    assert differences(np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0]])).tolist() == [0, 1, 2]


def candidates(question, *answers):
    query = Query.of(question)
    pairs = zip(NAMES, answers, strict=True)
    texts = tuple(Text(query, a or "", n, value=a, extracted=a is None) for n, a in pairs)
    return Candidates(query, texts, NAMES)


def table():
    rows = [AnswerRow(candidates(q, *answers), (None,) * 3) for q, answers in CITIES.items()]
    return AnswerTable(NAMES, tuple(rows))


def fitted(part):
    rows = table()
    state = part.fit(rows, comparisons(rows, part.compares), 0)
    return part.bound(Fitted.of(NAMES, len(rows.rows), state=state))


def scores(part, each, ask):
    return asyncio.run(part.score(each, ask, ()))


def test_the_row_itself_needs_no_fit(script):
    first, second, third = scores(
        Smoothie(), candidates("Who?", "in Rome in Italy", "in Rome", "plums"), script()
    )
    assert third < min(first, second)
    assert not Smoothie().unfitted
    assert Smoothie(over="all").unfitted


def test_candidates_that_abstain_come_last_and_two_are_equal(script):
    assert scores(Smoothie(), candidates("Who?", "x", None, "y"), script()) == (0, -math.inf, 0)
    everybody = scores(Smoothie(), candidates("Who?", None, None, None), script())
    assert everybody == (-math.inf,) * 3


def test_all_rows_give_one_order_of_the_members(script):
    part = fitted(Smoothie(over="all"))
    one = scores(part, candidates("Who?", "a", "b", "c"), script())
    assert one == scores(part, candidates("What?", "x x x", "y", "x"), script())
    assert one[1] == max(one)


def test_near_rows_give_an_order_for_like_questions(script):
    part = fitted(Smoothie(over="near", k=3))
    tower = scores(part, candidates("Where is the tower?", "a", "b", "c"), script())
    health = scores(
        fitted(Smoothie(over="near", k=2)), candidates("How are you?", *"abc"), script()
    )
    assert min(tower) == tower[2]
    assert min(health) == health[0]


def test_one_near_row_is_the_query_itself(script):
    each = candidates("Who?", "in Paris", "in Paris in France", "bananas plums")
    of_fit = fitted(Smoothie(over="near", k=1)).features
    assert of_fit == Smoothie().features
    near = scores(fitted(Smoothie(over="near", k=1)), each, script())
    assert near[2] == min(near)


def test_a_member_that_was_not_there_is_named(script):
    query = Query.of("Who?")
    each = Candidates(query, tuple(Text(query, t, t) for t in "ABD"), tuple("ABD"))
    with pytest.raises(ModelError, match="now there is D"):
        scores(fitted(Smoothie(over="all")), each, script())
