"""AutoMix and mixtures of thoughts: what decides, by hand."""

from pathlib import Path

import pytest

from composer.recipe import Recipe
from composer.sandbox.process import missing_walls

RECIPES = Path(__file__).parents[2] / "recipes" / "cascade"


def stage(recipe, query=None):
    """Return what a cascade said of its first answer, and who was asked."""
    with recipe.ready(cache=False) as ensemble:
        result = ensemble(query or recipe.example)
    event = next(event for event in result.trace.events if event.op == "cascade")
    return event.notes["stages"][0], result


def test_automix_reads_the_share_of_yes_and_goes_on_where_that_paid():
    note, result = stage(Recipe.load(RECIPES / "automix.ens"))
    (share,) = note["signals"].values()
    assert (share, note["accepted"]) == (1.0, True)
    assert result.members["general"].calls == 9


@pytest.mark.parametrize("form", ["greedy", "threshold", "double", "triple"])
def test_the_forms_of_automix_go_on_where_quality_costs_nothing(form):
    accept = f'pomdp(of = right, form = {form}, cost = 0, file = "automix.safetensors")'
    recipe = Recipe.load(RECIPES / "automix.ens", {"default.cascade.accept": accept})
    note, result = stage(recipe, "What is 17 plus 25?")
    assert (list(note["signals"].values()), note["next"]) == ([None], "large")
    assert result.answer == "42"


@pytest.mark.parametrize(
    ("options", "rule"),
    [({}, "agreement >= 0.8"), ({"pooled": "false", "same": "1"}, "agreement >= 1")],
)
def test_thoughts_that_disagree_ask_the_strong_model(options, rule, tmp_path):
    if missing_walls():
        pytest.skip(f"this system cannot hold {missing_walls()}")
    replaced = tmp_path / "wrong.ens"
    replaced.write_text(
        'model programmer = fake("print(6 + 2 + 5)")\nmodel general = fake("it is 17")\n'
    )
    recipe = Recipe.load(RECIPES / "thoughts.ens", options, overlays=[replaced])
    note, result = stage(recipe)
    assert note["rule"] == rule
    assert (note["signals"], note["accepted"]) == ({"agreement": 0.5}, False)
    assert result.answer == "17"
