"""Panels and mixtures, with models whose answers are known in place of the zoo's."""

import re
from pathlib import Path

import pytest

from composer.recipe import Recipe
from composer.run import Failure

RECIPES = Path(__file__).parents[2] / "recipes" / "after"
NO = "fake(fails = true)"


def says(text):
    return f'fake(says = "{text}")'


ECHO = "fake(style = echo)"


@pytest.fixture
def answer(tmp_path):
    """Answer by a recipe whose models are others; return the result, and the calls."""

    def run(name, query="Why?", models=None, **params):
        text = (RECIPES / f"{name}.ens").read_text(encoding="utf-8")
        declared = "".join(f"model {each} = {what}\n" for each, what in (models or {}).items())
        text = re.sub(r"^use .*\n", declared, text, flags=re.MULTILINE)
        path = tmp_path / "recipe.ens"
        path.write_text(text, encoding="utf-8")
        with Recipe.load(path, params).ready(cache=False) as ensemble:
            result = ensemble(query)
        calls = [(call.model, call.prompt) for e in result.trace.events for call in e.asked]
        return result, calls

    return run


def test_each_layer_of_a_mixture_sees_the_one_before_as_the_system_message(answer):
    models = {"general": says("a"), "general_2": says("b"), "large": says("c")}
    result, calls = answer("mixture_of_agents", models=models, ask="plain", refer="references")
    assert result.answer == "c"
    assert [name for name, _ in calls] == ["general", "general_2"] * 2 + ["large"]
    for _, ((role, system), question) in calls[2:]:
        assert role == "system"
        assert system.strip().endswith("Responses from models:\n1. a\n2. b")
        assert question == ("user", "Why?")


def test_a_consistent_panel_needs_no_mixture(answer):
    models = dict.fromkeys(("general", "general_2", "maths"), says("a")) | {"large": says("c")}
    result, calls = answer("balanced_mixture", models=models)
    assert result.answer == "a"
    assert len(calls) == 3


def test_an_inconsistent_panel_is_mixed_from_its_typical_answers(answer):
    models = {"general": says("b"), "general_2": says("a"), "maths": says("a"), "large": ECHO}
    result, calls = answer("balanced_mixture", models=models)
    assert result.answer == "Ann is a, Ben is a. What is Ann?"
    assert [name for name, _ in calls].count("large") == 1
    assert answer("balanced_mixture", models=models, consistent="0.6")[0].answer == "a"


@pytest.mark.parametrize(("window", "calls"), [(6, 7), (3, 9), (2, 11), (8, 7)])
def test_a_model_reads_its_own_draws_in_windows(answer, window, calls):
    _, asked = answer("self_mixture", models={"large": says("a")}, window=str(window))
    assert len(asked) == calls


def test_rounds_make_as_many_calls_as_the_plan_says(answer):
    models = {"general": says("a"), "general_2": says("b"), "large": ECHO}
    _, calls = answer("rounds", models=models)
    names = [name for name, _ in calls]
    assert [names[:6].count(name) for name in models] == [2, 2, 2]
    assert len(names) == 9


def test_a_debate_with_roles(answer):
    models = {"general": says("a"), "general_2": says("a"), "large": says("b")}
    result, calls = answer("debate", models=models, roles='["critic", "analyst", "judge"]')
    assert result.answer == "a"
    assert len(calls) == 9
    assert calls[0][1][0][1].startswith("You look for mistakes")


def test_a_panel_goes_on_without_one_member(answer):
    models = {"general": says("a"), "general_2": NO, "maths": says("a"), "large": ECHO}
    result, _ = answer("panel", models=models)
    assert result.answer == "Ann is a, Ben is a. What is Ann?"
    assert [each.branch for each in result.failed] == ["general_2"]


def test_a_panel_below_its_quorum_is_an_error(answer):
    models = {"general": says("a"), "general_2": NO, "maths": NO, "large": ECHO}
    with pytest.raises(Failure) as caught:
        answer("panel", models=models)
    assert caught.value.code == "E716"
    assert answer("panel", models=models, quorum="1", write='"{{ answers }}"')[0].answer == "1. a"


def test_a_panel_shows_the_analysis_to_the_writer(answer):
    models = {"general": says("a"), "general_2": says("b"), "maths": says("a"), "large": ECHO}
    result, _ = answer("panel", models=models, write="synthesis")
    assert "Consensus:\n- All answer with a number." in result.answer
