"""Networks over choices: factors, item responses, the meta-model, contrasts; and bandits."""

import math

import numpy as np
import pytest
import torch

from composer.methods.estimators.bandits import Automaton, LinUcb, StatelessQ
from composer.methods.estimators.contrastive import Contrastive, _mates
from composer.methods.estimators.factors import Factors, Irt, _compared, _divergence
from composer.methods.estimators.meta import Meta
from composer.methods.estimators.nets import forward, train

NAN = math.nan


def test_a_perceptron_by_hand():
    weights = {
        "w0": np.array([(1.0, -1.0)]),
        "b0": np.array([0.0, 0.5]),
        "w1": np.array([(2.0,), (3.0,)]),
        "b1": np.array([1.0]),
    }
    assert forward(weights, np.array([(1.0,), (-1.0,)])).tolist() == [[3.0], [5.5]]
    tensors = {name: torch.from_numpy(each) for name, each in weights.items()}
    assert forward(tensors, torch.tensor([[1.0]], dtype=torch.float64)).tolist() == [[3.0]]


def test_training_finds_a_minimum():
    weights = {"w": np.zeros(1, np.float32)}
    found = train(weights, lambda t, _: ((t["w"] - 2) ** 2).sum(), 5, seed=0, steps=400, rate=0.05)
    assert found["w"][0] == pytest.approx(2.0, abs=0.1)
    assert weights["w"][0] == 0


def test_a_comparison_by_hand():
    """Scores log 3 apart: log loss of a win -log(3/4), of a tie the mean of both sides."""
    scores = torch.tensor([[math.log(3), 0.0]])
    won, tied = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]])
    assert _compared(scores, won).item() == pytest.approx(-math.log(0.75))
    assert _compared(scores, tied).item() == pytest.approx(-(math.log(0.75) + math.log(0.25)) / 2)
    assert _compared(scores, torch.tensor([[1.0, NAN]])).item() == 0


def test_factors_learn_the_share_of_wins(labels, letters):
    """On `a`, A alone is right in half of the rows and both are in the other: 3/4 of a win."""
    table = labels(["a"] * 40, [(1, 0), (1, 1)] * 20)
    part = Factors(features=letters, steps=600)
    found = part.predict(part.fit(table, 0), [("a", ())]).mean[0]
    assert found == pytest.approx([0.75, 0.25], abs=0.03)


def test_the_divergence_from_the_prior_by_hand():
    same = {"mean": torch.zeros(3), "width": torch.zeros(3)}
    moved = {"mean": torch.tensor([2.0]), "width": torch.tensor([math.log(0.5)])}
    assert _divergence(same).item() == 0
    assert _divergence(moved).item() == pytest.approx((0.25 + 4 - 1 + 2 * math.log(2)) / 2)


def test_a_new_model_joins_with_forty_probes(two_fields):
    """C is A again, but only 40 of its outcomes are known: it is told from B, less surely."""
    rng = np.random.default_rng(0)
    quality = np.hstack([two_fields.quality, np.full((600, 1), NAN)])
    probes = rng.choice(600, 40, replace=False)
    quality[probes, 2] = quality[probes, 0]
    table = type(two_fields)(
        two_fields.queries, two_fields.tags, ("A", "B", "C"), quality, quality * NAN, quality * NAN
    )
    part = Irt(steps=400)
    found = part.predict(part.fit(table, 0), [("add plus times", ()), ("spell past word", ())])
    assert found.mean[0, 2] > 0.6
    assert found.mean[1, 2] < 0.4
    assert (found.spread[:, 2] > found.spread[:, 0]).all()


def test_the_meta_model_knows_dollars_from_tokens(labels, letters):
    """Tokens are 10 on `a` and 100 on `b`; A's cost a thousandth each, B's ten times that."""
    tokens = [(10, 10), (100, 100)] * 30
    cost = [(0.01, 0.1), (0.1, 1.0)] * 30
    table = labels(["a", "b"] * 30, [(1, 0), (1, 1)] * 30, tokens=tokens, cost=cost)
    part = Meta(features=letters, steps=800)
    found = part.predict(part.fit(table, 0), [("a", ()), ("b", ())])
    assert found.cost == pytest.approx(np.array([(0.01, 0.1), (0.1, 1.0)]), rel=0.15)
    assert found.mean[0, 1] < 0.2
    assert found.mean[1, 1] > 0.8


def test_the_meta_model_takes_mean_costs_where_no_tokens_are_known(labels, letters):
    table = labels(["a", "b"], [(1, 0), (0, 1)], cost=[(1, NAN), (3, NAN)])
    part = Meta(features=letters, steps=5)
    cost = part.predict(part.fit(table, 0), [("a", ())]).cost[0]
    assert cost[0] == 2
    assert math.isnan(cost[1])


def test_the_meta_model_without_costs_gives_none(labels, letters):
    part = Meta(features=letters, steps=5)
    table = labels(["a", "b"], [(1, 0), (0, 1)])
    assert part.predict(part.fit(table, 0), [("a", ())]).cost is None


def test_the_first_contrast_by_hand():
    """A right, B wrong, C half right: A against B and C, and C against B alone."""
    part = Contrastive(best=2, worst=2, temperature=1.0)
    similar, outcomes = torch.tensor([[1.0, 0.0, 0.5]]), torch.tensor([[1.0, 0.0, 0.6]])
    first = math.log(1 + math.exp(-1))
    second = math.log(1 + math.exp(-0.5))
    assert part._sorted(similar, outcomes).item() == pytest.approx((first + second) / 2)


def test_a_choice_is_no_contrast_to_itself():
    part = Contrastive(best=3, worst=3, temperature=1.0)
    alone = part._sorted(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]]))
    assert alone.item() == 0


def test_mates_are_of_the_cluster_and_the_others_are_not():
    group = np.array([0, 0, 1, 1, 1])
    found = _mates(group, 3, np.random.default_rng(0))
    assert (group[found[:, 0]] == group).all()
    assert (group[found[:, 1:]] != group[:, None]).all()


def test_a_bandit_learns_one_at_a_time_what_it_learns_at_once(labels):
    table = labels(["red fish", "blue fish", "red cat"], [(1, 0), (0, 1), (1, 1)])
    part = LinUcb(dims=16)
    state = part.start(table.names, 0)
    for asked, row in zip(table.asked, table.quality, strict=True):
        for choice, reward in enumerate(row):
            state = part.update(state, asked, choice, float(reward))
    whole = part.fit(table, 0)
    for key, array in whole.arrays.items():
        assert state.arrays[key] == pytest.approx(array)


def test_a_bandit_is_surer_of_what_it_saw():
    part = LinUcb(dims=16, ridge=1.0)
    before = part.start(("A", "B"), 0)
    after = part.update(before, ("red fish", ()), 0, 1.0)
    (first,), (second,) = (part.predict(s, [("red fish", ())]).spread for s in (before, after))
    assert first == pytest.approx([math.sqrt(2)] * 2)
    assert second == pytest.approx([math.sqrt(2 / 3), math.sqrt(2)])
    assert part.predict(after, [("red fish", ())]).mean[0] == pytest.approx([2 / 3, 0])


def test_q_moves_a_tenth_of_the_way():
    part = StatelessQ(rate=0.1)
    state = part.update(part.start(("A", "B"), 0), ("x", ()), 1, 1.0)
    assert state.arrays["value"] == pytest.approx([0.5, 0.55])


def test_q_of_recorded_outcomes_leaves_the_unknown_alone(labels):
    state = StatelessQ(rate=0.5).fit(labels("ab", [(1, NAN), (0, 1)]), 0)
    assert state.arrays["value"] == pytest.approx([0.375, 0.75])


def test_an_automaton_rewards_and_does_nothing_else():
    part = Automaton(rate=0.5)
    start = part.start(("A", "B"), 0)
    assert part.update(start, ("x", ()), 0, 1.0).arrays["odds"].tolist() == [0.75, 0.25]
    assert part.update(start, ("x", ()), 0, 0.5).arrays["odds"].tolist() == [0.625, 0.375]
    assert part.update(start, ("x", ()), 0, 0.0).arrays["odds"].tolist() == [0.5, 0.5]


def test_bandits_count_what_recorded_answers_cost(labels):
    table = labels(["x"], [(1, 1)], cost=[(0.001, 0.005)])
    state = StatelessQ(rate=1.0, cost=0.1).fit(table, 0)
    assert state.arrays["value"] == pytest.approx([0.9, 0.5])
