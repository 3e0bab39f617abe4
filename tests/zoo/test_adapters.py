"""The adapters that ship: each fits its base, and is better at the skills it was made for."""

from statistics import fmean

import pytest

from composer import zoo
from composer.backends.zoo import Zoo
from composer.checkpoints.adapters import adapter_files
from composer.fit.zoo.models import ADAPTERS
from composer.values import ModelError


def test_the_adapters_are_those_of_the_trainer():
    assert zoo.adapters() == list(ADAPTERS) == ["maths-lora", "text-lora"]


@pytest.mark.parametrize("name", zoo.adapters())
def test_an_adapter_fits_its_base_and_says_what_it_is(name):
    recipe, files, card = ADAPTERS[name], adapter_files(zoo.folder(name)), zoo.card(name)
    model = Zoo(model=recipe.base, adapter=name)
    assert not model.faults()
    assert (files.rank, files.base) == (recipe.rank, recipe.base)
    assert card["parameters"] == files.parameters
    assert model.card().parameters == 480_096 + files.parameters
    assert model.card().other_base == ""


@pytest.mark.parametrize("name", zoo.adapters())
def test_an_adapter_is_better_than_its_base_at_its_skills(name):
    card = zoo.card(name)
    own, base = (
        each["accuracy"]["test"]["skills"] for each in (card, zoo.card(ADAPTERS[name].base))
    )
    assert fmean(own[skill] - base[skill] for skill in card["skills"]) > 1


def test_unknown_adapters_are_refused_with_a_near_name():
    with pytest.raises(ModelError, match="unknown adapter") as told:
        Zoo(model="general-1", adapter="math-lora").card()
    assert "maths-lora" in told.value.help


def test_an_adapter_of_another_model_of_the_zoo_does_not_fit():
    (fault,) = Zoo(model="large", adapter="maths-lora").faults()
    assert fault.code == "E515"
    assert fault.help.endswith(": general-1")
