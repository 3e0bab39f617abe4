"""Merges where models may stand: what is checked, planned, and asked."""

import json
from pathlib import Path

import pytest

from composer.compiler.graph import compile_recipe
from composer.compiler.plan import Device, Plan, describe, make_plan
from composer.compiler.rules import optimize
from composer.diagnostics import Mistakes, Source
from composer.recipe import Recipe

PLANS = Path(__file__).parent / "plans"
ZOO = """
model P = zoo("general-1")
model Q = zoo("tune-maths")
model R = zoo("tune-text")
"""
QUESTION = "What is 6 times 9?"


@pytest.fixture
def plan():
    """Plan a recipe of this folder for a device that is named."""
    path = PLANS / "merge.ens"
    source = Source(path.name, path.read_text(encoding="utf-8"))
    compiled = compile_recipe(path, source, root=PLANS)
    return make_plan(compiled, optimize(compiled.graph, compiled.answer), (Device("cuda:0"),))


@pytest.fixture
def answer(load):
    def say(text, **how):
        with load(text, models=ZOO, **how).ready() as ensemble:
            return ensemble(QUESTION)

    return say


def test_a_plan_shows_what_is_built(plan, golden):
    golden(PLANS / "merge.txt", describe(plan.plan))


def test_a_plan_with_builds_is_a_versioned_value_that_reads_back(plan):
    text = plan.plan.model_dump_json()
    first, *_ = json.loads(text)["builds"]
    assert first["formula"] == "0.4 * P + 0.6 * Q"
    assert first["donors"] == ["P", "Q"]
    assert Plan.model_validate_json(text) == plan.plan


def test_a_plan_without_merges_says_nothing_of_builds(load):
    assert "builds" not in json.loads(load("P", models=ZOO).plan().model_dump_json())


def test_what_is_loaded_goes_to_devices_and_what_is_only_read_does_not(plan):
    assert {model.name: model.device for model in plan.plan.models} == {
        "P": None,
        "Q": None,
        "R": "cuda:0",
    }
    assert [build.device for build in plan.plan.builds] == ["cuda:0", "cuda:0", "cpu"]
    merges = [node for node in plan.ids if node.op == "merge"]
    assert [node.get("device") for node in merges] == ["cuda:0", "cuda:0", "cpu"]


def test_a_merge_that_no_device_holds_is_shown_where_it_stands():
    text = ZOO + "merge(P, Q)"
    compiled = compile_recipe(Path("r.ens"), Source("r.ens", text), root=Path())
    with pytest.raises(Mistakes) as caught:
        make_plan(compiled, optimize(compiled.graph, compiled.answer), (Device("cuda:0", 10),))
    (found,) = caught.value.diagnostics
    assert (found.code, found.place.text) == ("E601", "merge(P, Q)")


@pytest.mark.parametrize(
    "text",
    [
        "merge(Q + 0.5 * (Q - Q), dtype = fp32)",
        "merge(Q, Q, weights = [0.5, 0.5])",
        "[merge(Q, Q)] -> vote()",
        "token_fuse(merge(Q, Q), Q, weights = [1, 0])",
        "token_fuse(prompt('{{ query }}') -> merge(Q, Q), merge(Q, Q))",
        "span_fuse(merge(Q, Q), Q)",
        "handoff(merge(Q, Q), Q)",
        "route(by = perplexity()) -> [merge(Q, Q), Q]",
        "merge(Q, Q) -> cascade(P, accept = confidence > 0)",
        "let both = merge(Q, Q)\nboth -> rank(by = likely(of = answer)) -> best()",
    ],
)
def test_a_merge_stands_wherever_a_model_may(answer, text):
    text = text.replace("'", '"').replace("by = likely(of = answer)", "by = confident()")
    assert answer(text).answer == answer("Q").answer


def test_a_sum_is_what_it_says(answer):
    steered = answer("merge(P + 1.0 * (Q - P))")
    assert steered.answer == answer("Q").answer
    assert steered.members["merge(P, Q)"].calls == 1


def test_plain_and_optimized_answers_are_the_same(answer):
    text = "[merge(P, Q), token_fuse(merge(P, Q), merge(Q, R), R)] -> vote()"
    assert answer(text).answer == answer(text, plain=True).answer


def test_merges_of_one_formula_are_rows_of_one_pass(load):
    recipe = load('token_fuse(merge(P, Q), prompt("{{ query }}") -> merge(P, Q))', models=ZOO)
    (fuse,) = (step for step in recipe.plan().steps if step.op == "token_fuse")
    assert "together" in {option.name for option in fuse.options}


def test_a_lock_holds_the_donors(tmp_path):
    path = tmp_path / "r.ens"
    path.write_text(ZOO + "merge(P, Q)\n")
    recipe = Recipe.load(path)
    assert recipe.lock()
    assert set(json.loads((tmp_path / "r.ens.lock").read_text())["models"]) == {"P", "Q"}


def test_a_donor_that_is_not_there_is_said_once(load):
    with pytest.raises(Mistakes) as caught:
        load('model Y = hf("./none")\nmerge(P, Y)', models=ZOO)
    assert [each.code for each in caught.value.diagnostics] == ["E501"]


def test_no_route_weighs_the_members_of_a_merge(load):
    recipe = load("route -> [merge(P, merge(Q, R))]", models=ZOO)
    assert [each.code for each in recipe.check()] == ["W302"]


@pytest.mark.parametrize(
    ("formula", "odd"),
    [
        ("P + 0.5 * (Q - P) + 0.5 * (R - Q)", "Q"),
        ("P + Q - R", "R"),
        ("P + R + -1 * Q", "Q"),
        ("P - (R - Q)", "Q"),
        ("3 * P - (Q + R)", "Q"),
        ("P + 0.5 * swap", "Q"),
    ],
)
def test_an_edit_of_differences_takes_differences_from_the_base_alone(load, formula, odd):
    with pytest.raises(Mistakes) as raised:
        load(f"let swap = R - Q\nmerge({formula}, edit = ties())", models=ZOO)
    (mistake,) = raised.value.diagnostics
    assert (mistake.code, f"subtracts `{odd}`" in mistake.message) == ("E403", True)
    assert f"({odd} - P)" in mistake.help


@pytest.mark.parametrize(
    "formula",
    [
        "P + 0.5 * (Q - P) - 0.5 * (R - P)",
        "P + 0.5 * (P - Q) + 0.2 * (R - P)",
        "P + 0.5 * ((Q - P) + (R - P))",
        "P + 0.5 * (Q + R - 2 * P)",
        "P + 0.5 * tune - tune / 4",
        "0.4 * P + 0.3 * Q + 0.3 * R",
        "P - (P - Q)",
    ],
)
def test_differences_from_the_base_may_be_written_in_many_ways(load, formula):
    assert load(f"let tune = Q - P\nmerge({formula}, edit = ties())", models=ZOO)


def test_without_an_edit_a_formula_may_subtract_any_model(load):
    assert load("merge(P + 0.5 * (Q - R))", models=ZOO)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('stack(P, S, layers = ["0", "0"])', "stacked"),
        ("moe(P, S, gate = uniform())", "mixed"),
        ("merge(P, S)", "merged"),
    ],
)
def test_unlike_members_are_refused_in_the_words_of_the_step(load, text, word):
    with pytest.raises(Mistakes) as raised:
        load(f'model S = zoo("large")\n{text}', models=ZOO)
    told = str(raised.value.diagnostics[0])
    assert f"cannot be {word}" in told
