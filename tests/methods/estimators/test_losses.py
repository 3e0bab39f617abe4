"""What heads are trained towards, by hand."""

import math

import numpy as np
import pytest
import torch

from composer.methods.estimators.heads import Head, positives
from composer.methods.estimators.hybrid import Hybrid, gap_labels
from composer.methods.estimators.losses import loss, rewards, targets
from composer.methods.mistakes import PartError

NAN = math.nan


def test_the_best_is_shared_among_those_that_tie():
    quality = np.array([(1.0, 1.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0)])
    shares = targets("best", quality, 1.0)
    assert shares.tolist() == [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], pytest.approx([1 / 3] * 3)]


def test_soft_targets_are_a_softmax_of_what_is_known():
    shares = targets("soft", np.array([(math.log(3), 0.0, NAN), (NAN, NAN, NAN)]), 1.0)
    assert shares[0] == pytest.approx([0.75, 0.25, 0.0])
    assert np.isnan(shares[1]).all()


def test_a_temperature_sharpens_soft_targets():
    assert targets("soft", np.array([(math.log(3), 0.0)]), 0.5)[0] == pytest.approx([0.9, 0.1])


def test_rewards_are_mixed_with_those_of_the_tag(labels):
    """Tag x has mean 1/2 and tag y 1; half of each row's own outcome, half of its tag's."""
    table = labels("abc", [(1,), (0,), (1,)], tags=[("x",), ("x",), ("y",)])
    assert rewards(table, 0.5, 0.0)[:, 0] == pytest.approx([0.75, 0.25, 1.0])
    assert rewards(table, 0.0, 0.0)[:, 0] == pytest.approx([0.5, 0.5, 1.0])


def test_a_reward_is_less_what_a_thousand_answers_cost(labels):
    table = labels("ab", [(1, 1), (0, NAN)], cost=[(0.002, 0.0), (0.001, 0.001)])
    assert rewards(table, 1.0, 0.1)[0] == pytest.approx([0.8, 1.0])
    assert rewards(table, 1.0, 0.1)[1, 0] == pytest.approx(-0.1)
    assert math.isnan(rewards(table, 1.0, 0.1)[1, 1])


def test_cross_entropy_of_known_outcomes():
    scores, target = torch.tensor([[0.0, 5.0]]), torch.tensor([[1.0, NAN]])
    assert loss("right", scores, target).item() == pytest.approx(math.log(2))
    assert loss("right", scores, target, torch.tensor([3.0, 1.0])).item() == pytest.approx(
        3 * math.log(2)
    )


def test_squared_error_of_known_outcomes():
    scores, target = torch.tensor([[0.5, 5.0]]), torch.tensor([[1.0, NAN]])
    assert loss("score", scores, target).item() == pytest.approx(0.25)


def test_the_divergence_of_a_softmax():
    scores = torch.tensor([[math.log(3), 0.0], [9.0, 9.0]])
    target = torch.tensor([[0.5, 0.5], [NAN, NAN]])
    wanted = -(math.log(0.75) + math.log(0.25)) / 2
    assert loss("soft", scores, target).item() == pytest.approx(wanted)


def test_right_outcomes_weigh_more_where_they_are_few():
    outcomes = torch.tensor([(1.0, 1.0), (0.0, 1.0), (0.0, NAN), (0.0, 1.0)])
    assert positives(outcomes).tolist() == [3.0, 1.0]


def test_a_head_towards_scores_finds_them(labels, letters):
    table = labels(["a", "b"] * 20, [(0.2, 0.8), (0.6, 0.4)] * 20)
    part = Head(goal="score", features=letters, steps=600)
    found = part.predict(part.fit(table, 0), [("a", ()), ("b", ())]).mean
    assert found == pytest.approx(np.array([(0.2, 0.8), (0.6, 0.4)]), abs=0.07)


def test_a_head_towards_the_best_learns_shares(labels, letters):
    table = labels(["a", "a", "b", "b"] * 10, [(1, 0), (1, 1), (0, 1), (0, 1)] * 10)
    part = Head(goal="best", features=letters, steps=1500)
    found = part.predict(part.fit(table, 0), [("a", ())]).mean[0]
    assert found == pytest.approx([0.75, 0.25], abs=0.08)


QUALITY = np.array([(1.0, 0.0), (0.5, 0.5), (0.25, 1.0), (0.0, 1.0)])


def test_a_hard_label_is_the_sign_of_the_gap():
    assert gap_labels(QUALITY, "hard")[1].tolist() == [1, 1, 0, 0]


def test_a_soft_label_is_the_chance_of_no_gap():
    """P(small right or large wrong) = 1 - (1 - p) q."""
    assert gap_labels(QUALITY, "soft")[1].tolist() == [1, 0.75, 0.25, 0]


def test_a_shift_sets_the_labels_furthest_apart():
    """Small is never better; a margin of .2 splits the rows in halves."""
    quality = np.array([(0.4, 0.5), (0.3, 0.5), (0.2, 0.5), (0.0, 0.9)])
    shift, shifted = gap_labels(quality, "shifted")
    assert 0.2 <= shift < 0.3
    assert shifted.tolist() == [1, 1, 0, 0]


def test_hybrid_decides_between_two(labels):
    with pytest.raises(PartError, match="there are 3") as caught:
        Hybrid().fit(labels("ab", [(1, 0, 1), (0, 1, 1)]), 0)
    assert caught.value.code == "E504"


def test_hybrid_gives_a_chance_and_its_complement(labels, letters):
    table = labels(["a", "b"] * 20, [(1, 1), (0, 1)] * 20)
    part = Hybrid(gap="hard", features=letters, steps=1500)
    found = part.predict(part.fit(table, 0), [("a", ()), ("b", ())]).mean
    assert found.sum(1) == pytest.approx([1, 1])
    assert found[0, 0] > 0.75
    assert found[1, 0] < 0.25
