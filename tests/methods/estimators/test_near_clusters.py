"""Scores in the clusters nearest to a query, by hand and on recorded answers."""

import math
from pathlib import Path

import numpy as np
import pytest

from composer.methods import Choice
from composer.methods.estimators.near_clusters import NearClusters
from composer.methods.estimators.training_rows import labels as read
from composer.methods.estimators.training_rows import table

RECORDED = Path(__file__).parents[4] / "shared" / "data" / "recorded"
QUERIES = ["aa", "aa", "bb", "bb"]
QUALITY = [(1, 0), (1, 1), (0, 1), (0, 1)]
COST = [(4, 1), (4, 1), (2, 4), (2, 4)]


@pytest.fixture
def predicted(labels, letters):
    """Fit on two clusters, `a` and `b`, and predict one query's scores."""

    def run(query, cost=None, **options):
        part = NearClusters(count=2, features=letters, **options)
        state = part.fit(labels(QUERIES, QUALITY, cost=cost), 0)
        return part.predict(state, [(query, ())]).mean[0]

    return run


def test_a_choice_scores_by_its_rank_in_the_nearest_cluster(predicted):
    assert predicted("a", nearest=1) == pytest.approx([10, 1 / 1.1])
    assert predicted("b", nearest=1) == pytest.approx([1 / 1.1, 10])


def test_several_clusters_count_by_their_cosine_distance(predicted):
    """`a` is at distance 0 of its own cluster and at 1 of the other: weights 1 and exp(-2)."""
    near = 1 / (1 + math.exp(-2))
    expected = near * 10 + (1 - near) / 1.1
    assert predicted("a", nearest=2, beta=2)[0] == pytest.approx(expected)


def test_accuracy_is_balanced_against_cost(predicted):
    """In `a` the first has accuracy 1 (of 0.5 to 1) and cost 4 of 4, the second 0.5 and 1 of 4."""
    for balance in (0.0, 0.3, 1.0):
        found = predicted("a", COST, nearest=1, accuracy=balance)
        assert found == pytest.approx([balance, (1 - balance) * 0.75])


def test_members_that_are_equally_accurate_share_a_rank(labels, letters):
    part = NearClusters(count=1, nearest=1, features=letters)
    state = part.fit(labels(["a", "a"], [(1, 1, 0), (0, 0, 0)]), 0)
    assert part.predict(state, [("a", ())]).mean[0] == pytest.approx([10, 10, 1 / 2.1])


@pytest.mark.slow
def test_the_balance_buys_accuracy_with_dollars():
    """ARC challenge, eleven models: from the cheapest to nearly the best single model."""
    if not RECORDED.is_dir():
        pytest.skip("the recorded answers are not beside this checkout")
    paths = [
        str(RECORDED / f"routerbench_arc_challenge_{split}.jsonl.gz") for split in ("train", "test")
    ]
    train, test = (read(path, tuple(map(Choice, table(path).models))) for path in paths)
    rows, found = np.arange(len(test.queries)), []
    for balance in (0.0, 0.45, 1.0):
        part = NearClusters(count=25, nearest=3, beta=9, accuracy=balance)
        chosen = part.predict(part.fit(train, 0), test.asked).mean.argmax(1)
        found.append((test.quality[rows, chosen].mean(), np.nanmean(test.cost[rows, chosen])))
    (low, cheap), (middle, fair), (high, dear) = found
    best = np.nanmean(train.quality, 0).argmax()
    assert low < middle - 0.2 < high - 0.2
    assert cheap < fair < dear / 10
    assert high == pytest.approx(np.nanmean(test.quality[:, best]), abs=0.01)
    assert middle > 0.91
