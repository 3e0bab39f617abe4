"""What a user meets first: how things print, what is listed, how a recipe is found."""

import pytest

import composer
from composer.recipe import Recipe


def test_everything_prints_short():
    recipe = composer.load("quickstart")
    assert repr(recipe).startswith("Recipe('")
    parts = (recipe.compiled, recipe.optimized, recipe._planned, recipe.optimized.root)
    assert all(len(repr(each)) < 300 for each in (recipe, *parts))
    assert repr(recipe.optimized.root) == "Node(cascade, 2 inputs)"


def test_the_public_face_is_listed():
    assert set(composer.__all__) <= set(dir(composer))


@pytest.mark.parametrize(
    ("name", "meant"),
    [("quikstart", "quickstart"), ("knn", "route/knn"), ("rout/knn", "route/knn")],
)
def test_a_bare_name_that_is_nothing_is_a_recipe_misspelled(name, meant):
    with pytest.raises(composer.Mistakes) as caught:
        composer.load(name)
    (found,) = caught.value.diagnostics
    assert (found.code, found.help) == ("E501", f"did you mean `{meant}`?")


def test_a_bare_name_that_is_like_no_recipe_is_told_where_they_are_listed():
    with pytest.raises(composer.Mistakes) as caught:
        composer.load("frobnicate")
    assert "compose ls recipes" in caught.value.diagnostics[0].help


def test_a_recipe_has_one_example():
    with pytest.raises(composer.Mistakes) as caught:
        Recipe.load('model A = fake()\nexample "x"\nexample "y"\nA')
    (found,) = caught.value.diagnostics
    assert (found.code, found.place.line) == ("E208", 3)
