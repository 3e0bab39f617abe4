"""Reward models that reward answers together, worked by hand on models whose rewards are known."""

import asyncio
import json
import math
from contextlib import nullcontext
from dataclasses import dataclass

import pytest

from composer.diagnostics import Mistakes
from composer.run.reward_client import RewardEnsembleClient
from composer.specs import RewardEnsemble
from composer.values import Client, Model, ModelError, Query, Reward, Rewarded, Usage

QUERY = Query.of("Why?")
TEXTS = ("x", "y")


@dataclass(frozen=True)
class Known(Model):
    """A reward model that gives these rewards, in order; none: it fails. Rows: several heads."""

    name: str
    gives: tuple = ()

    members = ()

    @property
    def capabilities(self):
        return None


class Clients(Client):
    """Answers for all of them."""

    async def of(self, model):
        del model
        return self

    def within(self, model):
        del model
        return nullcontext()

    async def reward(self, request):
        gives = request.model.gives
        if not gives:
            raise ModelError("E701", "no power")
        usage = {request.model.name: Usage(1, 5)}
        texts = request.texts
        if callable(gives[0]):
            return Rewarded(tuple(map(gives[0], texts)), usage)
        heads = tuple(each if isinstance(each, tuple) else (each,) for each in gives)
        means = tuple(sum(each) / len(each) for each in heads)
        return Rewarded(means, usage, heads if len(heads[0]) > 1 else ())


def rewarded(*members, texts=TEXTS, **options):
    """Return what members come to, by what each gives."""
    models = tuple(Known(f"R{at}", each) for at, each in enumerate(members))
    ensemble = RewardEnsemble(models, tuple(each.name for each in models), **options)
    client = RewardEnsembleClient(ensemble, Clients())
    return asyncio.run(client.reward(Reward(ensemble, QUERY, texts)))


@pytest.mark.parametrize(
    ("across", "by_hand"),
    [("mean", (2.0, 1.0)), ("minimum", (0.0, 1.0)), ("penalized", (2 - 0.5 * 8 / 3, 1.0))],
)
def test_three_rewards_become_one(across, by_hand):
    values = rewarded((0.0, 1.0), (2.0, 1.0), (4.0, 1.0), across=across).values
    assert values == pytest.approx(by_hand)


def test_the_cautious_ways_prefer_what_all_find_good():
    members = ((9.0, 4.0), (0.0, 4.0))
    means, least = (rewarded(*members, across=each).values for each in ("mean", "minimum"))
    assert means[0] > means[1]
    assert least[0] < least[1]


def test_the_weight_of_the_variance_is_an_option():
    for c in (0.0, 1.0, 3.0):
        values = rewarded((1.0,), (3.0,), texts=("x",), across="penalized", c=c).values
        assert values == pytest.approx((2.0 - c,))


def test_each_head_of_a_model_counts():
    heads = ((0.0, 2.0, 4.0), (1.0, 1.0, 1.0))
    assert rewarded(heads, across="minimum").values == (0.0, 1.0)
    assert rewarded(heads, (8.0, 8.0), across="mean").values == pytest.approx((3.5, 2.75))


def test_what_all_members_took_is_counted():
    assert rewarded((1.0, 2.0), (1.0, 2.0)).usage == {"R0": Usage(1, 5), "R1": Usage(1, 5)}


def test_a_member_that_fails_is_left_out_and_named():
    result = rewarded((1.0, 2.0), (), (3.0, 2.0))
    assert result.values == (2.0, 2.0)
    assert [each.name for each in result.failed] == ["R1"]


def test_too_few_members_are_an_error_that_says_what_to_do():
    with pytest.raises(ModelError, match=r"`rewards`: 1 of 2 branches failed") as error:
        rewarded((1.0, 2.0), ())
    assert error.value.code == "E716"
    assert error.value.help == (
        "lower the number of members that must answer: `rewards(..., min = 1)`"
    )
    assert rewarded((1.0, 2.0), (), min=1).values == (1.0, 2.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_an_answer_that_one_member_cannot_reward_has_no_reward(bad):
    values = rewarded((bad, 1.0), (1.0, 3.0)).values
    assert math.isnan(values[0])
    assert values[1] == 2.0


def test_a_member_without_any_number_has_failed():
    result = rewarded((math.nan, math.nan), (1.0, 2.0), (1.0, 4.0))
    assert result.values == (1.0, 3.0)
    assert "gave no finite reward" in str(result.failed[0])


@pytest.fixture
def known(tmp_path):
    file = tmp_path / "known.jsonl"
    rows = [{"query": "q", "chosen": "b" * n, "rejected": "a"} for n in (3, 5)]
    file.write_text("\n".join(map(json.dumps, rows)))
    return str(file)


def test_rewards_of_other_scales_are_standardized_over_known_answers(known):
    # lengths 3, 1, 5, 1: mean 2.5, deviation sqrt(11/4)
    short, long = (len,), (lambda text: 100 * len(text) + 7,)
    values = rewarded(short, long, texts=("zz", "zzzz"), across="minimum", standardize=known).values
    deviation = math.sqrt(11 / 4)
    assert values == pytest.approx((-0.5 / deviation, 1.5 / deviation))


def test_the_known_answers_are_read_once(known):
    ensemble = RewardEnsemble((Known("R", (len,)),), ("R",), standardize=known)
    client = RewardEnsembleClient(ensemble, Clients())
    request = Reward(ensemble, QUERY, TEXTS)

    async def twice():
        return [(await client.reward(request)).usage["R"].calls for _ in range(2)]

    assert asyncio.run(twice()) == [3, 1]


def test_a_model_that_finds_all_known_answers_equal_cannot_be_standardized(known):
    with pytest.raises(ModelError, match="gives all answers of `standardize` the same reward"):
        rewarded((lambda text: 1.0 + 0 * len(text),), standardize=known)


ONE = """
model R1 = fake(says = "a", seed = 1)
model R2 = fake(says = "b", seed = 2)
"""


@pytest.mark.parametrize(
    "line",
    [
        "[A, B] -> rank(by = reward(rewards(R1, R2))) -> best()",
        "draw_best(A, B, by = reward(rewards(R1, R2, across = minimum)), n = 4)",
        "cascade(A, B, accept = rewarded(by = rewards(R1, R2)) > 0.5)",
        "process_fuse(C, C, reward = rewarded(rewards(R1, R2)), max_tokens = 8)",
    ],
)
def test_wherever_a_reward_is_wanted(line, ready):
    models = """
        model A = fake(says = "a")
        model B = fake(says = "b")
        model C = zoo("maths")
    """
    result = ready(line, models=models + ONE)("Start with 7, add 5.")
    asked = {call.model for event in result.trace.events for call in event.asked}
    assert "rewards(R1, R2)" in asked
    assert {"R1", "R2"} <= set(result.members)


def test_a_member_that_fails_is_told_in_the_trace(ready):
    models = ONE + 'model R3 = fake(fails = true)\nmodel A = fake(says = "a")\n'
    result = ready("[A, A] -> rank(by = reward(rewards(R1, R2, R3))) -> best()", models=models)("?")
    (event,) = (each for each in result.trace.events if each.op == "rank")
    assert list(event.notes["failed"]) == ["R3"]


def test_what_gives_no_reward_is_refused(load):
    models = 'model A = fake(says = "a")\nmodel Z = zoo("maths")\n'
    with pytest.raises(Mistakes, match="needs a reward for an answer"):
        load("[A, A] -> rank(by = reward(rewards(Z))) -> best()", models=models).plan()
