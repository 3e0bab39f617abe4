"""The zoo's process-reward model, and the chains with wrong steps that it learned from."""

from itertools import islice
from random import Random
from statistics import fmean, pvariance

import pytest
import torch

from composer import zoo
from composer.backends.reward_network import RewardNetwork
from composer.backends.zoo_reward import ZooReward
from composer.diagnostics import Mistakes
from composer.fit.zoo.chains import CORRUPTIONS, Operation, Place, labelled, stream
from composer.fit.zoo.maths import Draw
from composer.fit.zoo.models import REWARDS
from composer.fit.zoo.skills import split
from composer.metrics.ranks import area_under_roc
from composer.recipe import Recipe
from composer.values import ModelError, Query

DRAW = Draw("7, add 5, times 2", "Take 7, add 5, times 2.", "7+5=12\n12*2=24\nanswer 24")
AFTER_ONE = Place((Operation("+", 5), Operation("*", 2)), (7, 12))


def test_one_reward_model_ships_and_three_adapters_of_it():
    assert zoo.rewards() == ["steps-lora-1", "steps-lora-2", "steps-lora-3", *REWARDS]
    assert zoo.folder("steps-reward").is_dir()
    assert "steps-reward" not in zoo.names()


def test_a_card_tells_how_well_steps_are_judged():
    card = zoo.card("steps-reward")
    assert card["ancestor"] == "maths"
    for where in ("validation", "test"):
        judged = card["judged"][where]
        assert set(judged["kinds"]) == {"right", *CORRUPTIONS}
        assert judged["auc"] > 0.99


def test_it_is_small_and_readable():
    files = [file for file in zoo.REWARDS.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 2_000_000
    assert all(file.stat().st_mode & 0o044 == 0o044 for file in files)


def test_it_is_no_language_model():
    with pytest.raises(Mistakes, match="`steps-reward` is a reward model") as error:
        Recipe.load('model A = zoo("steps-reward")\nA').plan()
    assert 'declare it with `zoo_reward("steps-reward")`' in str(error.value)


def test_a_near_name_is_offered():
    with pytest.raises(ModelError, match="unknown reward model `step-reward`") as error:
        ZooReward(model="step-reward").card()
    assert "`steps-reward`" in error.value.help


@pytest.fixture(scope="module")
def network():
    return RewardNetwork(ZooReward(model="steps-reward"), "R")


def test_right_steps_are_rewarded_above_wrong_ones(network):
    query = Query.of("Take 7, add 5, times 2.")
    texts = [DRAW.answer, "7+5=12\nanswer 12", "7+5=12\nkept", "7+5=12\n7+5=12"]
    right, *wrong = (each.reward for each in network.judged([(query, text) for text in texts]))
    assert right > 0.8
    assert max(wrong) < 0.5


def test_each_step_is_judged_by_its_own_tokens(network):
    model = network.module
    ids = torch.tensor([[5, 6, model.config.step_end_id, 7, 8]])
    own = torch.tensor([[-1.0, -3.0, -0.5, -2.0, -0.1]])
    best = torch.tensor([[-0.5, -0.5, -0.5, -1.0, -0.1]])
    by_hand = torch.tensor(
        [
            [-0.5, -1.0, -1.0],
            [-2.5, -3.0, -4.0],
            [-2.5, -3.0, -4.5],
            [-1.0, -2.0, -2.0],
            [-1.0, -2.0, -2.1],
        ]
    )
    assert torch.allclose(model.judged(ids, own, best)[0], model.score(by_hand), atol=1e-5)


def test_steps_of_questions_that_were_held_out_are_told_apart(network):
    rng = Random(11)
    chains = [labelled(draw, rng) for draw in islice(stream("held out", "test"), 120)]
    jobs = [(Query.of(each.query), "\n".join(s.text for s in each.steps)) for each in chains]
    rewards = [reward for judged in network.judged(jobs) for reward in judged.steps]
    good = [step.good for chain in chains for step in chain.steps]
    assert area_under_roc(rewards, good) > 0.97


def test_a_chain_is_right_or_ends_with_its_wrong_step():
    rng = Random(2)
    for draw in islice(stream(3, "train"), 300):
        *before, last = labelled(draw, rng).steps
        lines = draw.answer.split("\n")
        assert [step.text for step in before] == lines[: len(before)]
        assert all(step.good for step in before)
        assert last.good == (last.text == lines[len(before)])
        assert lines[len(before)].startswith(last.text[: last.right])


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        ("repeated", {"7+5=12"}),
        ("early", {"answer 12"}),
        ("operation", {"12+2=14", "12-2=10", "12*2=24"}),
        ("number", {"12*2=24", "12*3=36"}),
    ],
)
def test_corruptions_by_hand(kind, allowed):
    wrong = {CORRUPTIONS[kind](AFTER_ONE, Random(seed)) for seed in range(30)}
    assert wrong <= allowed
    assert len(wrong) == len(allowed)


def test_a_wrong_answer_needs_the_end_of_a_chain():
    assert CORRUPTIONS["answer"](AFTER_ONE, Random(1)) is None
    done = Place(AFTER_ONE.operations, (7, 12, 24))
    assert CORRUPTIONS["result"](done, Random(1)) is None
    assert CORRUPTIONS["answer"](done, Random(1)).startswith("answer ")


def test_inputs_of_other_splits_are_never_drawn():
    contents = [draw.content for draw in islice(stream(5, "train"), 500)]
    assert {split("steps", content) for content in contents} == {"train"}


def test_equal_scores_count_half():
    assert area_under_roc([1, 2, 2, 3], [False, False, True, True]) == pytest.approx(0.875)
    assert area_under_roc([3, 1], [True, False]) == 1


JUDGED = "7+5=12\n12*2=24\nanswer 24", "7+5=12\n12*2=26\nanswer 26"


@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_adapter_judges_by_itself(at):
    (right, wrong), alone = (
        [
            each.reward
            for each in RewardNetwork(ZooReward(model=name), "R").judged(
                [(Query.of(DRAW.query), text) for text in JUDGED]
            )
        ]
        for name in (f"steps-lora-{at}", "steps-reward")
    )
    assert right > 0.5 > wrong
    assert [right, wrong] != alone
    assert zoo.card(f"steps-lora-{at}")["base"] == "steps-reward"


@pytest.mark.parametrize("name", ["build/rewards", "build/warm"])
def test_the_recipes_keep_a_right_chain(name):
    recipe = Recipe.load(name)
    with recipe.ready() as ensemble:
        assert ensemble(recipe.example).answer.endswith("answer 24")


def test_what_the_recipe_says_of_its_models_is_what_they_say():
    owner = object()
    networks = [RewardNetwork(ZooReward(model=f"steps-lora-{n}"), "R", owner) for n in (1, 2, 3)]
    by_hand = {
        "mean": fmean,
        "minimum": min,
        "penalized": lambda own: fmean(own) - 2 * pvariance(own),
    }
    for how, combined in by_hand.items():
        recipe = Recipe.load("build/rewards", {"across": how, "draws": "2", "c": "2"})
        with recipe.ready() as ensemble:
            events = ensemble(recipe.example).trace.events
        (rank,) = (event for event in events if event.op == "rank")
        draws = [call.text for event in events if event.op == "sample" for call in event.asked]
        jobs = [(Query.of(recipe.example), text) for text in draws]
        rows = zip(*([e.reward for e in each.judged(jobs)] for each in networks), strict=True)
        told = sorted(float(each) for each in rank.asked[0].text.split(","))
        assert told == pytest.approx(sorted(map(combined, rows)), abs=1e-3)
