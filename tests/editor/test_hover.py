"""What a word says of itself, and where it is defined."""

import pytest

from composer.editor.definition import definition
from composer.editor.hover import hover


@pytest.fixture
def said(used):
    def read(text):
        found = hover(*used(text))
        return found[0] if found else None

    return read


@pytest.fixture
def leads(used):
    def read(text):
        place = definition(*used(text))
        return (place.source.name.rpartition("/")[2], place.text) if place else None

    return read


def test_a_step_has_its_ports_and_its_paper(said):
    text = said("[A, B] -> vo‸te()")
    assert "takes Candidates, gives one answer" in text
    assert "https://arxiv.org/abs/2402.05120" in text


def test_a_step_without_brackets_is_one_too(said):
    assert "**route**" in said("rou‸te -> [A, B]")


def test_a_part_is_found_by_its_kind(said):
    assert "an agreement" in said("[A, B] -> vote(by = exa‸ct)")


def test_an_option_has_its_type_default_and_words(said):
    text = said("[A, B] -> vote(wei‸ghts = [1, 2])")
    assert "a list of numbers, default `none`" in text
    assert "one weight for each answer" in text


def test_options_within_parts(said):
    assert "default `20`" in said('route(by = knn("zoo:test", k‸ = 3)) -> [A, B]')


def test_a_model_shows_its_declaration_and_its_card(said):
    text = said("[A‸, B] -> vote()")
    assert 'zoo("general-1"' in text
    assert "parameters: " in text


def test_a_model_whose_options_are_wrong_has_no_card(said):
    assert said('model E = zoo("maths", dtype = 3)\nE‸').strip().endswith("```")


def test_backends_signals_and_templates(said):
    assert "a backend" in said('model E = zo‸o("maths")')
    assert "a signal" in said("A -> cascade(B, accept = confi‸dence > 0.5)")
    assert "a template" in said("A -> prompt(aggre‸gate) -> B")


def test_a_used_recipe_shows_its_use(said):
    assert said('use "quickstart.ens" as qui‸ck') == said('use "quickstart.ens" as quick\nqui‸ck()')


def test_nothing_is_said_of_strangers_and_spaces(said):
    assert said("stran‸ger") is None
    assert said("A  ‸ ->  vote()") is None


def test_a_model_leads_to_the_used_file(leads):
    assert leads("[A‸, B]") == ("zoo.ens", "A")


def test_an_imported_name_leads_there_too(leads):
    assert leads('use "zoo.ens" (lar‸ge as big)\nbig') == ("zoo.ens", "large")


def test_a_used_file_leads_to_itself(leads):
    assert leads('use "quick‸start.ens" as quick') == ("quickstart.ens", "")
    assert leads('use "quickstart.ens" as quick\nqui‸ck()') == ("quickstart.ens", "")


def test_lets_params_and_defs_lead_to_their_names(leads):
    assert leads("let both = [A, B]\nbot‸h -> vote()") == ("open.ens", "both")
    assert leads("param k: int = 3\nsample(A, k‸)") == ("open.ens", "k")
    assert leads("def f(a) = a\nf‸(A)") == ("open.ens", "f")


def test_parameters_lead_into_the_brackets_of_their_def(leads):
    assert leads("def f(given) = gi‸ven") == ("open.ens", "given")
    assert leads("def f(given) = (gi‸ven -> ") == ("open.ens", "given")


def test_an_option_of_a_used_recipe_leads_to_its_param(leads):
    text = 'use "after/mixture_of_agents.ens" as moa\nmoa(ref‸er = "x")'
    assert leads(text) == ("mixture_of_agents.ens", "refer")


def test_data_files_lead_to_themselves(leads, tmp_path):
    assert leads('route(by = knn("zoo:va‸lidation")) -> [A, B]') == ("validation.jsonl", "")
    assert leads('example "zoo:va‸lidation"') is None


def test_steps_lead_nowhere(leads):
    assert leads("[A, B] -> vo‸te()") is None
