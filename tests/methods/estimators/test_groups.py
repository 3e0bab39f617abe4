"""Clusters, profiles, pools and factors of tables, by hand."""

import math

import numpy as np
import pytest

from composer.methods import PartError
from composer.methods.estimators.clusters import Clusters, kmeans, nearest
from composer.methods.estimators.learned import Linear
from composer.methods.estimators.pool import Pool, complementary
from composer.methods.estimators.pool_choices import (
    _improved,
    accurate,
    diverse,
    focal_diversity,
    information,
    informative,
    majority_accuracy,
    weighted_accuracy,
)
from composer.methods.estimators.profiles import Profiles
from composer.methods.estimators.recommend import Recommend, factorise

NAN = math.nan


def test_each_cluster_has_its_own_shrunk_means(labels, letters):
    """Two rows of `a`, both right; overall 1/2 weighs one label: (2 + 1/2) / 3."""
    table = labels(["a", "a", "b", "b"], [(1,), (1,), (0,), (0,)])
    part = Clusters(count=2, weight=1, features=letters)
    found = part.predict(part.fit(table, 0), [("a", ()), ("b", ())])
    assert found.mean[:, 0] == pytest.approx([2.5 / 3, 0.5 / 3])
    assert found.spread[0, 0] == pytest.approx(math.sqrt(2.5 / 3 * 0.5 / 3 / 3))


def test_the_paper_takes_the_means_as_they_are(labels, letters):
    table = labels(["a", "a", "b"], [(1, 0), (0, 0), (0, 1)])
    part = Clusters(count=2, weight=0, features=letters)
    found = part.predict(part.fit(table, 0), [("a", ()), ("b", ())]).mean
    assert found == pytest.approx(np.array([(0.5, 0), (0, 1)]))


def test_there_are_no_more_clusters_than_different_queries():
    x = np.array([(0.0, 1.0), (0.0, 1.0), (1.0, 0.0)], np.float32)
    centres = kmeans(x, 8, 0)
    assert len(centres) == 2
    at = nearest(centres, x)
    assert at[0] == at[1] != at[2]


def test_a_profile_counts_each_further_tag_half(labels, letters):
    """Ranks 1 and 2 weigh 1 and 1/2: (1 x 1 + 1/2 x 0) / (3/2)."""
    table = labels(["a", "b"], [(1,), (0,)], tags=[("x",), ("y",)])
    part = Profiles(weight=0, features=letters)
    state = part.fit(table, 0)
    found = part.predict(state, [("c", ("x", "y")), ("c", ("y", "x"))]).mean[:, 0]
    assert found == pytest.approx([2 / 3, 1 / 3])


def test_a_query_without_tags_gets_those_it_looks_like(labels, letters):
    table = labels(["a", "b"], [(1,), (0,)], tags=[("x",), ("y",)])
    part = Profiles(weight=0, features=letters)
    found = part.predict(part.fit(table, 0), [("a", ()), ("b", ("z",)), ("c", ())]).mean[:, 0]
    assert found == pytest.approx([1.0, 0.0, 0.5])


def test_a_profile_is_less_what_a_thousand_answers_cost(labels, letters):
    table = labels(["a"], [(1, 1)], tags=[("x",)], cost=[(0.001, 0.004)])
    part = Profiles(weight=0, cost=0.1, features=letters)
    found = part.predict(part.fit(table, 0), [("a", ("x",))]).mean[0]
    assert found == pytest.approx([0.9, 0.6])


def test_a_pool_takes_who_adds_most(labels):
    """A is right on three of five; C is better than B alone, but B knows what A does not."""
    rows = [(1, 0, 1), (1, 0, 1), (1, 0, 0), (0, 1, 0), (0, 0, 0)]
    assert complementary(labels("abcde", rows), 2, 0.0) == [0, 1]


def test_a_pool_weighs_cost(labels):
    table = labels("ab", [(1, 1), (1, 0)], cost=[(0.01, 0.0)] * 2)
    assert complementary(table, 1, 0.0) == [0]
    assert complementary(table, 1, 0.1) == [1]


def test_what_is_outside_of_the_pool_is_not_chosen(labels):
    rows = [(1, 0, 1), (1, 0, 1), (0, 1, 0)] * 4
    part = Pool(of=Linear(), keep=2)
    state = part.fit(labels(["x", "x", "y"] * 4, rows), 0)
    assert state.part("pool").facts["pool"] == ["A", "B"]
    found = part.predict(state, [("x", ())]).mean[0]
    assert found[2] == pytest.approx(found[0] - 1)


def test_information_of_one_choice_is_one_less_its_entropy():
    """Three of four right, 0.5 added to each cell: p = 3.5 / 5, I = 1 - H(0.7)."""
    right = np.array([[1], [1], [1], [0]])
    entropy = -(0.7 * math.log2(0.7) + 0.3 * math.log2(0.3))
    assert information(right) == pytest.approx(1 - entropy)


def test_information_of_two_by_hand():
    """Cells 00 10 01 11 have 1, 0, 2, 5 rows: p = (1.5, 0.5, 2.5, 5.5) / 10, p' its mirror."""
    rows = [(0, 0)] + [(0, 1)] * 2 + [(1, 1)] * 5
    mixed, own = (0.35, 0.15, 0.15, 0.35), (0.15, 0.05, 0.25, 0.55)
    bits = [-sum(p * math.log2(p) for p in each) for each in (mixed, own)]
    assert information(np.array(rows)) == pytest.approx(bits[0] - bits[1])


def test_a_twin_adds_no_information():
    """B is A again; C is less accurate, but errs by itself."""
    a = np.array([1] * 80 + [0] * 20)
    c = np.array(([1] * 3 + [0]) * 25)
    quality = np.stack([a, a, c], axis=1).astype(float)
    assert accurate(quality, 2) == [0, 1]
    assert informative(quality, 2) == [0, 2]


def test_who_is_mostly_wrong_is_taken_last():
    quality = np.array([[1, 0, 1], [1, 0, 0], [1, 0, 1], [0, 1, 1]], dtype=float)
    assert informative(quality, 3)[2] == 1


def test_beyond_what_cells_can_bear_a_pool_grows_by_its_weighted_vote():
    """Sixteen rows bear log2(16) - 2 = 2 choices."""
    rng = np.random.default_rng(0)
    quality = (rng.random((16, 5)) < 0.8).astype(float)
    pool = informative(quality, 3)
    others = [at for at in range(5) if at not in pool[:2]]
    best = max(weighted_accuracy(quality[:, [*pool[:2], at]]) for at in others)
    assert weighted_accuracy(quality[:, pool]) == best


def test_a_weighted_vote_by_hand():
    """Weights of the three are log(3.5 / 1.5), 0 and 0: the first decides alone."""
    right = np.array([[1, 0, 1], [1, 1, 0], [1, 0, 0], [0, 1, 1]])
    assert weighted_accuracy(right) == 0.75


def test_focal_diversity_by_hand():
    """A fails on rows 1 and 2, with B on row 1: P1 = (2 + 1) / 2 / 2, P2 = 1/2, 1 - 2/3."""
    right = np.array([[1, 1], [0, 0], [0, 1], [1, 1]])
    of_b = 1 - 1 / 1
    assert focal_diversity(right) == pytest.approx((1 - 0.5 / 0.75 + of_b) / 2)
    assert focal_diversity(np.ones((3, 2))) == 1


def test_a_diverse_pool_is_the_best_of_all_and_swaps_find_it():
    rng = np.random.default_rng(1)
    quality = (rng.random((60, 9)) < np.linspace(0.5, 0.9, 9)).astype(float)
    quality[:, 7] = quality[:, 8]
    pool = diverse(quality, 3, 0.5)
    assert not {7, 8} <= set(pool)
    ranked = accurate(quality, 9)

    def fitness(some):
        right = quality[:, list(some)]
        return focal_diversity(right) + majority_accuracy(right)

    assert fitness(_improved(ranked, ranked[:3], fitness)) == pytest.approx(fitness(pool))


@pytest.mark.parametrize("by", ["information", "diversity", "accuracy"])
def test_a_pool_for_votes_says_how_it_would_do(labels, by):
    rows = [(1, 1, 0), (1, 1, 1), (0, 0, 1), (1, 1, 1)] * 20
    part = Pool(of=Linear(), keep=2, by=by)
    state = part.fit(labels("abcd" * 20, rows), 0)
    notes = list(part.notes(state, str))
    assert notes[0] == f"the pool by {by} is {'A, B' if by == 'accuracy' else 'A, C'}"
    assert [("right on 75.0%" in each) for each in notes[1:]] == [True] * (by != "accuracy")


def test_cost_is_refused_where_it_does_not_count():
    with pytest.raises(ValueError, match="only in a pool by `coverage`"):
        Pool(cost=0.1, by="diversity")


def test_a_table_of_rank_one_is_recovered():
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(40, 1)), rng.normal(size=(5, 1))
    full = users @ items.T
    known = rng.random(full.shape) < 0.8
    u, v = factorise(np.where(known, full, 0), known, 1, 0.01, 50, 0)
    found = u[:, :1] + v[:, 0] + u[:, 1:] @ v[:, 1:].T
    assert np.median(abs(found - full)) < 0.02


def test_a_new_query_is_recommended_what_its_likes_got(labels, letters):
    table = labels(["a", "b"] * 20, [(1, 0), (0, 1)] * 20)
    part = Recommend(cold=1.0, features=letters)
    found = part.predict(part.fit(table, 0), [("a", ()), ("b", ())]).mean
    assert found == pytest.approx(np.array([(1, 0), (0, 1)]), abs=0.25)


def test_parts_learn_nothing_without_data():
    with pytest.raises(PartError, match="is not fitted yet"):
        Clusters().ready(())
