"""Reward models in training: their loss, their passes and their diversity, worked by hand."""

import math

import pytest
import torch
import transformers

from composer import zoo
from composer.backends.reward_model import RewardModel
from composer.backends.reward_network import RewardNetwork
from composer.engine.preferences import AdapterMembers, padded, preference_loss, weights_of
from composer.fit.zoo.answer_rewards import Members, save
from composer.values import Query


@pytest.fixture(scope="module")
def members():
    base = transformers.AutoModel.from_pretrained(zoo.folder("general-1"), dtype=torch.float32)
    made = AdapterMembers(base, members=3, rank=2, seed=1)
    torch.manual_seed(2)
    with torch.no_grad():
        for each in made.up:
            each.copy_(0.2 * torch.randn_like(each))
    return Members(made, transformers.AutoTokenizer.from_pretrained(zoo.folder("general-1")))


def test_the_loss_is_that_of_bradley_and_terry():
    loss = preference_loss(torch.tensor([2.0, 0.0]), torch.tensor([1.0, 0.0]))
    assert loss.tolist() == pytest.approx([-math.log(1 / (1 + math.exp(-1))), math.log(2)])


def test_rows_are_padded_on_the_right():
    ids, mask, ends = padded([[5, 6, 7], [8]], 0)
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert ends.tolist() == [2, 0]


def test_each_member_draws_as_many_pairs_as_there_are():
    drawn = weights_of(50, 3, seed=0, bootstrap=True)
    assert drawn.sum(1).tolist() == [50, 50, 50]
    assert not torch.equal(drawn[0], drawn[1])
    assert weights_of(50, 3, seed=0, bootstrap=False).unique().tolist() == [1]


def test_members_that_are_alike_are_less_diverse(members):
    adapters = members.adapters
    before = adapters.diversity().item()
    kept = [each.detach().clone() for each in adapters.down]
    with torch.no_grad():
        for each in adapters.down:
            each.copy_(each[:1].expand_as(each) * each.norm() / each[:1].expand_as(each).norm())
    assert adapters.diversity().item() < before
    with torch.no_grad():
        for each, old in zip(adapters.down, kept, strict=True):
            each.copy_(old)


def test_the_nuclear_norm_is_the_sum_of_singular_values():
    class Two(AdapterMembers):
        def __init__(self):
            torch.nn.Module.__init__(self)
            self.down = [torch.tensor([[[3.0, 0.0]], [[0.0, 4.0]]])]
            self.up = [torch.tensor([[[1.0], [0.0]], [[1.0], [0.0]]])]

    assert Two().diversity().item() == pytest.approx((7 + math.sqrt(2)) / 2)


def test_its_gradient_pulls_members_apart_where_it_starts(members):
    loss = -members.adapters.diversity()
    loss.backward()
    assert all(each.grad.isfinite().all() for each in members.adapters.down)


def test_what_was_trained_is_what_is_run(members, tmp_path):
    rows = [("What is 70 minus 55?", "15"), ("What is 70 minus 55?", "twenty 3")]
    trained = members.rewards(rows)
    for at, folder in enumerate(save(members, "general-1", tmp_path, "lora")):
        declared = RewardModel(path=str(zoo.folder("general-1")), adapter=str(folder))
        jobs = [(Query.of(query), answer) for query, answer in rows]
        run = [each.reward for each in RewardNetwork(declared, "R").judged(jobs)]
        assert run == pytest.approx(trained[at].tolist(), abs=2e-2)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of transformers, which peft calls
def test_an_adapter_is_that_of_peft(members, tmp_path):
    peft = pytest.importorskip("peft")
    folder = save(members, str(zoo.folder("general-1")), tmp_path, "lora")[0]
    base = transformers.AutoModelForSequenceClassification.from_pretrained(
        zoo.folder("general-1"), num_labels=1, dtype=torch.float32
    )
    model = peft.PeftModel.from_pretrained(base, folder).eval()
    ids = torch.tensor([members.ids("What is 70 minus 55?", "15")])
    model.base_model.model.config.pad_token_id = None
    theirs = model(input_ids=ids).logits.item()
    assert theirs == pytest.approx(
        members.rewards([("What is 70 minus 55?", "15")])[0].item(), abs=2e-2
    )
