"""The routing methods that a recipe's header names beside the one that it stands for."""

from pathlib import Path

import pytest

import composer

ROUTES = Path(__file__).parents[2] / "recipes" / "route"
DATA = 'data = "zoo:validation"'


def decided(name, question=None, **settings):
    recipe = composer.Recipe.load(ROUTES / f"{name}.ens", settings)
    with recipe.ready() as ensemble:
        result = ensemble(question or recipe.example)
    (route,) = (each for each in result.trace.events if each.op == "route")
    return result.decision, route.notes["estimates"]


def chosen(decision):
    return max(decision, key=decision.get)


@pytest.mark.parametrize("by", [f"bradley_terry({DATA})", f"encoder({DATA})"])
def test_routellm_by_other_estimators_of_who_wins(by):
    decision, estimates = decided("routellm", **{"default.route.by": by})
    assert sum(estimates.values()) == pytest.approx(1)
    gap = estimates["large"] - estimates["general"]
    assert chosen(decision) == ("large" if gap >= 0.1 else "general")


def test_routellm_asks_more_of_the_weak_model_where_the_strong_must_win_by_more():
    assert chosen(decided("routellm", at="-1")[0]) == "large"
    assert chosen(decided("routellm", at="0.99")[0]) == "general"


def test_routellm_by_a_model_that_grades_the_question(tmp_path):
    path = tmp_path / "causal.ens"
    route = "route(large, by = asked(), policy = threshold(at = 0.5)) -> [general, large]"
    path.write_text(f'use "zoo.ens" (general, large)\n\n{route}\n')
    with composer.load(path).ready() as ensemble:
        result = ensemble("What is 17 plus 25?")
    assert result.answer == "42"
    assert chosen(result.decision) in ("general", "large")


def test_the_meta_model_spends_until_the_money_is_gone():
    rich = {"default.route.policy": "spend(total = 1)"}
    poor = {"default.route.policy": "spend(total = 0)"}
    decision, estimates = decided("meta_model", **rich)
    assert chosen(decision) == chosen(estimates)
    assert chosen(decided("meta_model", **poor)[0]) != "large"


def test_the_meta_model_keeps_to_a_budget():
    policy = {"default.route.policy": "budget(mean = 0.005)"}
    assert chosen(decided("meta_model", **policy)[0]) != "large"


def test_an_automaton_draws_by_its_odds():
    settings = {
        "default.route.by": f"automaton({DATA})",
        "default.route.policy": "chance(odds = estimated)",
    }
    decision, odds = decided("pick_rl", **settings)
    assert sum(odds.values()) == pytest.approx(1)
    assert odds["general"] + odds["large"] > 0.9
    assert sorted(decision.values()) == [0, 0, 1]


def test_a_preference_for_money_changes_the_choice():
    assert chosen(decided("preference_bandit", "Add 36 and 41.", money="0")[0]) == "maths"
    assert chosen(decided("preference_bandit", "Add 36 and 41.", money="5")[0]) != "large"


def test_pairs_of_model_and_strategy_cost_what_they_took():
    dear, _ = decided("model_and_strategy", cost="0")
    cheap, _ = decided("model_and_strategy", cost="10")
    assert chosen(cheap) == "quick"
    assert chosen(dear) != "quick"


def test_a_pool_leaves_the_others_out():
    _, estimates = decided("budgeted", keep="2")
    inside = [name for name, quality in estimates.items() if quality > 0.5]
    assert len(inside) <= 2


def test_a_subset_votes_and_the_unlikely_is_not_asked():
    recipe = composer.load(ROUTES / "select_subset.ens")
    with recipe.ready() as ensemble:
        result = ensemble("Make box plural.")
    assert "maths" not in result.members
    assert result.answer == "boxes"
