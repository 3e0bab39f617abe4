"""What a policy has spent belongs to the open ensemble: not to the recipe, nor to another route."""

import asyncio

import pytest

from composer.methods import Paced, Spend

MODELS = """
model cheap = fake(says = "cheap", price = [1, 1])
model dear = fake(says = "dear", price = [9, 9])
"""
LATER = "route(by = length(threshold = 1), policy = {}) -> [cheap, dear]"
QUESTION = "a long question, so that the last choice is best"
POLICIES = ["spend(total = 0.01)", "paced(mean = 1, rate = 0.25)"]


@pytest.fixture
def recipe(load):
    """Load a recipe with a route that would rather ask the dear model."""
    return lambda policy, text=LATER: load(text.format(policy, policy), models=MODELS)


def said(ensemble, times=2):
    return [ensemble(QUESTION).answer for _ in range(times)]


@pytest.mark.parametrize("policy", POLICIES)
def test_accounts_begin_anew_each_time_that_a_recipe_is_made_ready(recipe, policy):
    made = recipe(policy)
    for _ in range(2):
        with made.ready() as ensemble:
            assert said(ensemble) == ["dear", "cheap"]


@pytest.mark.parametrize("policy", POLICIES)
def test_two_ensembles_of_one_recipe_do_not_see_each_others_accounts(recipe, policy):
    made = recipe(policy)
    with made.ready() as one, made.ready() as other:
        found = [each(QUESTION).answer for each in (one, other, one, other)]
    assert found == ["dear", "dear", "cheap", "cheap"]


@pytest.mark.parametrize("policy", POLICIES)
def test_queries_of_one_ensemble_share_its_accounts(recipe, policy):
    async def both(ensemble):
        return await asyncio.gather(ensemble.ask(QUESTION), ensemble.ask(QUESTION))

    with recipe(policy).ready() as ensemble:
        assert sorted(each.answer for each in asyncio.run(both(ensemble))) == ["cheap", "dear"]


@pytest.mark.parametrize("policy", POLICIES)
def test_deciding_without_answering_spends_of_the_same_account(recipe, policy):
    with recipe(policy).ready() as ensemble:
        (decided,) = ensemble.decide([QUESTION])
        assert (decided.chosen, said(ensemble, 1)) == (("dear",), ["cheap"])


def test_each_route_has_an_account_of_its_own(recipe):
    sticky = LATER.replace("policy", "sticky = true, policy")
    two = f"[left: {LATER}, right: {sticky}] -> vote()"
    with recipe("spend(total = 0.01)", two).ready() as ensemble:
        events = ensemble(QUESTION).trace.events
    assert [each.gave for each in events if each.op == "route"] == ["dear", "dear"]


@pytest.mark.parametrize("policy", [Spend(total=0.01), Paced(mean=1.0)])
def test_a_policy_itself_keeps_no_account(policy):
    assert policy.begin() is not policy.begin()
    assert not policy.__pydantic_private__
