"""What is proposed where."""

import pytest

from composer.backends import BACKENDS
from composer.editor.completion import completion
from composer.steps import STEPS


@pytest.fixture
def proposed(used):
    return lambda text: {each.label for each in completion(*used(text))[0]}


def test_a_new_statement_may_be_anything(proposed):
    assert {"model", "let", "A", "vote", "route"} <= proposed("‸")


def test_after_an_arrow_steps_and_names_are_proposed(proposed):
    public = {name for name, step in STEPS.items() if not step.sign}
    assert public | {"A", "B"} <= proposed("[A, B] -> ‸")


def test_signs_of_the_language_are_no_steps(proposed):
    assert not {"bank", "choose", "fallback", "weigh"} & proposed("A -> ‸")


def test_what_is_written_of_a_word_is_replaced(used):
    buffer, offset = used("[A, B] -> vo‸")
    assert completion(buffer, offset)[1] == offset - 2


def test_options_of_the_call_are_proposed(proposed):
    assert proposed("[A, B] -> vote(‸)") == set(STEPS["vote"].public_options)


def test_options_that_are_given_are_left_out(proposed):
    found = proposed("[A, B] -> vote(by = exact(), ‸, soft = true)")
    assert "ties" in found
    assert not {"by", "soft"} & found


def test_parts_of_the_expected_kind_are_proposed(proposed):
    assert proposed("[A, B] -> vote(by = ‸)") >= {"exact", "bleu"}
    assert "knn" not in proposed("[A, B] -> vote(by = ‸)")


def test_a_positional_option_has_its_values(proposed):
    assert "number" in proposed("A -> extract(‸)")


def test_options_of_a_part_are_proposed(proposed):
    assert {"data", "k"} <= proposed("route(by = knn(‸), policy = one()) -> [A, B]")


def test_a_model_takes_the_options_of_generate(proposed):
    assert "max_tokens" in proposed("A(‸)")


def test_signals_and_params_stand_in_conditions(proposed):
    found = proposed("param doubt: float = 0.5\nA -> cascade(B, accept = ‸)")
    assert {"confidence", "doubt"} <= found


def test_an_acceptance_stands_where_a_condition_does(proposed):
    assert {"thresholds", "confidence"} <= proposed("cascade(A, B, accept = ‸)")
    assert {"of", "at"} <= proposed("cascade(A, B, accept = thresholds(‸))")


def test_a_cascade_is_decided_by_estimates_and_a_policy_too(proposed):
    assert {"knn", "uniform"} <= proposed("cascade(A, B, by = ‸)")
    assert {"one", "gap"} <= proposed("cascade(A, B, by = knn(), policy = ‸)")


def test_a_signal_has_options_and_an_option_may_be_a_model(proposed):
    assert {"by", "template"} <= proposed("A -> cascade(B, accept = verified(‸))")
    assert {"A", "B"} <= proposed("A -> cascade(B, accept = verified(by = ‸))")


def test_templates_are_proposed_by_name(proposed):
    assert {"aggregate", "plain"} <= proposed("A -> prompt(‸) -> B")


def test_a_template_knows_its_variables(proposed):
    assert proposed('A -> prompt("""{{ an‸ }}""")') >= {"query", "answers"}
    assert not proposed('A -> prompt("""an‸ {{ query }}""")')


def test_backends_follow_a_model(proposed):
    assert proposed("model E = ‸") == set(BACKENDS)


@pytest.mark.parametrize("text", ['model E = zoo("‸")', 'model E = zoo("ma‸', "model E = zoo(‸"])
def test_options_and_models_of_the_zoo(proposed, text):
    expected = "maths" if '"' in text else "dtype"
    assert expected in proposed(text)


def test_choices_of_an_option_are_proposed(proposed):
    assert "bf16" in proposed('model E = hf("x", dtype = ‸)')


def test_types_follow_the_colon_of_a_param(proposed):
    assert {"int", "float", "list"} <= proposed("param k: ‸")


def test_values_of_a_param_are_of_its_type(proposed):
    assert proposed("param sure: bool = ‸") == {"true", "false"}


def test_parameters_of_a_def_are_proposed_in_it(proposed):
    assert "members" in proposed("def layer(members) = prompt(aggregate) -> ‸")
    assert "members" not in proposed("def layer(members) = members\n‸")


def test_a_def_is_called_with_its_parameters(proposed):
    assert "members" in proposed("def layer(members) = members\nA -> layer(‸)")


def test_params_of_a_used_recipe_are_its_options(proposed):
    assert "refer" in proposed('use "after/mixture_of_agents.ens" as moa\nmoa(‸)')


def test_files_and_their_names_are_proposed(proposed):
    assert "quickstart.ens" in proposed('use "‸"')
    assert {"general", "large"} <= proposed('use "zoo.ens" (A, ‸')
    assert proposed('use "quickstart.ens" ‸') == {"as"}


@pytest.mark.parametrize("text", ["let ‸", "def f(‸", "A ‸", "# A -> ‸", 'example "‸"', "A) ‸"])
def test_nothing_is_proposed_where_nothing_can_be(proposed, text):
    assert not proposed(text)
