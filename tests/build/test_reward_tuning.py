"""Reward models that are trained on pairs of answers, on a small model of the zoo."""

import json

import pytest
import torch

from composer import zoo
from composer.backends.reward_model import RewardModel
from composer.backends.reward_network import RewardNetwork
from composer.backends.zoo import Zoo
from composer.build.reward_tuning import PairSet, tune_reward
from composer.engine.weights.donors import Donor
from composer.methods.distillation.adamw import AdamW
from composer.recipe import Recipe
from composer.run import Failure
from composer.specs import Declared, TunedReward
from composer.values import Query


@pytest.fixture
def pairs(tmp_path):
    """Pairs of which the chosen answer is always 1."""
    rows = [{"query": f"What is {n} minus 1?", "chosen": "1", "rejected": "9"} for n in range(8)]
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


class Linear(torch.nn.Module):
    """A model whose hidden state at a token is that token, and two heads."""

    def __init__(self):
        super().__init__()
        self.score = torch.nn.Linear(1, 2, bias=False)
        self.score.weight.data = torch.tensor([[1.0], [2.0]])

    def base_model(self, input_ids, attention_mask, use_cache):
        del attention_mask, use_cache
        return type("Out", (), {"last_hidden_state": input_ids[..., None].float()})


def test_each_head_has_its_pairs_as_often_as_drawn():
    training_set = PairSet([([0, 3], [1])], torch.tensor([[2.0], [0.0]]), 0.0)
    module = Linear()
    first = torch.nn.functional.softplus(torch.tensor(1.0 - 3.0)).item()
    assert training_set.losses(module, [0], None).tolist() == pytest.approx([2 * first, 0.0])
    second = torch.nn.functional.softplus(torch.tensor(2.0 - 6.0)).item()
    assert training_set.losses(module.eval(), [0], None).tolist() == pytest.approx([first, second])


def test_diversity_is_taken_off_in_training_alone():
    plain, diverse = (PairSet([([3], [1])], torch.ones(2, 1), by) for by in (0.0, 0.1))
    module = Linear()
    less = plain.losses(module, [0], None) - diverse.losses(module, [0], None)
    assert less.tolist() == pytest.approx([0.1 * 5**0.5] * 2)
    module.eval()
    assert torch.equal(plain.losses(module, [0], None), diverse.losses(module, [0], None))


def test_a_reward_model_learns_what_was_chosen(pairs, tmp_path):
    how = AdamW(rate=2e-3, epochs=6, batch=4, held_out=0, checks=1)
    base, client = Declared("G", Zoo(model="general-1")), RewardModel(path=".", heads=2)
    model = TunedReward((base,), ("G",), str(pairs), 2, False, 0.0, how, client)  # noqa: FBT003
    folder = tmp_path / "built"
    folder.mkdir()
    told = []
    donors = [Donor(zoo.folder("general-1"))]
    tune_reward(model, donors, folder, tmp_path / "work", told.append)
    network = RewardNetwork(client.at(folder), "R")
    judged = network.judged([(Query.of("What is 3 minus 1?"), text) for text in ("1", "9")])
    assert all(good > bad for good, bad in zip(judged[0].heads, judged[1].heads, strict=True))


def test_a_run_that_needs_one_says_how_to_train_it(pairs, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    recipe = Recipe.load(f"""
    use "zoo.ens" (general)
    let R = tune_reward(general, pairs = "{pairs.as_posix()}", heads = 2)
    [general, general] -> rank(by = reward(R)) -> best()
    """)
    with recipe.ready() as ensemble, pytest.raises(Failure, match="E513"):
        ensemble("What is 3 minus 1?")
