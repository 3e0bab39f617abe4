"""Adapters that are trained side by side, and the loss of pairs, worked by hand."""

import json
import math

import pytest
import torch
from safetensors.torch import save_file

from composer import zoo
from composer.backends.reward_model import RewardModel
from composer.backends.reward_network import RewardNetwork
from composer.backends.step_likelihood import Likelihoods
from composer.engine.preferences import SideBySide, preference_loss, weights_of
from composer.values import Query

CHAIN = Query.of("Start with 7, add 5, times 2."), "7+5=12\n12*2=26"


def test_the_loss_is_that_of_bradley_and_terry():
    loss = preference_loss(torch.tensor([2.0, 0.0]), torch.tensor([1.0, 0.0]))
    assert loss.tolist() == pytest.approx([-math.log(1 / (1 + math.exp(-1))), math.log(2)])


def test_each_member_draws_as_many_pairs_as_there_are():
    drawn = weights_of(50, 3, seed=0, bootstrap=True)
    assert drawn.sum(1).tolist() == [50, 50, 50]
    assert not torch.equal(drawn[0], drawn[1])
    assert weights_of(50, 3, seed=0, bootstrap=False).unique().tolist() == [1]


def two(first, second):
    """Return two members with matrices A of these, over one layer without B."""
    layer = torch.nn.Sequential(torch.nn.Linear(2, 1, bias=False))
    members = SideBySide(layer, members=2, rank=1, seed=0, within="0")
    with torch.no_grad():
        members.down[0].copy_(torch.tensor([[first], [second]]))
    return members, layer


def test_the_nuclear_norm_is_the_sum_of_singular_values():
    apart, _ = two([3.0, 0.0], [0.0, 4.0])
    alike, _ = two([3.0, 0.0], [4.0, 0.0])
    assert apart.diversity().item() == pytest.approx((3 + 4) / 2)
    assert alike.diversity().item() == pytest.approx(5 / 2)


def test_its_gradient_pulls_members_apart():
    members, _ = two([3.0, 0.0], [4.0, 0.1])
    before = members.diversity().item()
    torch.autograd.backward(-members.diversity())
    with torch.no_grad():
        members.down[0] -= 0.1 * members.down[0].grad
    assert members.diversity().item() > before


def test_each_member_has_the_rows_behind_those_of_the_one_before():
    members, layer = two([1.0, 0.0], [0.0, 1.0])
    with torch.no_grad():
        members.up[0].fill_(1.0)
    base = layer[0].weight @ torch.tensor([5.0, 7.0])
    out = layer(torch.tensor([[5.0, 7.0], [5.0, 7.0]]))[:, 0]
    assert (out - base).tolist() == pytest.approx([2 * 5.0, 2 * 7.0])


def test_what_is_trained_is_what_is_run(tmp_path):
    folder = zoo.folder("steps-reward")
    model = Likelihoods().from_pretrained(str(folder), dtype=torch.float32)
    members = SideBySide(model, members=2, rank=2, seed=1)
    torch.manual_seed(2)
    with torch.no_grad():
        for each in members.up:
            each.copy_(0.3 * torch.randn_like(each))
    network = RewardNetwork(RewardModel(path=str(folder)), "R")
    ids = torch.tensor([network.read(*CHAIN).ids] * 2)
    trained = model(ids).logits.softmax(-1)[:, -1, 1].tolist()
    for at, (tensors, config) in enumerate(members.adapters()):
        adapter = tmp_path / f"{at}"
        adapter.mkdir()
        save_file(tensors, adapter / "adapter_model.safetensors")
        (adapter / "adapter_config.json").write_text(json.dumps(config))
        declared = RewardModel(path=str(folder), adapter=str(adapter))
        (judged,) = RewardNetwork(declared, "R").judged([CHAIN])
        assert judged.reward == pytest.approx(trained[at], abs=1e-4)
