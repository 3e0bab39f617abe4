import random

import pytest

from composer.methods import (
    Agreement,
    Ballot,
    Count,
    Edits,
    Exact,
    First,
    Medoid,
    Numeric,
    Seeded,
    Surest,
)
from composer.methods.agreements.base import Comparison
from composer.values import Query, Text

QUERY = Query.of("q")
ONES = (1.0,) * 9


def shares_of(reduction, answers, weights=ONES, by=None):
    """Count answers, each with its weight."""
    pairs = zip(answers, weights, strict=False)
    ballots = [Ballot(Text(QUERY, "", value=a, extracted=True), weight=w) for a, w in pairs]
    return reduction.shares(ballots, Comparison(by or Exact(), answers))


def count(*answers, weights=ONES, by=None):
    return shares_of(Count(), answers, weights, by)


def texts(*confidences):
    return [Text(QUERY, "x", confidence=c) for c in confidences]


def test_plurality_counts_equal_answers():
    shares = count("A", "b", "a.", "C")
    assert shares.shares == (0.5, 0.25, 0.5, 0.25)
    assert shares.groups == ((0, 2), (1,), (3,))
    assert shares.leaders() == ((0, 2),)


def test_the_tally_is_written_as_first_given_largest_first():
    assert list(count("b", "A", "a.").tally(["b", "A", "a."]).items()) == [
        ("A", pytest.approx(2 / 3)),
        ("b", pytest.approx(1 / 3)),
    ]


def test_abstentions_do_not_vote():
    shares = count(None, "a", None, "b")
    assert shares.shares == (0.0, 0.5, 0.0, 0.5)
    assert shares.leaders() == ((1,), (3,))


def test_weights_count():
    shares = count("a", "a", "b", weights=(1.0, 1.0, 3.0))
    assert shares.masses == (pytest.approx(0.4), pytest.approx(0.6))
    assert shares.leaders() == ((2,),)


def test_numbers_within_the_tolerance_are_one_answer():
    assert count("1.0", "2", "1", by=Numeric()).groups == ((0, 2), (1,))


def test_degrees_of_agreement_group_from_one_half():
    assert count("kitten", "mitten", "dog", by=Edits()).groups == ((0, 1), (2,))


def test_votes_with_keys_are_counted_without_comparing_pairs():
    class Keyed(Agreement):
        def same(self, left, right):
            raise AssertionError(left, right)

        def key(self, text):
            return text

    assert count("a", "b", "a", by=Keyed()).groups == ((0, 2), (1,))


def test_nobody_leads_where_all_abstain():
    assert count(None, None).leaders() == ()


def test_weights_of_zero_give_equal_shares():
    assert count("a", "b", weights=(0.0, 0.0)).masses == (0.5, 0.5)


def test_the_medoid_is_closest_to_all_others():
    class Table(Agreement):
        def same(self, left, right):
            alike = {("a", "b"): 0.8, ("b", "c"): 0.6, ("a", "c"): 0.2}
            return alike[tuple(sorted((left, right)))]

    shares = shares_of(Medoid(), ["a", "b", "c"], ONES, Table())
    assert shares.shares == pytest.approx((1.0 / 3.2, 1.4 / 3.2, 0.8 / 3.2))
    assert shares.leaders() == ((1,),)


def test_the_medoid_weighs_the_others_votes():
    class Alike(Agreement):
        def same(self, left, right):
            return float(left[0] == right[0])

    answers = ["a1", "a2", "b1", "b2"]
    shares = shares_of(Medoid(), answers, (1.0, 1.0, 3.0, 3.0), Alike())
    assert shares.shares == pytest.approx((1 / 8, 1 / 8, 3 / 8, 3 / 8))


def test_the_medoid_of_strangers_is_a_tie():
    assert shares_of(Medoid(), ["a", None, "b"], ONES, Exact()).shares == (0.5, 0.0, 0.5)


def test_one_answer_is_its_own_medoid():
    assert shares_of(Medoid(), ["a"], ONES, Exact()).leaders() == ((0,),)


def test_equal_texts_share_a_group_in_the_medoids_tally():
    shares = shares_of(Medoid(), ["a", "a", "b"], ONES, Edits())
    assert shares.tally(["a", "a", "b"]) == {"a": 1.0, "b": 0.0}


def test_first_takes_the_earliest_leader():
    assert First().pick(texts(1, 1, 1), count("b", "a", "c"), random.Random(0)) == 0


def test_seeded_draws_each_answer_as_often():
    shares = count("a", "a", "b", weights=(1.0, 1.0, 2.0))
    rng = random.Random(1)
    drawn = [Seeded().pick(texts(1, 1, 1), shares, rng) for _ in range(2000)]
    assert set(drawn) == {0, 2}
    assert 0.45 < drawn.count(2) / 2000 < 0.55


def test_seeded_repeats_itself():
    shares = count("a", "b", "c", "d")
    picks = [Seeded().pick(texts(1, 1, 1, 1), shares, random.Random(5)) for _ in range(3)]
    assert len(set(picks)) == 1


def test_seeded_draws_nothing_without_a_tie():
    rng = random.Random(3)
    before = rng.getstate()
    assert Seeded().pick(texts(1, 1, 1), count("a", "b", "b"), rng) == 1
    assert rng.getstate() == before


def test_the_surest_of_the_leaders_wins():
    shares = count("a", "b", "a", "b", "c")
    assert Surest().pick(texts(0.1, 0.4, 0.2, None, 0.9), shares, random.Random(0)) == 1


def test_unknown_confidence_comes_last():
    assert Surest().pick(texts(None, 0.0), count("a", "b"), random.Random(0)) == 1
