"""Post-hoc deferral, quantiles and cascade routing as recipes: what decides, by hand."""

from pathlib import Path

import pytest

from composer.recipe import Recipe

RECIPES = Path(__file__).parents[2] / "recipes" / "cascade"


def run(name, query=None, **options):
    """Return what a cascade said of each answer, and the result."""
    settings = {f"default.cascade.{option}": text for option, text in options.items()}
    recipe = Recipe.load(RECIPES / f"{name}.ens", settings)
    with recipe.ready(cache=False) as ensemble:
        result = ensemble(query or recipe.example)
    event = next(event for event in result.trace.events if event.op == "cascade")
    return event.notes.get("stages", []), result


@pytest.mark.parametrize("name", ["post_hoc", "quantiles"])
@pytest.mark.parametrize("query", ["Reverse the word star.", "Put the letters of jonern in order."])
def test_the_large_model_is_asked_where_it_is_expected_to_be_better(name, query):
    [note], result = run(name, query)
    (gain,) = (value for signal, value in note["signals"].items() if signal.startswith("gain"))
    assert note["accepted"] == (gain <= 0.1)
    assert set(result.members) == ({"general"} if gain <= 0.1 else {"general", "large"})
    assert note["accepted"] == query.startswith("Reverse")


def test_quantiles_of_the_tokens_are_what_is_learnt_from():
    [note], _ = run("quantiles")
    read = [name for name in note["signals"] if name.startswith("quantile(")]
    assert read == [f"quantile(at = {at})" for at in (0.1, 0.25, 0.5)]


def test_cascade_routing_starts_where_it_pays_and_goes_on_where_it_pays():
    [note], result = run("cascade_routing", "What is 17 plus 25?")
    assert (list(result.members), note["accepted"]) == (["general"], True)
    policy = "expected_best(cost = 0)"
    stages, result = run("cascade_routing", "Put the letters of jonern in order.", policy=policy)
    assert "large" in result.members
    assert max(stages[-1]["estimates"], key=stages[-1]["estimates"].get) in result.members


def test_one_stage_makes_it_a_route_and_the_order_a_cascade():
    query = "Put the letters of jonern in order."
    _, route = run("cascade_routing", query, policy="expected_best(cost = 1, most = 1)")
    assert len(route.members) == 1
    _, cascade = run("cascade_routing", query, policy='expected_best(cost = 1, order = "written")')
    assert next(iter(cascade.members)) == "general"
