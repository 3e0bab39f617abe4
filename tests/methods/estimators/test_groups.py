"""Clusters, profiles, pools and factors of tables, by hand."""

import math

import numpy as np
import pytest

from composer.methods import PartError
from composer.methods.estimators.clusters import Clusters, kmeans, nearest
from composer.methods.estimators.learned import Linear
from composer.methods.estimators.pool import Pool, complementary
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
